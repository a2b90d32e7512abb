"""`TokenStore` in SQL, on SQLite and PostgreSQL alike; and all of web's stores on one database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from runtime.database import Database
from web.adapters.sql_accounts import SqlSessionStore, SqlUserStore
from web.adapters.sql_audit import SqlAuditStore, SqlTriesStore
from web.adapters.tables import METADATA, SqlStore, sessions, tokens
from web.auth.roles import Role
from web.ports import Stores, TokenRecord

__all__ = ["METADATA", "SqlTokenStore", "stores"]


def stores(database: Database) -> Stores:
    """All that accounts keep, in one database."""
    return Stores(
        tokens=SqlTokenStore(database),
        users=SqlUserStore(database),
        sessions=SqlSessionStore(database),
        tries=SqlTriesStore(database),
        audit=SqlAuditStore(database),
    )


class SqlTokenStore(SqlStore):
    """Tokens in the table `web_tokens`."""

    async def add(self, record: TokenRecord) -> None:
        """See `TokenStore`."""
        async with self._writing() as session:
            await session.execute(insert(tokens).values(**{**asdict(record), "role": record.role.value}))

    async def find(self, token: str) -> TokenRecord | None:
        """See `TokenStore`."""
        async with self._reading() as session:
            row = (await session.execute(select(tokens).where(tokens.c.id == token))).mappings().first()
        return None if row is None else _record(row)

    async def tokens(self) -> Sequence[TokenRecord]:
        """See `TokenStore`."""
        query = select(tokens).order_by(tokens.c.created, tokens.c.id)
        async with self._reading() as session:
            return [_record(row) for row in (await session.execute(query)).mappings()]

    async def revoke(self, token: str) -> bool:
        """See `TokenStore`."""
        async with self._writing() as session:
            return token in await revoke(session, [token])

    async def touch(self, token: str, used: int) -> None:
        """See `TokenStore`."""
        async with self._writing() as session:
            await session.execute(update(tokens).where(tokens.c.id == token).values(used=used))

    async def sweep(self, now: int) -> int:
        """See `TokenStore`."""
        async with self._writing() as session:
            expired = select(tokens.c.id).where(tokens.c.expires > 0, tokens.c.expires <= now)
            return len(await revoke(session, list((await session.execute(expired)).scalars())))


async def revoke(session: AsyncSession, wanted: Sequence[str]) -> set[str]:
    """Remove tokens, those made with them, those made with these, and the sessions of all; the ids that went."""
    gone: set[str] = set()
    while wanted:
        found = delete(tokens).where(or_(tokens.c.id.in_(wanted), tokens.c.parent.in_(wanted)))
        removed = set((await session.execute(found.returning(tokens.c.id))).scalars())
        wanted = sorted(removed - gone)
        gone |= removed
    if gone:
        await session.execute(delete(sessions).where(sessions.c.token.in_(sorted(gone))))
    return gone


def _record(row: Mapping[Any, Any]) -> TokenRecord:
    values = {str(key): value for key, value in row.items()}
    return TokenRecord(**{**values, "role": Role(values["role"])})

"""`TokenStore` in SQL, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from runtime.bus.contract import CommandError, Fault
from runtime.database import Database, DatabaseUnavailableError
from web.auth.roles import Role
from web.ports import TokenRecord

METADATA = MetaData(
    # Named constraints: SQLite's batch migrations can only drop what has a name.
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

tokens = Table(
    "web_tokens",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", String(64), nullable=False),  # hex SHA-256; the token's text is nowhere
    Column("created", BigInteger, nullable=False),  # Unix microseconds, as all times here; 0: not
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("parent", String(40), nullable=False),  # the token a session was opened with; empty for a token
)
Index("ix_web_tokens_parent", tokens.c.parent)
Index("ix_web_tokens_expires", tokens.c.expires)


class SqlTokenStore:
    """Tokens in the table `web_tokens`. A database that cannot be used is told as `Fault.UNAVAILABLE`."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        query = select(tokens).where(tokens.c.parent == "").order_by(tokens.c.created, tokens.c.id)
        async with self._reading() as session:
            return [_record(row) for row in (await session.execute(query)).mappings()]

    async def revoke(self, token: str) -> bool:
        """See `TokenStore`."""
        async with self._writing() as session:
            gone = delete(tokens).where(or_(tokens.c.id == token, tokens.c.parent == token))
            ids = (await session.execute(gone.returning(tokens.c.id))).scalars().all()
        return token in ids

    async def touch(self, token: str, used: int) -> None:
        """See `TokenStore`."""
        async with self._writing() as session:
            await session.execute(update(tokens).where(tokens.c.id == token).values(used=used))

    async def sweep(self, now: int) -> int:
        """See `TokenStore`."""
        async with self._writing() as session:
            expired = delete(tokens).where(tokens.c.expires > 0, tokens.c.expires <= now)
            return len((await session.execute(expired.returning(tokens.c.id))).scalars().all())

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        try:
            async with self._database.session() as session:
                yield session
        except (DatabaseUnavailableError, SQLAlchemyError) as error:
            raise _unavailable(error) from error

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncSession]:
        try:
            async with self._database.reading() as session:
                yield session
        except (DatabaseUnavailableError, SQLAlchemyError) as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> CommandError:
    # What the driver says, in a line: SQLAlchemy's own text goes on with the statement and its values.
    said = str(error.args[0] if error.args else "").splitlines()
    return CommandError(
        Fault.UNAVAILABLE, f"the database cannot be used now: {said[0] if said else type(error).__name__}"
    )


def _record(row: Mapping[Any, Any]) -> TokenRecord:
    values = {str(key): value for key, value in row.items()}
    return TokenRecord(**{**values, "role": Role(values["role"])})

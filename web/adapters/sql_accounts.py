"""`UserStore` and `SessionStore` in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from runtime.bus.contract import CommandError, Fault
from web.adapters.tables import SqlStore, sessions, tokens, users
from web.auth.ports import SessionRecord, UserRecord
from web.auth.roles import Role

_ACTIVE_ADMIN = (users.c.role == Role.ADMIN.value) & ~users.c.disabled


class SqlUserStore(SqlStore):
    """Users in the table `web_users`."""

    async def add(self, user: UserRecord) -> None:
        """See `UserStore`."""
        async with self._writing() as session:
            await _unique(session, insert(users).values(**_values(user)).returning(users.c.id), user.login)

    async def find(self, user: str) -> UserRecord | None:
        """See `UserStore`."""
        async with self._reading() as session:
            row = (await session.execute(select(users).where(users.c.id == user))).mappings().first()
        return None if row is None else _user(row)

    async def by_login(self, login: str) -> UserRecord | None:
        """See `UserStore`."""
        async with self._reading() as session:
            row = (await session.execute(select(users).where(users.c.login == login))).mappings().first()
        return None if row is None else _user(row)

    async def users(self) -> Sequence[UserRecord]:
        """See `UserStore`."""
        async with self._reading() as session:
            return sorted(
                (_user(row) for row in (await session.execute(select(users))).mappings()),
                key=lambda user: user.login,  # by code points, whatever the database's collation
            )

    async def save(self, user: UserRecord, *, was: int, end_sessions: bool = False) -> bool:
        """See `UserStore`."""
        async with self._writing() as session:
            if user.role is not Role.ADMIN or user.disabled:
                await _keep_an_administrator(session, user.id)
            change = (
                update(users).where(users.c.id == user.id, users.c.version == was).values(**_values(user))
            )
            if not await _unique(session, change.returning(users.c.id), user.login):
                return False
            if end_sessions:
                await _end_sessions(session, user.id)
            return True

    async def rehash(self, user: str, password: str, *, was: str) -> None:
        """See `UserStore`."""
        async with self._writing() as session:
            same = (users.c.id == user) & (users.c.password == was)
            await session.execute(update(users).where(same).values(password=password))

    async def remove(self, user: str, *, was: int | None = None) -> bool:
        """See `UserStore`."""
        async with self._writing() as session:
            await _keep_an_administrator(session, user)
            gone = delete(users).where(users.c.id == user)
            if was is not None:
                gone = gone.where(users.c.version == was)
            if not (await session.execute(gone.returning(users.c.id))).first():
                return False
            await _end_sessions(session, user)
            await session.execute(delete(tokens).where(tokens.c.owner == user))
            return True


async def _end_sessions(session: AsyncSession, user: str) -> None:
    """Its own, and those of its tokens."""
    owned = select(tokens.c.id).where(tokens.c.owner == user)
    await session.execute(delete(sessions).where(or_(sessions.c.user == user, sessions.c.token.in_(owned))))


async def _unique(session: AsyncSession, statement: Any, login: str) -> bool:  # noqa: ANN401 - SQLAlchemy's are generic
    """Run an insert or update with RETURNING; False where it found no row."""
    try:
        return (await session.execute(statement)).first() is not None
    except IntegrityError as error:
        raise CommandError(
            Fault.CONFLICT, f"there is a user with the login {login} already", field="login"
        ) from error


async def _keep_an_administrator(session: AsyncSession, leaving: str) -> None:
    # Locked: of two administrators who take each other's role away at once, one is refused.
    query = select(users.c.id).where(_ACTIVE_ADMIN).order_by(users.c.id).with_for_update()
    if list((await session.execute(query)).scalars()) == [leaving]:
        raise CommandError(
            Fault.CONFLICT,
            "this is the last administrator: give the role to somebody else first",
            field="role",
        )


class SqlSessionStore(SqlStore):
    """Log-ins in the table `web_sessions`."""

    async def open(self, session: SessionRecord) -> None:
        """See `SessionStore`."""
        async with self._writing() as transaction:
            await transaction.execute(insert(sessions).values(**asdict(session)))

    async def session(self, session: str) -> tuple[SessionRecord, UserRecord | None] | None:
        """See `SessionStore`."""
        async with self._reading() as transaction:
            found = select(sessions).where(sessions.c.id == session)
            row = (await transaction.execute(found)).mappings().first()
            if row is None:
                return None
            owner = select(users).where(users.c.id == row["user"])
            user = (await transaction.execute(owner)).mappings().first() if row["user"] else None
        return SessionRecord(**{str(key): value for key, value in row.items()}), _user(user) if user else None

    async def seen(self, session: str, at: int) -> None:
        """See `SessionStore`."""
        async with self._writing() as transaction:
            await transaction.execute(update(sessions).where(sessions.c.id == session).values(seen=at))

    async def end(self, session: str) -> bool:
        """See `SessionStore`."""
        return await self._delete(sessions.c.id == session) > 0

    async def end_all(self, *, user: str = "", token: str = "") -> int:
        """See `SessionStore`."""
        mine = (sessions.c.user == user) & (sessions.c.user != "")
        theirs = (sessions.c.token == token) & (sessions.c.token != "")
        return await self._delete(or_(mine, theirs))

    async def sweep_sessions(self, *, expired: int, idle: int) -> int:
        """See `SessionStore`."""
        return await self._delete(or_(sessions.c.expires <= expired, sessions.c.seen <= idle))

    async def _delete(self, which: Any) -> int:  # noqa: ANN401 - a clause
        async with self._writing() as transaction:
            gone = delete(sessions).where(which).returning(sessions.c.id)
            return len((await transaction.execute(gone)).scalars().all())


def _values(user: UserRecord) -> dict[str, Any]:
    return {**asdict(user), "role": user.role.value}


def _user(row: Mapping[Any, Any]) -> UserRecord:
    values = {str(key): value for key, value in row.items()}
    return UserRecord(**{**values, "role": Role(values["role"])})

"""`ShowStore` in SQL, on SQLite and PostgreSQL alike. SQLAlchemy's errors stop here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from runtime.database import NAMING, DatabaseStore
from studio.model.errors import ConflictError, NotFoundError, StoreError
from studio.model.show import Show, ShowState

METADATA = MetaData(naming_convention=NAMING)

shows = Table(
    "shows",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("title", Text, nullable=False),
    Column("channel", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),  # Unix microseconds
    Column("started", BigInteger, nullable=False),  # programme time, 0: not yet
    Column("ended", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("pending", Boolean, nullable=False),
)
Index("ix_shows_created_id", shows.c.created, shows.c.id)
LIVE = shows.c.state == ShowState.LIVE.value
# The database itself refuses a second live show on a channel, whoever asks.
Index("ux_shows_live_channel", shows.c.channel, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)


class SqlShowStore(DatabaseStore):
    """Shows in the table `shows`."""

    def _unusable(self, reason: str) -> StoreError:
        return StoreError(reason)

    async def add(self, show: Show) -> None:
        """See `ShowStore`."""
        try:
            async with self._writing() as session:
                await session.execute(insert(shows).values(**_values(show)))
        except IntegrityError as error:
            raise ConflictError(f"there is a show {show.id} already", field="id") from error

    async def get(self, show: str) -> Show:
        """See `ShowStore`."""
        async with self._reading() as session:
            row = (await session.execute(select(shows).where(shows.c.id == show))).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no show {show}")
        return _show(row)

    async def save(self, show: Show, *, was: Show) -> None:
        """See `ShowStore`."""
        unchanged = [
            shows.c.id == was.id,
            shows.c.version == was.version,
            shows.c.attempt == was.attempt,
            shows.c.pending == was.pending,
        ]
        try:
            async with self._writing() as session:
                change = update(shows).where(*unchanged).values(**_values(show)).returning(shows.c.id)
                found = (await session.execute(change)).first()
        except IntegrityError as error:
            raise ConflictError(f"another show is live on channel {show.channel}", field="channel") from error
        if found is None:
            raise ConflictError("the show was changed meanwhile")

    async def delete(self, show: str) -> None:
        """See `ShowStore`."""
        async with self._writing() as session:
            await session.execute(delete(shows).where(shows.c.id == show))

    async def page(
        self, *, state: ShowState | None, channel: str | None, limit: int, after: tuple[int, str] | None
    ) -> Sequence[Show]:
        """See `ShowStore`."""
        query = select(shows).order_by(shows.c.created.desc(), shows.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(shows.c.state == state.value)
        if channel is not None:
            query = query.where(shows.c.channel == channel)
        if after is not None:
            query = query.where(tuple_(shows.c.created, shows.c.id) < after)
        async with self._reading() as session:
            return [_show(row) for row in (await session.execute(query)).mappings()]

    async def unsettled(self) -> Sequence[Show]:
        """See `ShowStore`."""
        query = select(shows).where(or_(LIVE, shows.c.pending)).order_by(shows.c.created)
        async with self._reading() as session:
            return [_show(row) for row in (await session.execute(query)).mappings()]


def _values(show: Show) -> dict[str, object]:
    return {
        "id": show.id,
        "title": show.title,
        "channel": show.channel,
        "state": show.state.value,
        "version": show.version,
        "created": show.created,
        "started": show.started,
        "ended": show.ended,
        "attempt": show.attempt,
        "pending": show.pending,
    }


def _show(row: Mapping[Any, Any]) -> Show:
    return Show(**{**row, "state": ShowState(row["state"])})

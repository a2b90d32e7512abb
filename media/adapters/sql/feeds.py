"""Kept feeds in SQL: the adapter of `media.ingest.store.FeedStore`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from media.adapters.sql.tables import feeds
from media.ingest.store import FeedRecord, key_taken, missing, stale, taken
from media.model.errors import StoreError
from media.model.feed import FeedKind, FeedSpec, SecondPublisher
from runtime.database import DatabaseUnavailableError, said


class SqlFeedStore:
    """Feeds in the table `feeds`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def all(self) -> Sequence[FeedRecord]:
        """All feeds, by id."""
        async with self._connection() as connection:
            rows = await connection.execute(select(feeds).order_by(feeds.c.id))
            return [_record(row) for row in rows.mappings()]

    async def add(self, record: FeedRecord) -> None:
        """Add one."""
        try:
            async with self._connection() as connection:
                await connection.execute(insert(feeds).values(**_values(record)))
        except IntegrityError as error:
            # Which of the two constraints it was is told differently by each database: look instead.
            if any(each.spec.id == record.spec.id for each in await self.all()):
                raise taken(record.spec.id) from error
            raise key_taken() from error

    async def save(self, record: FeedRecord, *, expected: int) -> None:
        """Replace one."""
        same = (feeds.c.id == record.spec.id) & (feeds.c.version == expected)
        try:
            async with self._connection() as connection:
                done = await connection.execute(update(feeds).where(same).values(**_values(record)))
                if done.rowcount:
                    return
                kept = await connection.scalar(select(feeds.c.version).where(feeds.c.id == record.spec.id))
        except IntegrityError as error:
            raise key_taken() from error
        raise missing(record.spec.id) if kept is None else stale(kept)

    async def remove(self, feed: str) -> None:
        """Remove one."""
        async with self._connection() as connection:
            await connection.execute(delete(feeds).where(feeds.c.id == feed))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, DatabaseUnavailableError, OSError) as error:
            raise StoreError(f"the database cannot be used now: {said(error)}") from error


def _values(record: FeedRecord) -> dict[str, object]:
    return {
        "id": record.spec.id,
        "kind": record.spec.kind.value,
        "name": record.spec.name,
        "second_publisher": record.spec.second_publisher.value,
        "options": dict(record.spec.options),
        "key_hash": record.key_hash,
        "secret": record.spec.secret,
        "version": record.version,
        "created_at": record.created_at,
    }


def _record(row: Mapping[Any, Any]) -> FeedRecord:
    spec = FeedSpec(
        id=row["id"],
        kind=FeedKind(row["kind"]),
        name=row["name"],
        second_publisher=SecondPublisher(row["second_publisher"]),
        options=tuple(sorted((str(key), str(value)) for key, value in row["options"].items())),
        secret=row["secret"],
    )
    return FeedRecord(spec, row["key_hash"], row["version"], row["created_at"])

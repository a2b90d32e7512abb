"""Kept channels in SQL: the adapter of `media.node.store.ChannelStore`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from media.adapters.sql.edge import reading, transaction
from media.adapters.sql.tables import channels
from media.contracts.channels import ChannelSettings, Program
from media.model.errors import ConflictError, NotFoundError, StoreError
from media.node.store import ChannelRecord


class SqlChannelStore:
    """Channels in the table `channels`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def all(self) -> Sequence[ChannelRecord]:
        """All channels, by id."""
        async with reading(self._engine, "reading the channels") as connection:
            rows = await connection.execute(select(channels).order_by(channels.c.id))
            return [_record(row) for row in rows.mappings()]

    async def get(self, channel: str) -> ChannelRecord:
        """One channel."""
        async with reading(self._engine, "reading a channel") as connection:
            rows = await connection.execute(select(channels).where(channels.c.id == channel))
            row = rows.mappings().first()
        if row is None:
            raise NotFoundError(f"there is no channel {channel!r}", field="channel")
        return _record(row)

    async def add(self, record: ChannelRecord) -> None:
        """Add one."""
        try:
            async with transaction(self._engine, "adding a channel") as connection:
                await connection.execute(
                    insert(channels).values(created_at=time.time_ns() // 1000, **_values(record))
                )
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            raise ConflictError(f"there is a channel {record.id!r} already", field="channel") from error

    async def save(self, record: ChannelRecord) -> None:
        """Replace one."""
        async with transaction(self._engine, "changing a channel") as connection:
            done = await connection.execute(
                update(channels).where(channels.c.id == record.id).values(**_values(record))
            )
        if done.rowcount == 0:
            raise NotFoundError(f"there is no channel {record.id!r}", field="channel")

    async def remove(self, channel: str) -> None:
        """Remove one."""
        async with transaction(self._engine, "removing a channel") as connection:
            await connection.execute(delete(channels).where(channels.c.id == channel))


def _values(record: ChannelRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "settings": record.settings.model_dump(mode="json"),
        "version": record.version,
        "wanted": record.wanted,
        "program_feed": record.program.feed,
        "program_backup": record.program.backup,
    }


def _record(row: Mapping[Any, Any]) -> ChannelRecord:
    return ChannelRecord(
        id=row["id"],
        settings=ChannelSettings.model_validate(row["settings"]),
        version=row["version"],
        wanted=row["wanted"],
        program=Program(feed=row["program_feed"], backup=row["program_backup"]),
    )

"""Kept recordings in SQL: the adapter of `media.record.recordings.RecordingStore`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from media.adapters.sql.edge import reading, transaction, upsert
from media.adapters.sql.tables import recordings
from media.model.errors import ConflictError, NotFoundError
from media.model.time import ProgrammeTime
from media.record.recordings import Recording

_R = recordings.c


class SqlRecordingStore:
    """Recordings in the table `recordings`. A deleted one leaves its row, so that its id is never used again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def start(self, recording: str, channel: str, at: ProgrammeTime) -> Recording:
        """Begin one, or find it running."""
        async with transaction(self._engine, "starting a recording") as connection:
            await connection.execute(
                upsert(connection, recordings)
                .values(id=recording, channel=channel, started=at, ended=0, deleted=0, size=0)
                .on_conflict_do_nothing()
            )
            found = await _read(connection, recording)
        if found.deleted or not found.running:
            raise ConflictError(f"the recording {recording!r} has ended already", field="recording")
        if found.channel != channel:
            raise ConflictError(
                f"the recording {recording!r} is one of channel {found.channel!r}", field="channel"
            )
        return found

    async def stop(self, recording: str, at: ProgrammeTime) -> Recording:
        """End one; never before its start."""
        async with transaction(self._engine, "stopping a recording") as connection:
            found = await _read(connection, recording)
            if found.deleted:
                raise _missing(recording)
            if not found.running:
                return found
            end = max(at, found.started + 1)
            await connection.execute(
                update(recordings).where(_R.id == recording, _R.ended == 0).values(ended=end)
            )
            return await _read(connection, recording)

    async def get(self, recording: str) -> Recording:
        """One that stands."""
        async with reading(self._engine, "reading a recording") as connection:
            found = await _read(connection, recording)
        if found.deleted:
            raise _missing(recording)
        return found

    async def list(self, channel: str | None = None) -> Sequence[Recording]:
        """Those that stand, newest first."""
        query = select(recordings).where(_R.deleted == 0).order_by(_R.started.desc(), _R.id)
        if channel is not None:
            query = query.where(_R.channel == channel)
        async with reading(self._engine, "listing recordings") as connection:
            return [Recording(**row) for row in (await connection.execute(query)).mappings()]

    async def delete(self, recording: str, at: int) -> None:
        """Mark one deleted."""
        async with transaction(self._engine, "deleting a recording") as connection:
            found = await _read(connection, recording)
            if found.deleted:
                raise _missing(recording)
            if found.running:
                raise ConflictError(f"the recording {recording!r} is running", field="recording")
            await connection.execute(update(recordings).where(_R.id == recording).values(deleted=at))

    async def measured(self, recording: str, size: int) -> None:
        """Keep the size of an ended one."""
        async with transaction(self._engine, "measuring a recording") as connection:
            await connection.execute(
                update(recordings).where(_R.id == recording, _R.ended != 0).values(size=size)
            )


async def _read(connection: AsyncConnection, recording: str) -> Recording:
    row = (await connection.execute(select(recordings).where(_R.id == recording))).mappings().first()
    if row is None:
        raise _missing(recording)
    return Recording(**row)


def _missing(recording: str) -> NotFoundError:
    return NotFoundError(f"there is no recording {recording!r}", field="recording")

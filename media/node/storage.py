"""How full the disk of the tape is, and with what."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from media.contracts.faults import Handler
from media.contracts.tape import GetStorage, StorageView
from media.model.errors import StoreError
from media.model.time import ProgrammeTime
from media.ports import SegmentStore
from media.record.iso.isos import Iso
from media.record.layout import EXPORTS
from media.record.recordings import Recording
from runtime.bus.contract import Command

_BEGINNING = ProgrammeTime(0)


class TapeSizes(Protocol):
    """What is asked of the tape's index. Raises `StoreError`."""

    async def channels(self) -> Sequence[str]:
        """Channels that have a tape."""
        ...

    async def size(self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None) -> int:
        """Bytes of all segments that overlap [start, end)."""
        ...


class Standing(Protocol):
    """What is asked of the kept recordings. Raises `StoreError`."""

    async def list(self, channel: str | None = None) -> Sequence[Recording]:
        """Those that stand."""
        ...


class FeedRecordings(Protocol):
    """What is asked of recordings of feeds. Raises `StoreError`."""

    async def list(self, feed: str | None = None) -> Sequence[Iso]:
        """Those that stand."""
        ...


class Storage:
    """Answers `GetStorage`."""

    def __init__(
        self,
        root: Path,
        index: TapeSizes,
        recordings: Standing,
        isos: FeedRecordings,
        store: SegmentStore,
        *,
        min_free: int,
    ) -> None:
        self._root = root
        self._index = index
        self._recordings = recordings
        self._isos = isos
        self._store = store
        self._min_free = min_free

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        """The commands this owner answers."""
        return {GetStorage: self.get}

    async def get(self, command: GetStorage) -> StorageView:
        """As it is now: the index tells the sizes, no folder is walked but that of exports."""
        del command
        try:
            disk = await asyncio.to_thread(shutil.disk_usage, self._root)
        except OSError as error:
            raise StoreError(f"the disk of the tape cannot be asked: {error.strerror}") from error
        exports = await self._store.list(EXPORTS)
        return StorageView(
            total=disk.total,
            free=disk.free,
            tape=sum([await self._index.size(c, _BEGINNING) for c in await self._index.channels()]),
            recordings=await self._kept(),
            # Files directly below are exports; a channel of that name has its tape a folder deeper.
            isos=sum([iso.size for iso in await self._isos.list()]),
            exports=sum(size for key, size in exports if key.count("/") == 1),
            min_free=self._min_free,
        )

    async def _kept(self) -> int:
        """Bytes of recordings; what two of them share counts for each."""
        total = 0
        for recording in await self._recordings.list():
            total += recording.size or await self._index.size(
                recording.channel, recording.started, recording.ended or None
            )
        return total

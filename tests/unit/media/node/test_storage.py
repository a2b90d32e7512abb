from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from media.adapters.obstore_store import ObstoreSegmentStore
from media.contracts.tape import GetStorage
from media.model.errors import StoreError
from media.model.time import ProgrammeTime
from media.node.storage import Storage
from media.record.iso.isos import Iso
from media.record.recordings import Recording


class Sizes:
    """Ten bytes for each microsecond of tape; each channel's tape is a hundred long."""

    async def channels(self) -> Sequence[str]:
        return ["main", "exports"]

    async def size(self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None) -> int:
        del channel
        return 10 * ((100 if end is None else end) - start)


class Kept:
    """Recordings that are there."""

    def __init__(self, *recordings: Recording) -> None:
        self._recordings = recordings

    async def list(self, channel: str | None = None) -> Sequence[Recording]:
        return [each for each in self._recordings if channel in {None, each.channel}]


class FeedRecordings:
    """Two recordings of feeds."""

    async def list(self, feed: str | None = None) -> Sequence[Iso]:
        return [Iso("i1", "cam", 1, 2, size=10), Iso("i2", "cam", 3, size=20)]


async def test_the_tape_recordings_and_exports_are_summed(tmp_path: Path) -> None:
    store = ObstoreSegmentStore.local(tmp_path, fsync=False)
    await store.put("exports/r1.mp4", b"12345")
    await store.put("exports/v360/1-1.m4s", b"tape of a channel of that name")
    recordings = Kept(
        Recording("r1", "main", ProgrammeTime(10), ProgrammeTime(30), size=77),
        Recording("r2", "main", ProgrammeTime(90)),
    )
    view = await Storage(tmp_path, Sizes(), recordings, FeedRecordings(), store, min_free=9).get(GetStorage())
    assert (view.tape, view.recordings, view.exports, view.isos, view.min_free) == (2000, 77 + 100, 5, 30, 9)
    assert 0 < view.free <= view.total


async def test_a_disk_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    storage = Storage(gone, Sizes(), Kept(), FeedRecordings(), ObstoreSegmentStore.memory(), min_free=0)
    with pytest.raises(StoreError, match="cannot be asked"):
        await storage.get(GetStorage())

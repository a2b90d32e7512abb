"""The recorder and recovery over a real folder and a real SQLite file."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.tape import TapeTrouble
from media.model.channel import ChannelSpec
from media.model.errors import FencedError, StoreError
from media.model.time import ProgrammeTime
from media.packaging.fmp4 import fragments
from media.ports import SegmentStore
from media.record.gaps import KnownGap, gaps
from media.record.recorder import Recorder, RecorderLimits
from media.record.recovery import recover_channel
from tests.support import media_database
from tests.support.tape import ANCHOR, SECOND, init_bytes, parts, spec


class SlowStore:
    """Another store, each of whose puts waits first; `fail` makes puts raise instead."""

    def __init__(self, store: SegmentStore) -> None:
        self._store = store
        self.delay = 0.0
        self.fail = ""

    async def put(self, key: str, data: bytes) -> None:
        await asyncio.sleep(self.delay)
        if self.fail:
            raise StoreError(self.fail)
        await self._store.put(key, data)

    async def get(self, key: str) -> bytes:
        return await self._store.get(key)

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        return await self._store.get_range(key, start, end)

    async def list(self, prefix: str) -> Sequence[tuple[str, int]]:
        return await self._store.list(prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._store.delete(keys)


@dataclass
class Rig:
    folder: Path
    index: SqlTapeIndex
    store: SlowStore
    spec: ChannelSpec = field(default_factory=spec)
    stored: list[tuple[str, int]] = field(default_factory=list)
    troubles: list[TapeTrouble] = field(default_factory=list)
    gaps: list[KnownGap] = field(default_factory=list)

    @property
    def renditions(self) -> list[str]:
        return [*(rung.name for rung in self.spec.ladder), "audio"]

    async def recorder(self, limits: RecorderLimits | None = None) -> Recorder:
        epoch = await self.index.claim_epoch("main", ANCHOR)
        recorder = Recorder(
            "main",
            epoch,
            self.renditions,
            store=self.store,
            index=self.index,
            gap_log=self.index,
            open_dir=self.folder / "open",
            stored=lambda rendition, msn: self.stored.append((rendition, msn)),
            trouble=self.troubles.append,
            gap=self.gaps.append,
            limits=limits or RecorderLimits(retry=0.05),
        )
        for name in self.renditions:
            data = init_bytes(48_000 if name == "audio" else self.spec.clock.timescale)
            recorder.init(name, data, codecs="mp4a.40.2" if name == "audio" else "avc1.64001f")
        return recorder

    async def manifest(self, seconds: float) -> list[KnownGap]:
        end = ProgrammeTime(ANCHOR + round(seconds * SECOND))
        found = await self.index.between("main", ANCHOR, end)
        return gaps(found, ANCHOR, end, await self.index.known_gaps("main", ANCHOR, end))

    @property
    def database(self) -> Path:
        return next(self.folder.glob("*.db"))

    @property
    def open_files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "open" / "main").glob("*.m4s"))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with media_database.fresh("sqlite", tmp_path, busy_timeout=0.5) as database:
        yield Rig(
            tmp_path, SqlTapeIndex(database.engine), SlowStore(ObstoreSegmentStore.local(tmp_path / "tape"))
        )


async def until(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


async def test_every_segment_is_on_tape_with_its_media(rig: Rig) -> None:
    recorder = await rig.recorder()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        whole: dict[tuple[str, int], bytes] = defaultdict(bytes)
        for part in parts(rig.spec, 5):
            recorder.part(part)
            whole[part.rendition, part.msn] += part.data
        recorder.finish()
    found = await rig.index.between("main", ANCHOR)
    assert [(s.msn, s.rendition) for s in found] == [
        (n, r) for n in range(5) for r in ("audio", "v180", "v360")
    ]
    for segment in found:
        data = await rig.store.get(segment.key)
        assert data == whole[segment.rendition, segment.msn]
        read = fragments(data)
        assert (read[0].decode_time, sum(f.duration for f in read)) == (segment.decode_time, segment.duration)
    assert sorted(rig.stored) == sorted((s.rendition, s.msn) for s in found)
    assert [i.rendition for i in await rig.index.inits("main")] == ["audio", "v180", "v360"]
    assert await rig.manifest(10) == []
    assert rig.open_files == []
    assert (recorder.stats.stored_segments, recorder.stats.held_bytes, recorder.stats.lost_segments) == (
        5,
        0,
        0,
    )
    assert (rig.troubles, rig.gaps) == ([], [])


async def test_a_locked_database_delays_the_index_and_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    recorder = await rig.recorder()
    database = rig.database
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        for part in parts(rig.spec, 2):
            recorder.part(part)
        await until(lambda: len(rig.stored) == 6)
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        slowest = 0.0
        for part in parts(rig.spec, 6):
            began = time.perf_counter()
            recorder.part(part)
            slowest = max(slowest, time.perf_counter() - began)
        assert slowest < 0.4  # who waits for the lock waits for half a second
        await until(lambda: recorder.stats.pending_rows == 4 and bool(rig.troubles))
        assert "locked" in rig.troubles[-1].reason
        assert len(rig.open_files) == 12
        other.execute("ROLLBACK")
        other.close()
        await until(lambda: len(rig.stored) == 18)
        recorder.finish()
    assert await rig.manifest(12) == []
    assert rig.troubles[-1].reason == ""
    assert rig.open_files == []


async def test_a_disk_that_fails_costs_whole_segments_and_is_told(rig: Rig) -> None:
    # Room for about four segments of all renditions.
    four = sum(len(part.data) for part in parts(rig.spec, 4))
    recorder = await rig.recorder(RecorderLimits(held_bytes=four, retry=0.02))
    every = list(parts(rig.spec, 12))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        for part in every:
            if part.msn == 2 and part.index == 0:
                await until(lambda: len(rig.stored) >= 3 or bool(rig.store.fail))
                rig.store.fail = "No space left on device"
            if part.msn == 9 and part.index == 0:
                if rig.store.fail:
                    await until(lambda: any("No space left" in event.reason for event in rig.troubles))
                rig.store.fail = ""
                await until(lambda: recorder.stats.held_bytes < four // 2)
            recorder.part(part)
        recorder.finish()
    found = await rig.index.between("main", ANCHOR)
    by_msn: dict[int, set[str]] = defaultdict(set)
    for segment in found:
        by_msn[segment.msn].add(segment.rendition)
    assert all(len(renditions) == 3 for renditions in by_msn.values())
    lost = sorted(set(range(12)) - set(by_msn))
    assert lost
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert {0, 1, 2, 9, 10, 11} <= set(by_msn)
    (gap,) = await rig.manifest(24)
    assert gap.cause == "disk"
    assert abs(gap.starts - (ANCHOR + lost[0] * 2 * SECOND)) < 30_000
    assert abs(gap.ends - (ANCHOR + (lost[-1] + 1) * 2 * SECOND)) < 30_000
    (reported,) = rig.gaps
    assert abs(reported.starts - gap.starts) < 30_000
    assert abs(reported.ends - gap.ends) < 30_000
    assert any("No space left" in event.reason for event in rig.troubles)
    assert rig.troubles[-1].reason == ""
    assert rig.troubles[-1].lost_segments == len(lost)
    assert rig.open_files == []


async def test_a_slow_disk_is_told_and_delays_nobody(rig: Rig) -> None:
    recorder = await rig.recorder(RecorderLimits(slow_put=0.05, retry=0.02))
    rig.store.delay = 0.1
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        began = time.perf_counter()
        for part in parts(rig.spec, 3):
            recorder.part(part)
        assert time.perf_counter() - began < 0.5
        await until(lambda: len(rig.stored) == 9)
        assert any("slow" in event.reason for event in rig.troubles)
        rig.store.delay = 0
        for part in list(parts(rig.spec, 5)):
            recorder.part(part)
        recorder.finish()
    assert rig.troubles[-1].reason == ""
    assert await rig.manifest(10) == []


async def test_a_put_that_timed_out_but_was_done_is_a_success(rig: Rig) -> None:
    recorder = await rig.recorder(RecorderLimits(retry=0.02))
    first = [part for part in parts(rig.spec, 1) if part.rendition == "v360"]
    await rig.store.put("main/v360/1-0.m4s", b"".join(part.data for part in first))
    await rig.store.put("main/v360/1-1.m4s", b"somebody else's")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        for part in parts(rig.spec, 3):
            recorder.part(part)
        recorder.finish()
    assert {s.msn for s in await rig.index.between("main", ANCHOR)} == {0, 2}
    assert await rig.store.get("main/v360/1-1.m4s") == b"somebody else's"
    assert [gap.cause for gap in await rig.manifest(6)] == ["disk"]


async def test_a_rendition_that_stops_costs_rows_not_memory(rig: Rig) -> None:
    recorder = await rig.recorder()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        for part in parts(rig.spec, 10):
            if part.rendition != "v180" or part.msn < 2 or part.msn > 5:
                recorder.part(part)
        recorder.finish()
    assert {s.msn for s in await rig.index.between("main", ANCHOR)} == {0, 1, 6, 7, 8, 9}
    assert recorder.stats.held_bytes == 0
    (gap,) = await rig.manifest(20)
    assert gap.cause == "disk"


async def test_a_newer_epoch_fences_the_recorder(rig: Rig) -> None:
    recorder = await rig.recorder()
    run = asyncio.create_task(recorder.run())
    for part in parts(rig.spec, 1):
        recorder.part(part)
    await until(lambda: len(rig.stored) == 3)
    await rig.index.claim_epoch("main", ANCHOR)
    await asyncio.sleep(1.05)  # the look at the newest epoch is good for a second
    for part in list(parts(rig.spec, 2)):
        recorder.part(part)
    with pytest.raises(FencedError):
        await asyncio.wait_for(run, 10)
    assert {s.msn for s in await rig.index.between("main", ANCHOR)} == {0}


async def test_cancelling_ends_it_at_once_and_recovery_has_the_rest(rig: Rig) -> None:
    recorder = await rig.recorder()
    run = asyncio.create_task(recorder.run())
    await until(lambda: recorder.stats.stored_segments == 0)
    for part in parts(rig.spec, 1):
        recorder.part(part)
    await until(lambda: len(rig.stored) == 3)
    rig.store.delay = 30
    for part in parts(rig.spec, 3):
        recorder.part(part)
    await until(lambda: len(rig.open_files) == 6)
    await until(lambda: recorder.stats.journal_bytes == 0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, 5)
    recorder.part(next(parts(rig.spec, 1)))  # late parts harm nobody
    rig.store.delay = 0
    epoch = await rig.index.claim_epoch("main", ANCHOR)
    done = await recover_channel(
        "main", epoch, store=rig.store, index=rig.index, open_dir=rig.folder / "open", since=ANCHOR
    )
    assert done.next_msn == 3
    assert {s.msn for s in done.salvaged} == {1, 2}
    assert not any(s.truncated for s in done.salvaged)
    assert await rig.manifest(6) == []


RECORDING = """
    import asyncio, sys
    from pathlib import Path
    from media.adapters.obstore_store import ObstoreSegmentStore
    from media.adapters.sql.tape import SqlTapeIndex
    from runtime.database import Database
    from tests.support.tape import ANCHOR, spec, parts, init_bytes
    from media.record.recorder import Recorder

    async def main(folder, url):
        database = Database(url)
        index = SqlTapeIndex(database.engine)
        channel = spec()
        epoch = await index.claim_epoch("main", ANCHOR)
        renditions = [*(r.name for r in channel.ladder), "audio"]
        recorder = Recorder("main", epoch, renditions, store=ObstoreSegmentStore.local(folder / "tape"), index=index,
            gap_log=index, open_dir=folder / "open", stored=lambda *a: None, trouble=print, gap=print)
        for name in renditions:
            recorder.init(name, init_bytes(48000 if name == "audio" else channel.clock.timescale), codecs="x")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            for count, part in enumerate(parts(channel, 1000), 1):
                recorder.part(part)
                print(part.rendition, part.msn, part.index, flush=True)
                if count == int(sys.argv[3]):
                    # Before the part that will be open comes, as much time as a real one takes, and none is behind.
                    while recorder.stats.journal_bytes:
                        await asyncio.sleep(0.005)
                    await asyncio.sleep(1 / 3)
                await asyncio.sleep(0.004)

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.parametrize(
    "after", [70, 173]
)  # in the middle of a part: one or two of its three renditions are there
async def test_kill_dash_nine_loses_at_most_the_open_part(rig: Rig, tmp_path: Path, after: int) -> None:
    url = f"sqlite:///{rig.database}"
    child = subprocess.Popen(  # noqa: ASYNC220 - starting it takes a millisecond, and nothing else runs here
        [sys.executable, "-c", textwrap.dedent(RECORDING), str(tmp_path), url, str(after - after % 3)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    last: dict[str, tuple[int, int]] = {}
    assert child.stdout is not None
    try:
        for _ in range(after):
            rendition, number, place = (await asyncio.to_thread(child.stdout.readline)).split()
            last[rendition] = (int(number), int(place))
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    epoch = await rig.index.claim_epoch("main", ANCHOR)
    began = time.perf_counter()
    done = await recover_channel(
        "main", epoch, store=rig.store, index=rig.index, open_dir=tmp_path / "open", since=ANCHOR
    )
    took = time.perf_counter() - began
    assert list(done.troubles) == []
    msn, index = min(last.values())
    parts_given = msn * rig.spec.parts_per_segment + index + 1
    on_tape = [s for s in done.history if s.rendition == "v360"]
    seconds = sum(s.duration for s in on_tape) / rig.spec.clock.timescale
    # The open part, of which not every rendition was there yet, may be lost; everything before it is there.
    assert parts_given == after // 3
    assert seconds >= parts_given / 3 - 0.001
    assert await rig.manifest(seconds - 0.05) == []
    assert done.next_msn >= max(last.values())[0] + 1
    again = await recover_channel(
        "main", epoch, store=rig.store, index=rig.index, open_dir=tmp_path / "open", since=ANCHOR
    )
    assert again.salvaged == []
    assert again.next_msn == done.next_msn
    assert list(again.history) == list(done.history)
    print(f"recovery took {took * 1000:.0f} ms")
    assert took < 2

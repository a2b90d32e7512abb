"""A disk that is really full (a small tmpfs), and the sweep that frees it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.recordings import SqlRecordingStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.tape import TapeTrouble
from media.model.time import ProgrammeTime
from media.record.gaps import KnownGap, gaps
from media.record.iso.isos import IsoPart, PartCause, part_key
from media.record.iso.store import MemoryIsoStore
from media.record.recorder import Recorder, RecorderLimits
from media.record.recovery import recover_channel
from media.record.retention import Policy, sweep
from tests.support import media_database
from tests.support.tape import ANCHOR, SECOND, entry, init_bytes, parts, spec


async def until(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def test_a_full_disk_is_told_swept_and_recorded_on_again(small_disk: Path, tmp_path: Path) -> None:
    channel = spec((360,))
    async with media_database.fresh("sqlite", tmp_path) as database:
        index, recordings = SqlTapeIndex(database.engine), SqlRecordingStore(database.engine)
        store = ObstoreSegmentStore.local(small_disk / "tape")
        stored: list[tuple[str, int]] = []
        troubles: list[TapeTrouble] = []
        reported: list[KnownGap] = []
        epoch = await index.claim_epoch("main", ANCHOR)
        # A segment of both renditions is some 145 kB; RAM holds three.
        recorder = Recorder(
            "main",
            epoch,
            ["v360", "audio"],
            store=store,
            index=index,
            gap_log=index,
            open_dir=small_disk / "open",
            stored=lambda rendition, msn: stored.append((rendition, msn)),
            trouble=troubles.append,
            gap=reported.append,
            limits=RecorderLimits(held_bytes=500_000, retry=0.05),
        )
        for name, timescale in (("v360", channel.clock.timescale), ("audio", 48_000)):
            recorder.init(name, init_bytes(timescale), codecs="x")
        resumed = False
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            slowest = 0.0
            for part in parts(channel, 40, frame_bytes=2400):
                if (part.rendition, part.msn, part.index) == ("v360", 3, 0):
                    await until(lambda: ("v360", 1) in stored)
                    await recordings.start("kept", "main", ProgrammeTime(ANCHOR + 2_100_000))
                    await recordings.stop("kept", ProgrammeTime(ANCHOR + 3_900_000))
                if part.msn < 25:
                    await until(lambda: recorder.stats.held_bytes < 250_000 or bool(troubles))
                if part.msn >= 25 and not resumed:
                    await until(lambda: any("No space left on device" in event.reason for event in troubles))
                    swept = await sweep(
                        Policy(),
                        now=ANCHOR + 19 * SECOND,  # in the middle of a segment
                        free=shutil.disk_usage(small_disk).free,
                        windows={},
                        index=index,
                        recordings=recordings,
                        store=store,
                        isos=MemoryIsoStore(),
                    )
                    assert swept.objects >= 4
                    resumed = True
                    await until(lambda: recorder.stats.held_bytes < 200_000)
                began = time.perf_counter()
                recorder.part(part)
                slowest = max(slowest, time.perf_counter() - began)
                if part.msn >= 25:
                    await until(lambda: recorder.stats.held_bytes < 250_000)
                    if part.msn >= 29:
                        break
            recorder.finish()
        assert slowest < 0.1
        tape = await index.between("main", ANCHOR)
        on_tape = {s.msn for s in tape}
        assert 1 in on_tape  # the recording kept it through the sweep
        assert 0 not in on_tape
        assert {27, 28} <= on_tape
        assert all(len([s for s in tape if s.msn == msn]) == 2 for msn in on_tape)
        for segment in tape:
            assert len(await store.get(segment.key)) == segment.size
        end = ProgrammeTime(ANCHOR + 58 * SECOND)
        manifest = gaps(tape, ANCHOR, end, await index.known_gaps("main", ANCHOR, end))
        assert any(gap.cause == "disk" for gap in manifest)
        assert reported
        assert troubles[-1].reason == ""
        again = await index.claim_epoch("main", ANCHOR)
        recovered = await recover_channel(
            "main", again, store=store, index=index, open_dir=small_disk / "open", since=ANCHOR
        )
        assert recovered.next_msn >= 30
        assert list(recovered.troubles) == []


async def test_a_sweep_lets_go_what_nobody_needs(tmp_path: Path) -> None:
    async with media_database.fresh("sqlite", tmp_path) as database:
        index, recordings = SqlTapeIndex(database.engine), SqlRecordingStore(database.engine)
        isos = MemoryIsoStore()
        store = ObstoreSegmentStore.local(tmp_path / "tape", fsync=False)
        await index.claim_epoch("main", ANCHOR)
        entries = [entry(n, size=4) for n in range(200)]
        for one in entries:
            await store.put(one.key, b"tape")
        await index.add(entries)
        for name, start, end in (("a", 20.1, 39.9), ("b", 100.1, 119.9)):
            await recordings.start(name, "main", ProgrammeTime(ANCHOR + round(start * SECOND)))
            await recordings.stop(name, ProgrammeTime(ANCHOR + round(end * SECOND)))
        for name in ("a", "b", "gone"):
            await store.put(f"exports/{name}.mp4", b"film")
        await store.put("exports/v360/1-0.m4s", b"the tape of a channel of that name")
        now = ANCHOR + 400 * SECOND

        async def swept(policy: Policy, free: int | None = None) -> list[int]:
            done = await sweep(
                policy,
                now=now,
                free=free,
                windows={"main": 50},
                index=index,
                recordings=recordings,
                store=store,
                isos=isos,
            )
            left = [s.msn for s in await index.between("main", ANCHOR)]
            assert sorted(key for key, _ in await store.list("main")) == sorted(
                f"main/v360/1-{msn}.m4s" for msn in left
            )
            assert done.objects >= 0
            return left

        kept = [*range(10, 20), *range(50, 60), *range(120, 200)]
        assert await swept(Policy(keep_days=1)) == list(range(200))
        assert await swept(Policy()) == kept
        assert (await recordings.get("a")).size == 10 * 4
        assert [key for key, _ in await store.list("exports")] == [
            "exports/a.mp4",
            "exports/b.mp4",
            "exports/v360/1-0.m4s",
        ]
        # The disk is short of a little: the older recording goes, the window and the newer stay.
        assert await swept(Policy(min_free_bytes=100), free=70) == [*range(50, 60), *range(120, 200)]
        assert [r.id for r in await recordings.list()] == ["b"]
        assert [key for key, _ in await store.list("exports")] == ["exports/b.mp4", "exports/v360/1-0.m4s"]
        assert await swept(Policy()) == [*range(50, 60), *range(120, 200)]
        # Recordings of feeds: files of none go at once, an ended one before a recording that viewers see.
        for iso in ("i1", "i2"):
            await isos.start(iso, "cam", now)
            await isos.put_part(IsoPart(iso, 1, PartCause.START, now, size=50))
        await isos.stop("i1", now + 1)
        for iso in ("i1", "i2", "gone"):
            await store.put(part_key(iso, 1), b"film")
        assert await swept(Policy(min_free_bytes=100), free=100) == [*range(50, 60), *range(120, 200)]
        assert [key for key, _ in await store.list("isos")] == [part_key("i1", 1), part_key("i2", 1)]
        await swept(Policy(min_free_bytes=100), free=70)
        assert [each.id for each in await isos.list()] == ["i2"]
        assert [r.id for r in await recordings.list()] == ["b"]
        await swept(Policy())
        assert [key for key, _ in await store.list("isos")] == [part_key("i2", 1)]

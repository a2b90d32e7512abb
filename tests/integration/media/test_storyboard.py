"""Storyboards of real tape: the pictures are those of the times that the text says."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.adapters.av_remux import remux
from media.adapters.av_storyboard import draw
from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.jobs import SqlJobStore
from media.adapters.sql.recordings import SqlRecordingStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.jobs import ExportRecording, GetJob, JobState, JobView, ListJobs, MakeStoryboard
from media.jobs.exports import Exports
from media.jobs.storyboards import Storyboards
from media.model.channel import ChannelSpec, Rung
from media.model.errors import ConflictError
from media.model.time import ProgrammeTime
from media.record.iso.store import MemoryIsoStore
from media.record.layout import storyboard_key, storyboard_sheet_key
from media.record.recordings import Recording
from media.record.retention import Policy, sweep
from media.record.settling import RECENT, wall
from tests.support import media_database
from tests.support.real_tape import SPEC, record
from tests.support.tape import ANCHOR, SECOND

_CUE = re.compile(r"(\d+):(\d+):([\d.]+) --> \S+\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)")


@dataclass
class Rig:
    index: SqlTapeIndex
    jobs: SqlJobStore
    recordings: SqlRecordingStore
    store: ObstoreSegmentStore
    folder: Path
    told: list[JobView]

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[Exports]:
        async def changed(job: JobView) -> None:
            self.told.append(job)

        storyboards = Storyboards(self.recordings, self.index, self.store, draw)
        exports = Exports(
            jobs=self.jobs, recordings=self.recordings, index=self.index, store=self.store, remux=remux,
            storyboards=storyboards, folder=self.folder / "exports", changed=changed, timeout=60,
        )  # fmt: skip
        async with contextlib.aclosing(storyboards):
            work = asyncio.create_task(exports.run())
            try:
                yield exports
            finally:
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work

    async def recording(self, name: str, end: float, *, start: float = 0) -> None:
        await self.recordings.start(name, "main", ProgrammeTime(ANCHOR + round(start * SECOND)))
        await self.recordings.stop(name, ProgrammeTime(ANCHOR + round(end * SECOND)))

    async def made(self, name: str) -> JobView:
        async with self.working() as exports:
            job = await exports.storyboard(MakeStoryboard(recording=name))
            return await ended(exports, job.id)

    async def tiles(self, name: str) -> list[tuple[float, np.ndarray]]:
        """Time and picture of each cue."""
        text = (await self.store.get(storyboard_key(name))).decode()
        sheet = Image.open(io.BytesIO(await self.store.get(storyboard_sheet_key(name, 0)))).convert("L")
        found = []
        for hours, minutes, seconds, file, *numbers in _CUE.findall(text):
            assert file == "storyboard-0.jpg"
            left, top, width, height = map(int, numbers)
            assert left + width <= sheet.width
            assert top + height <= sheet.height
            at = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            found.append((at, np.asarray(sheet.crop((left, top, left + width, top + height)))))
        return found


async def ended(exports: Exports, job: str) -> JobView:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        view = await exports.get(GetJob(job=job))
        if view.state in {JobState.DONE, JobState.FAILED}:
            return view
        await asyncio.sleep(0.02)
    raise AssertionError("the job did not end in time")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with media_database.fresh("sqlite", tmp_path) as database:
        engine = database.engine
        store = ObstoreSegmentStore.local(tmp_path / "tape", fsync=False)
        yield Rig(SqlTapeIndex(engine), SqlJobStore(engine), SqlRecordingStore(engine), store, tmp_path, [])


def ground(number: int) -> np.ndarray:
    """What the pattern's upper half is at each of a tile's columns: it moves by four levels a frame."""
    return (np.arange(0, 320, 2) * 3 // 4 + number * 4) % 160 + 40


def frame_of(tile: np.ndarray) -> int:
    """The frame, modulo 40, whose moving ground a tile shows. Its rows below the burned-in numbers are compared."""
    rows = tile[tile.shape[0] * 3 // 8 : tile.shape[0] // 2 - 3]
    seen = np.median(rows, axis=0)
    # Full range in the JPEG, limited in the pattern.
    return min(range(40), key=lambda n: float(np.abs(seen - (ground(n) - 16) * 255 / 219).mean()))


async def test_each_tile_is_the_picture_of_its_time(rig: Rig) -> None:
    await record(rig.store, rig.index, 5)
    # A hole, and an epoch that begins half a second into a second: its keyframes are no flashes.
    await record(rig.store, rig.index, 4, begins=20.5, first_msn=5)
    await rig.recording("r1", 40)
    job = await rig.made("r1")
    assert (job.state, job.result, job.kind) == (JobState.DONE, storyboard_key("r1"), "storyboard"), (
        job.reason
    )
    tiles = await rig.tiles("r1")
    assert [at for at, _ in tiles] == [0, 6, 10, 16]
    assert {tile.shape for _, tile in tiles} == {(90, 160)}
    first = [round(at * 30) if at < 10 else round((at - 10 + 20.5) * 30) for at, _ in tiles]
    assert [frame_of(tile) for _, tile in tiles] == [number % 40 for number in first]
    flashes = [tile[-20:].mean() > 200 for _, tile in tiles]
    assert flashes == [True, True, False, False]
    assert job.size == sum(size for key, size in await rig.store.list("exports") if "/r1.story" in key)
    # Nobody is told, and what staff asked for is listed alone.
    assert rig.told == []


async def test_a_portrait_channel_keeps_its_shape(rig: Rig) -> None:
    spec = ChannelSpec(
        "main", width=180, height=320, ladder=(Rung(180, 200_000),), preset="ultrafast", rate=SPEC.rate
    )
    await record(rig.store, rig.index, 1, spec=spec)
    await rig.recording("r1", 2)
    assert (await rig.made("r1")).state is JobState.DONE
    assert [tile.shape for _, tile in await rig.tiles("r1")] == [(160, 90)]


async def test_a_damaged_segment_costs_its_own_picture(rig: Rig) -> None:
    await record(rig.store, rig.index, 6)
    await rig.recording("r1", 12)
    key = "main/v180/1-3.m4s"
    data = await rig.store.get(key)
    await rig.store.delete([key])
    await rig.store.put(key, data[:100])
    assert (await rig.made("r1")).state is JobState.DONE
    bright = [tile.max() > 60 for _, tile in await rig.tiles("r1")]
    assert bright == [True, False, True]


async def test_one_is_made_unasked_after_the_end_and_exports_go_first(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(rig.store, rig.index, 1)
    await rig.recording("r1", 2)
    # Of the two recordings the one that ended an hour ago is taken up, and neither one of last week nor of just now.
    hour_ago = ANCHOR + 2 * SECOND + 3_600 * SECOND
    monkeypatch.setattr("media.jobs.exports.wall", lambda: hour_ago)
    for name, at in (("old", hour_ago - 8 * 86_400 * SECOND), ("new", hour_ago - RECENT // 2)):
        await rig.recordings.start(name, "main", ProgrammeTime(at - SECOND))
        await rig.recordings.stop(name, ProgrammeTime(at))
    await rig.jobs.ask("storyboard", "r1")
    export = await rig.jobs.ask("export", "r1")
    assert await rig.jobs.lacking("storyboard", 0, wall()) == ["old", "new"]
    assert await rig.jobs.lacking("export", ANCHOR, hour_ago - RECENT) == []
    taken = await rig.jobs.take("export")
    assert taken is not None
    assert taken.id == export.id
    await rig.jobs.save(taken.model_copy(update={"state": JobState.DONE}))
    async with rig.working() as exports:
        job = await rig.jobs.find("storyboard", "r1")
        assert (await ended(exports, job.id)).state is JobState.DONE
        listed = await exports.newest(ListJobs())
        assert [each.kind for each in listed.jobs] == ["export"]


async def test_an_ended_recording_is_found_without_being_asked_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(rig.store, rig.index, 1)
    await rig.recording("r1", 2)
    monkeypatch.setattr("media.jobs.exports.wall", lambda: ANCHOR + 3_600 * SECOND)
    async with rig.working() as exports:
        deadline = time.monotonic() + 60
        while await rig.jobs.lacking("storyboard", 0, wall()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        job = await rig.jobs.find("storyboard", "r1")
        assert (await ended(exports, job.id)).state is JobState.DONE


async def test_it_goes_with_its_recording(rig: Rig) -> None:
    await record(rig.store, rig.index, 1)
    await rig.recording("r1", 2)
    await rig.made("r1")

    async def kept() -> list[str]:
        await sweep(
            Policy(), now=wall(), free=None, windows={"main": 60}, index=rig.index,
            recordings=rig.recordings, store=rig.store, isos=MemoryIsoStore(),
        )  # fmt: skip
        return [key for key, _ in await rig.store.list("exports")]

    assert await kept() == [storyboard_sheet_key("r1", 0), storyboard_key("r1")]
    # One that was lost is made again when it is wanted.
    await rig.store.delete([storyboard_key("r1")])
    await rig.made("r1")
    assert await kept() == [storyboard_sheet_key("r1", 0), storyboard_key("r1")]
    await rig.recordings.delete("r1", wall())
    assert await kept() == []


async def test_a_running_recording_has_none_and_an_interrupted_one_is_made_again(rig: Rig) -> None:
    running: Recording = await rig.recordings.start("r2", "main", ANCHOR)
    async with rig.working() as exports:
        with pytest.raises(ConflictError):
            await exports.storyboard(MakeStoryboard(recording=running.id))
        with pytest.raises(ConflictError):
            await exports.export(ExportRecording(recording=running.id))
    await record(rig.store, rig.index, 1)
    await rig.recording("r1", 2)
    await rig.store.put(storyboard_sheet_key("r1", 0), b"what a killed process left")
    assert (await rig.made("r1")).state is JobState.DONE
    assert len(await rig.tiles("r1")) == 1

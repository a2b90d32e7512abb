"""MP4 exports of real tape: flash against beep, holes closed, failures told, restarts survived."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from obstore.store import LocalStore

from media.adapters.av_remux import remux
from media.adapters.av_storyboard import draw
from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.jobs import SqlJobStore
from media.adapters.sql.recordings import SqlRecordingStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.jobs import ExportRecording, GetJob, JobState, JobView
from media.jobs.exports import Exports
from media.jobs.storyboards import Storyboards
from media.model.channel import ChannelSpec, Rung
from media.model.errors import ConflictError, NotFoundError
from media.model.time import ProgrammeTime
from tests.support import media_database
from tests.support.media import beeps, flashes, offsets
from tests.support.real_tape import SPEC, record
from tests.support.tape import ANCHOR, SECOND


@dataclass
class Rig:
    index: SqlTapeIndex
    jobs: SqlJobStore
    recordings: SqlRecordingStore
    store: ObstoreSegmentStore
    folder: Path
    seen: list[JobView] = field(default_factory=list)
    timeout: float = 60.0

    def exports(self) -> Exports:
        async def changed(job: JobView) -> None:
            self.seen.append(job)

        return Exports(
            jobs=self.jobs,
            recordings=self.recordings,
            index=self.index,
            store=self.store,
            remux=remux,
            storyboards=Storyboards(self.recordings, self.index, self.store, draw),
            folder=self.folder / "exports",
            changed=changed,
            timeout=self.timeout,
        )

    async def recording(self, start: float, end: float) -> str:
        await self.recordings.start("r1", "main", ProgrammeTime(ANCHOR + round(start * SECOND)))
        await self.recordings.stop("r1", ProgrammeTime(ANCHOR + round(end * SECOND)))
        return "r1"

    async def export(self) -> JobView:
        exports = self.exports()
        work = asyncio.create_task(exports.run())
        job = await exports.export(ExportRecording(recording="r1"))
        try:
            return await self.settled(exports, job.id)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def settled(self, exports: Exports, job: str) -> JobView:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            view = await exports.get(GetJob(job=job))
            if view.state in {JobState.DONE, JobState.FAILED}:
                return view
            await asyncio.sleep(0.05)
        raise AssertionError("the job did not end in time")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with media_database.fresh("sqlite", tmp_path) as database:
        engine = database.engine
        store = ObstoreSegmentStore.local(tmp_path / "tape", fsync=False)
        yield Rig(SqlTapeIndex(engine), SqlJobStore(engine), SqlRecordingStore(engine), store, tmp_path)


@dataclass
class Film:
    flashes: list[float]
    beeps: list[float]
    seconds: float
    video: list[float]
    audio: list[float]


def watch(path: Path) -> Film:
    pictures: list[tuple[float, np.ndarray]] = []
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            assert frame.time is not None
            pictures.append((frame.time, frame.to_ndarray(format="gray")))
    pieces: list[np.ndarray] = []
    times: list[float] = []
    with av.open(str(path)) as film:
        for sound in film.decode(audio=0):
            assert sound.time is not None
            times.append(sound.time)
            at = round(sound.time * 48_000)
            have = sum(len(piece) for piece in pieces)
            pieces.append(np.zeros(max(0, at - have), np.float32))
            pieces.append(sound.to_ndarray()[0][max(0, have - at) :])
    mono = np.concatenate(pieces)
    video = [at for at, _ in pictures]
    return Film(flashes(pictures), beeps(mono), video[-1] + 1 / 30, video, times)


def in_step(film: Film, count: int) -> None:
    apart = offsets(film.flashes, film.beeps)
    assert len(apart) >= count
    assert max(abs(each) for each in apart) < 0.020
    assert all(b > a for a, b in zip(film.video, film.video[1:], strict=False))
    assert all(b > a for a, b in zip(film.audio, film.audio[1:], strict=False))


async def test_an_export_has_picture_and_sound_in_step(rig: Rig) -> None:
    await record(rig.store, rig.index, 6)
    await rig.recording(0, 12)
    job = await rig.export()
    assert (job.state, job.result, job.progress, job.reason) == (JobState.DONE, "exports/r1.mp4", 1.0, "")
    path = rig.folder / "tape" / job.result
    data = path.read_bytes()
    assert job.size == len(data)
    assert data.index(b"moov") < data.index(b"mdat")
    film = watch(path)
    assert film.seconds == pytest.approx(12, abs=0.04)
    in_step(film, 10)
    assert {round(at) for at in film.beeps} >= set(range(1, 12))
    print("sound minus picture, ms:", [round(1000 * each, 1) for each in offsets(film.flashes, film.beeps)])
    assert list((rig.folder / "exports").iterdir()) == []
    assert rig.seen[-1] == job
    assert rig.seen[0].state is JobState.RUNNING


async def test_holes_and_new_epochs_are_closed_with_both_in_step(rig: Rig) -> None:
    await record(rig.store, rig.index, 6, lost=[2, 3])
    await record(rig.store, rig.index, 3, begins=20.5, first_msn=6)
    await rig.recording(0, 40)
    job = await rig.export()
    assert job.state is JobState.DONE, job.reason
    film = watch(rig.folder / "tape" / job.result)
    assert film.seconds == pytest.approx(8 + 6, abs=0.08)
    # Seconds 0…3, then 8…11 moved to 4…7, then 20.5… moved to 8: each flash keeps its beep.
    in_step(film, 11)


async def test_only_what_the_recording_spans_is_in_it(rig: Rig) -> None:
    await record(rig.store, rig.index, 6)
    await rig.recording(4.5, 7)
    film = watch(rig.folder / "tape" / (await rig.export()).result)
    assert film.seconds == pytest.approx(4, abs=0.04)
    in_step(film, 3)


async def test_what_cannot_be_exported_says_why(rig: Rig) -> None:
    await record(rig.store, rig.index, 2)
    other = ChannelSpec(
        "main", width=320, height=180, ladder=(Rung(180, 200_000),), preset="ultrafast", rate=SPEC.rate / 2
    )
    await record(rig.store, rig.index, 1, begins=4, first_msn=2, spec=other)
    await rig.recording(0, 10)
    job = await rig.export()
    assert job.state is JobState.FAILED
    assert "changed during the recording" in job.reason
    assert list((rig.folder / "exports").iterdir()) == []
    assert await rig.store.list("exports") == []


async def test_a_missing_object_fails_the_job_and_asking_again_tries_again(rig: Rig) -> None:
    await record(rig.store, rig.index, 3)
    await rig.recording(0, 6)
    data = await rig.store.get("main/v180/1-1.m4s")
    await rig.store.delete(["main/v180/1-1.m4s"])
    failed = await rig.export()
    assert failed.state is JobState.FAILED
    assert "1-1.m4s" in failed.reason
    await rig.store.put("main/v180/1-1.m4s", data)
    assert (await rig.export()).state is JobState.DONE


async def test_what_is_running_or_unknown_is_refused(rig: Rig) -> None:
    exports = rig.exports()
    with pytest.raises(NotFoundError):
        await exports.export(ExportRecording(recording="r1"))
    await rig.recordings.start("r1", "main", ANCHOR)
    with pytest.raises(ConflictError):
        await exports.export(ExportRecording(recording="r1"))
    await rig.recordings.stop("r1", ProgrammeTime(ANCHOR + SECOND))
    with pytest.raises(NotFoundError):
        await exports.export(ExportRecording(recording="r1", only_existing=True))
    asked = await exports.export(ExportRecording(recording="r1"))
    assert await exports.export(ExportRecording(recording="r1", only_existing=True)) == asked


async def test_a_range_without_tape_fails(rig: Rig) -> None:
    await rig.recording(0, 6)
    job = await rig.export()
    assert job.state is JobState.FAILED
    assert "nothing of this recording" in job.reason


class Gate(ObstoreSegmentStore):
    """A store whose reads wait while the gate is shut."""

    def __init__(self, root: Path) -> None:
        super().__init__(LocalStore(root))
        self.open = asyncio.Event()
        self.waiting = asyncio.Event()

    async def get(self, key: str) -> bytes:
        self.waiting.set()
        await self.open.wait()
        return await super().get(key)


async def test_stopping_leaves_the_job_for_the_next_start(rig: Rig) -> None:
    await record(rig.store, rig.index, 2)
    await rig.recording(0, 4)
    gate = rig.store = Gate(rig.folder / "tape")
    exports = rig.exports()
    work = asyncio.create_task(exports.run())
    job = await exports.export(ExportRecording(recording="r1"))
    await asyncio.wait_for(gate.waiting.wait(), 20)
    work.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 20)
    assert (await rig.jobs.get(job.id)).state is JobState.QUEUED
    assert list((rig.folder / "exports").iterdir()) == []
    assert (await rig.export()).state is JobState.DONE


async def test_an_export_that_takes_too_long_fails(rig: Rig) -> None:
    await record(rig.store, rig.index, 2)
    await rig.recording(0, 4)
    rig.timeout = 0.001
    job = await rig.export()
    assert job.state is JobState.FAILED
    assert "longer than" in job.reason

"""Runs queued jobs, one at a time: an export reads and writes as fast as the disk does, and live goes first. Exports
go before storyboards.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from media.contracts.jobs import (
    ExportRecording,
    GetJob,
    JobList,
    JobState,
    JobView,
    ListJobs,
    MakeStoryboard,
)
from media.jobs.reading import FETCH_TIMEOUT, reader
from media.jobs.store import JobStore
from media.jobs.storyboards import STORYBOARD, Storyboards
from media.model.errors import ConflictError, MediaError, StoreError
from media.ports import SegmentStore, TapeIndex
from media.record.export import Run, plan
from media.record.layout import export_key
from media.record.recordings import RecordingStore
from media.record.replay import select
from media.record.settling import RECENT, settled, wall
from runtime import logs

log = logs.get("media.jobs")

EXPORT = "export"
_TELL_EVERY = 1.0
"""Seconds between two reports of progress."""
_LOOK_EVERY = 5.0
"""Seconds after which the queue is looked at although nobody said that a job was added."""
_UPKEEP = 86_400_000_000
"""Microseconds after its end in which a recording gets its storyboard unasked; older ones get it when it is wanted."""


class ExportStore(SegmentStore, Protocol):
    """The segment store, and whole files into it."""

    async def put_file(self, key: str, path: Path) -> int:
        """Store a file of any size in bounded memory, replacing what is there; returns its size in bytes."""
        ...


class Remux(Protocol):
    """Writes runs of the tape into one file."""

    def __call__(
        self,
        runs: Sequence[Run],
        target: Path,
        *,
        fetch: Callable[[str], bytes],
        progress: Callable[[float], None],
        keep_going: Callable[[], bool],
    ) -> None:
        """Write the runs to `target`. Blocks; called on a thread. Raises `MediaError` where they do not fit one file, what
        `fetch` raises, and anything to end early once `keep_going` says no.
        """
        ...


@dataclass(slots=True)
class ExportFigures:
    """Counts since the start, for metrics."""

    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    """Spent on exports, the failed ones included."""
    bytes: int = 0
    """Of finished files."""
    storyboards_done: int = 0
    storyboards_failed: int = 0
    states: Mapping[JobState, int] = field(default_factory=dict)
    """Jobs in the database, when it was last looked at."""

    def ended(self, job: JobView, *, done: bool, size: int = 0) -> None:
        """Count a job."""
        if job.kind == STORYBOARD:
            self.storyboards_done += done
            self.storyboards_failed += not done
        else:
            self.done += done
            self.failed += not done
            self.bytes += size

    def spent(self, job: JobView, seconds: float) -> None:
        """Count a job's time."""
        if job.kind == EXPORT:
            self.seconds += seconds


class Exports:
    """Answers the commands of jobs and works the queue. `run` is a task of the owner."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        recordings: RecordingStore,
        index: TapeIndex,
        store: ExportStore,
        remux: Remux,
        storyboards: Storyboards,
        folder: Path,
        changed: Callable[[JobView], Awaitable[None]],
        timeout: float = 3600.0,
    ) -> None:
        self._jobs = jobs
        self._recordings = recordings
        self._index = index
        self._store = store
        self._remux_runs = remux
        self._storyboards = storyboards
        self._folder = folder
        self._changed = changed
        self._timeout = timeout
        self._asked = asyncio.Event()
        self.figures = ExportFigures()

    async def export(self, command: ExportRecording) -> JobView:
        """Queue the export of an ended recording, or find the one there is."""
        recording = await self._recordings.get(command.recording)
        if command.only_existing:
            return await self._jobs.find(EXPORT, recording.id)
        if recording.running:
            raise ConflictError(f"the recording {recording.id!r} is running", field="recording")
        job = await self._jobs.ask(EXPORT, recording.id)
        self._asked.set()
        return job

    async def storyboard(self, command: MakeStoryboard) -> JobView:
        """Queue the storyboard of an ended recording, or find the one there is."""
        recording = await self._recordings.get(command.recording)
        if recording.running:
            raise ConflictError(f"the recording {recording.id!r} is running", field="recording")
        job = await self._jobs.ask(STORYBOARD, recording.id)
        if job.state is JobState.DONE and not await self._storyboards.kept(recording.id):
            # Restored from a copy without it, or removed by hand.
            job = job.model_copy(update={"state": JobState.QUEUED, "progress": 0.0})
            await self._jobs.save(job)
        self._asked.set()
        return job

    async def get(self, command: GetJob) -> JobView:
        """One job."""
        return await self._jobs.get(command.job)

    async def newest(self, command: ListJobs) -> JobList:
        """The newest exports."""
        return JobList(jobs=list(await self._jobs.newest(command.limit, EXPORT)))

    async def run(self) -> None:
        """Work the queue for ever. A database that does not answer is tried again."""
        await asyncio.to_thread(_empty, self._folder)
        begun = False
        while True:
            self._asked.clear()
            try:
                if not begun:
                    await self._jobs.requeue()
                    begun = True
                while (job := await self._next()) is not None:
                    self.figures.states = await self._jobs.counts()
                    await self._work(job)
                self.figures.states = await self._jobs.counts()
            except StoreError as error:
                log.warning("jobs cannot be worked on", reason=str(error))
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def _next(self) -> JobView | None:
        """Exports first, then storyboards; where nothing is queued, one of those that were not asked for."""
        job = await self._jobs.take(EXPORT) or await self._jobs.take(STORYBOARD)
        if job is None:
            now = wall()
            lacking = await self._jobs.lacking(STORYBOARD, now - _UPKEEP, now - RECENT)
            if lacking:
                await self._jobs.ask(STORYBOARD, lacking[0])
                job = await self._jobs.take(STORYBOARD)
        return job

    async def _tell(self, job: JobView) -> None:
        if job.kind == EXPORT:
            await self._changed(job)

    async def _make(self, job: JobView) -> tuple[str, int]:
        if job.kind == STORYBOARD:
            return await self._storyboards.make(job)
        return export_key(job.recording), await self._export(job)

    async def _work(self, job: JobView) -> None:
        log.info("job begins", job=job.id, kind=job.kind, recording=job.recording)
        await self._tell(job)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                result, size = await self._make(job)
        except asyncio.CancelledError:
            # We are asked to stop: the next start goes on with it, and it was not its fault.
            await self._jobs.save(job.model_copy(update={"state": JobState.QUEUED, "reason": ""}))
            raise
        except (MediaError, OSError, TimeoutError) as error:
            reason = str(error) or f"it took longer than {self._timeout:g} s"
            self.figures.ended(job, done=False)
            log.warning("job failed", job=job.id, kind=job.kind, recording=job.recording, reason=reason)
            done = job.model_copy(update={"state": JobState.FAILED, "reason": reason})
        else:
            done = job.model_copy(
                update={
                    "state": JobState.DONE,
                    "progress": 1.0,
                    "reason": "",
                    "result": result,
                    "size": size,
                }
            )
            self.figures.ended(job, done=True, size=size)
            log.info("job done", job=job.id, kind=job.kind, recording=job.recording, size=size)
        self.figures.spent(job, time.monotonic() - began)
        await self._jobs.save(done)
        await self._tell(done)

    async def _export(self, job: JobView) -> int:
        recording = await self._recordings.get(job.recording)
        segments = await settled(self._index, recording.channel, recording.started, recording.ended)
        inits = await self._index.inits(recording.channel)
        runs = plan(select(segments, inits, recording.range, ended=True))
        descriptor, name = await asyncio.to_thread(
            tempfile.mkstemp, prefix=f"{job.id}.", suffix=".mp4", dir=self._folder
        )
        os.close(descriptor)
        path = Path(name)
        try:
            await self._remux(job, runs, path)
            return await self._store.put_file(export_key(recording.id), path)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _remux(self, job: JobView, runs: Sequence[Run], path: Path) -> None:
        loop = asyncio.get_running_loop()
        stop = threading.Event()
        reached = 0.0

        def progress(value: float) -> None:
            nonlocal reached
            reached = value

        fetch = reader(self._store)
        work = loop.run_in_executor(
            None,
            lambda: self._remux_runs(
                runs, path, fetch=fetch, progress=progress, keep_going=lambda: not stop.is_set()
            ),
        )
        try:
            while not work.done():
                await asyncio.wait([work], timeout=_TELL_EVERY)
                view = job.model_copy(update={"progress": round(reached * 0.95, 3)})
                await self._jobs.save(view)
                await self._changed(view)
            await work
        except BaseException:
            # The thread ends at its next segment; it must have ended before its file is removed.
            stop.set()
            try:
                async with asyncio.timeout(FETCH_TIMEOUT):
                    await asyncio.wait([work])
            finally:
                if work.done() and not work.cancelled():
                    work.exception()
            raise


def _empty(folder: Path) -> None:
    """Make the folder, without what an export left that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.mp4"):
        path.unlink(missing_ok=True)

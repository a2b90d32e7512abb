"""What the stores of recordings and of jobs do, on each database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.adapters.sql.jobs import SqlJobStore
from media.adapters.sql.recordings import SqlRecordingStore
from media.contracts.jobs import JobState, JobView
from media.model.errors import ConflictError, NotFoundError
from media.model.time import ProgrammeTime
from runtime.database import Database
from tests.support import databases, media_database

T = ProgrammeTime(1_700_000_000_000_000)


@pytest.fixture(params=databases.KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with media_database.fresh(request.param, tmp_path) as database:
        yield database


@pytest.fixture
def recordings(database: Database) -> SqlRecordingStore:
    return SqlRecordingStore(database.engine)


@pytest.fixture
def jobs(database: Database) -> SqlJobStore:
    return SqlJobStore(database.engine)


async def test_a_recording_starts_once_and_stops_once(recordings: SqlRecordingStore) -> None:
    first = await recordings.start("r1", "main", T)
    assert first.running
    assert await recordings.start("r1", "main", ProgrammeTime(T + 5)) == first
    with pytest.raises(ConflictError):
        await recordings.start("r1", "other", T)
    ended = await recordings.stop("r1", ProgrammeTime(T + 10))
    assert (ended.started, ended.ended) == (T, T + 10)
    assert await recordings.stop("r1", ProgrammeTime(T + 20)) == ended
    with pytest.raises(ConflictError):
        await recordings.start("r1", "main", T)


async def test_an_end_is_never_before_its_start(recordings: SqlRecordingStore) -> None:
    await recordings.start("r1", "main", T)
    assert (await recordings.stop("r1", ProgrammeTime(T - 10))).ended > T


async def test_recordings_are_listed_newest_first(recordings: SqlRecordingStore) -> None:
    for n, channel in ((1, "main"), (2, "other"), (3, "main")):
        await recordings.start(f"r{n}", channel, ProgrammeTime(T + n))
    assert [r.id for r in await recordings.list()] == ["r3", "r2", "r1"]
    assert [r.id for r in await recordings.list("main")] == ["r3", "r1"]


async def test_a_deleted_recording_is_gone_and_its_id_used_up(recordings: SqlRecordingStore) -> None:
    await recordings.start("r1", "main", T)
    with pytest.raises(ConflictError):
        await recordings.delete("r1", T)
    await recordings.stop("r1", ProgrammeTime(T + 1))
    await recordings.measured("r1", 77)
    assert (await recordings.get("r1")).size == 77
    await recordings.delete("r1", T)
    for attempt in (
        recordings.get("r1"),
        recordings.stop("r1", T),
        recordings.delete("r1", T),
        recordings.get("r2"),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    with pytest.raises(ConflictError):
        await recordings.start("r1", "main", T)
    assert await recordings.list() == []


async def test_a_job_is_asked_for_once(jobs: SqlJobStore) -> None:
    job = await jobs.ask("export", "r1")
    assert job.state is JobState.QUEUED
    assert await jobs.ask("export", "r1") == job
    assert await jobs.get(job.id) == job
    with pytest.raises(NotFoundError):
        await jobs.get("nothing")


async def test_jobs_are_taken_oldest_first_and_by_one_alone(jobs: SqlJobStore) -> None:
    asked = [await jobs.ask("export", f"r{n}") for n in range(6)]
    taken = await asyncio.gather(*(jobs.take() for _ in range(10)))
    got = [job for job in taken if job is not None]
    assert sorted(job.id for job in got) == sorted(job.id for job in asked) or len(
        {j.id for j in got}
    ) == len(got)
    rest = [job async for job in _all(jobs)]
    assert sorted(j.id for j in got + rest) == sorted(job.id for job in asked)
    assert all(job.state is JobState.RUNNING for job in got)


async def _all(jobs: SqlJobStore) -> AsyncIterator[JobView]:
    while (job := await jobs.take()) is not None:
        yield job


async def test_the_newest_jobs_are_listed_in_order(jobs: SqlJobStore) -> None:
    asked = [await jobs.ask("export", f"r{n}") for n in range(4)]
    assert [job.id for job in await jobs.newest(3)] == [job.id for job in asked[1:]]
    assert await jobs.newest(200) == asked


async def test_jobs_are_counted_by_state(jobs: SqlJobStore) -> None:
    assert dict(await jobs.counts()) == {}
    for n in range(3):
        await jobs.ask("export", f"r{n}")
    await jobs.take()
    assert dict(await jobs.counts()) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


async def test_a_failed_job_is_queued_again_when_it_is_asked_for(jobs: SqlJobStore) -> None:
    await jobs.ask("export", "r1")
    job = await jobs.take()
    assert job is not None
    await jobs.save(job.model_copy(update={"state": JobState.FAILED, "reason": "why"}))
    assert (await jobs.get(job.id)).reason == "why"
    again = await jobs.ask("export", "r1")
    assert (again.id, again.state, again.reason) == (job.id, JobState.QUEUED, "")


async def test_what_ran_when_the_process_ended_is_queued_again(jobs: SqlJobStore) -> None:
    await jobs.ask("export", "r1")
    job = await jobs.take()
    assert job is not None
    assert await jobs.take() is None
    assert await jobs.requeue() == 1
    again = await jobs.take()
    assert again is not None
    await jobs.save(
        again.model_copy(update={"state": JobState.DONE, "progress": 1.0, "result": "k", "size": 5})
    )
    assert await jobs.requeue() == 0
    done = await jobs.ask("export", "r1")
    assert (done.state, done.result, done.size) == (JobState.DONE, "k", 5)
    assert await jobs.find("export", "r1") == done
    with pytest.raises(NotFoundError):
        await jobs.find("export", "r2")


async def test_a_job_that_ends_its_process_twice_has_failed(jobs: SqlJobStore) -> None:
    job = await jobs.ask("export", "r1")
    for queued in (1, 0):
        await jobs.take()
        assert await jobs.requeue() == queued
    assert (await jobs.get(job.id)).state is JobState.FAILED
    assert "twice" in (await jobs.get(job.id)).reason

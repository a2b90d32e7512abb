"""Jobs in SQL: the adapter of `media.jobs.store.JobStore`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from media.adapters.sql.edge import reading, transaction, upsert
from media.adapters.sql.tables import jobs, recordings
from media.contracts.jobs import JobState, JobView
from media.model.errors import NotFoundError

_J = jobs.c
_R = recordings.c
_INTERRUPTED = "begun again: its process ended"
_TWICE = "its process ended twice while it ran"
_VIEW = (_J.id, _J.kind, _J.recording, _J.state, _J.progress, _J.reason, _J.result, _J.size)


class SqlJobStore:
    """Jobs in the table `jobs`, one for each kind and recording."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ask(self, kind: str, recording: str) -> JobView:
        """The job of this kind for the recording, queued if there was none, queued again if it failed."""
        now = _now()
        async with transaction(self._engine, "queueing a job") as connection:
            await connection.execute(
                upsert(connection, jobs)
                .values(
                    id=uuid.uuid4().hex, kind=kind, recording=recording, state=JobState.QUEUED.value,
                    progress=0.0, reason="", result="", size=0, created_at=now, updated_at=now,
                )
                .on_conflict_do_nothing()
            )  # fmt: skip
            mine = (_J.kind == kind, _J.recording == recording)
            await connection.execute(
                update(jobs)
                .where(*mine, _J.state == JobState.FAILED.value)
                .values(state=JobState.QUEUED.value, progress=0.0, reason="", updated_at=now)
            )
            return _view((await connection.execute(select(*_VIEW).where(*mine))).mappings().one())

    async def get(self, job: str) -> JobView:
        """One job; `NotFoundError` where there is none."""
        async with reading(self._engine, "reading a job") as connection:
            row = (await connection.execute(select(*_VIEW).where(_J.id == job))).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no job {job!r}", field="job")
        return _view(row)

    async def newest(self, limit: int, kind: str | None = None) -> Sequence[JobView]:
        """The `limit` jobs, of this kind or any, that were asked for last, oldest first."""
        query = select(*_VIEW).order_by(_J.created_at.desc(), _J.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(_J.kind == kind)
        async with reading(self._engine, "listing jobs") as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_view(row) for row in reversed(rows)]

    async def lacking(self, kind: str, start: int, end: int) -> Sequence[str]:
        """Recordings that ended in [start, end), stand, and have no job of this kind; oldest first."""
        query = (
            select(_R.id)
            .where(_R.ended >= max(1, start), _R.ended < end, _R.deleted == 0)
            .where(~select(_J.id).where(_J.kind == kind, _J.recording == _R.id).exists())
            .order_by(_R.ended, _R.id)
        )
        async with reading(self._engine, "looking for recordings without a job") as connection:
            return list((await connection.execute(query)).scalars())

    async def take(self, kind: str | None = None) -> JobView | None:
        """The oldest queued job, of this kind or any, running from now on. No two callers get the same."""
        async with transaction(self._engine, "taking a job") as connection:
            oldest = (
                select(_J.id)
                .where(_J.state == JobState.QUEUED.value, *(() if kind is None else (_J.kind == kind,)))
                .order_by(_J.created_at, _J.id)
                .limit(1)
                .scalar_subquery()
            )
            taken = (
                update(jobs)
                .where(_J.id == oldest, _J.state == JobState.QUEUED.value)
                .values(state=JobState.RUNNING.value, updated_at=_now())
                .returning(*_VIEW)
            )
            row = (await connection.execute(taken)).mappings().first()
        return None if row is None else _view(row)

    async def save(self, job: JobView) -> None:
        """Keep how the job stands."""
        async with transaction(self._engine, "saving a job") as connection:
            await connection.execute(
                update(jobs)
                .where(_J.id == job.id)
                .values(
                    state=job.state.value, progress=job.progress, reason=job.reason,
                    result=job.result, size=job.size, updated_at=_now(),
                )
            )  # fmt: skip

    async def counts(self) -> Mapping[JobState, int]:
        """How many jobs are in each state; states of none are missing."""
        query = select(_J.state, func.count()).group_by(_J.state)
        async with reading(self._engine, "counting jobs") as connection:
            return {JobState(state): count for state, count in await connection.execute(query)}

    async def requeue(self) -> int:
        """Queue again what ran when the process ended, and fail what did so for the second time."""
        ran = _J.state == JobState.RUNNING.value
        async with transaction(self._engine, "requeueing jobs") as connection:
            await connection.execute(
                update(jobs)
                .where(ran, _J.reason == _INTERRUPTED)
                .values(state=JobState.FAILED.value, reason=_TWICE, updated_at=_now())
            )
            done = await connection.execute(
                update(jobs)
                .where(ran)
                .values(state=JobState.QUEUED.value, progress=0.0, reason=_INTERRUPTED, updated_at=_now())
            )
        return done.rowcount

    async def find(self, kind: str, recording: str) -> JobView:
        """The job of this kind for the recording; `NotFoundError` where there is none."""
        query = select(*_VIEW).where(_J.kind == kind, _J.recording == recording)
        async with reading(self._engine, "reading a job") as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no {kind} of recording {recording!r}", field="recording")
        return _view(row)


def _now() -> int:
    return time.time_ns() // 1000


def _view(row: RowMapping) -> JobView:
    return JobView.model_validate(dict(row))

"""Where jobs are kept: the port of the jobs process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from media.contracts.jobs import JobState, JobView


class JobStore(Protocol):
    """Kept jobs. Every method raises `StoreError` when the database cannot be used."""

    async def ask(self, kind: str, recording: str) -> JobView:
        """The job of this kind for the recording: queued if there was none, queued again if it failed."""
        ...

    async def get(self, job: str) -> JobView:
        """One job; `NotFoundError` where there is none."""
        ...

    async def find(self, kind: str, recording: str) -> JobView:
        """The job of this kind for the recording; `NotFoundError` where there is none."""
        ...

    async def newest(self, limit: int, kind: str | None = None) -> Sequence[JobView]:
        """The `limit` jobs, of this kind or any, that were asked for last, oldest first."""
        ...

    async def lacking(self, kind: str, start: int, end: int) -> Sequence[str]:
        """Recordings that ended in [start, end), microseconds, stand, and have no job of this kind; oldest first."""
        ...

    async def take(self, kind: str | None = None) -> JobView | None:
        """The oldest queued job, of this kind or any, running from now on; None where there is none. No two callers get
        the same.
        """
        ...

    async def save(self, job: JobView) -> None:
        """Keep how the job stands."""
        ...

    async def counts(self) -> Mapping[JobState, int]:
        """How many jobs are in each state; states of none may be missing."""
        ...

    async def requeue(self) -> int:
        """Queue again what ran when the process ended, and fail what did so for the second time: it may have been the
        cause. Returns how many were queued.
        """
        ...

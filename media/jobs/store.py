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

    async def newest(self, limit: int) -> Sequence[JobView]:
        """The `limit` jobs that were asked for last, oldest first."""
        ...

    async def take(self) -> JobView | None:
        """The oldest queued job, running from now on; None where nothing is queued. No two callers get the same."""
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

"""Jobs on the tape: owned by the jobs process."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Event, Value


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobView(Value):
    """One job. `progress` is 0 to 1."""

    id: str
    kind: str
    recording: str
    state: JobState
    progress: float = 0.0
    reason: str = ""
    result: str = ""
    """Key of the result in the store, once done."""
    size: int = 0


class ExportRecording(Command[JobView]):
    """Make an MP4 of an ended recording by remux (top rung and audio). A job for it that exists is returned."""

    topic: ClassVar[str] = "media.jobs.export"
    reply = JobView
    recording: str
    only_existing: bool = False
    """Begin nothing: without a job for it the recording's export is not found."""


class MakeStoryboard(Command[JobView]):
    """Make the small pictures of an ended recording that seek bars show, soon and without waiting for its turn in the
    upkeep. A job for it that exists is returned; one that failed is tried again.
    """

    topic: ClassVar[str] = "media.jobs.storyboard"
    reply = JobView
    recording: str


class GetJob(Command[JobView]):
    """One job."""

    topic: ClassVar[str] = "media.jobs.get"
    asks = True
    reply = JobView
    job: str


class JobList(Value):
    """Oldest first."""

    jobs: list[JobView]


class ListJobs(Command[JobList]):
    """The newest `limit` exports. Storyboards are made without being asked for, and nobody waits for them."""

    topic: ClassVar[str] = "media.jobs.list"
    asks = True
    reply = JobList
    limit: int = Field(default=50, ge=1, le=200)


class JobChanged(Event):
    """An export moved on."""

    topic: ClassVar[str] = "media.job.changed"
    job: JobView

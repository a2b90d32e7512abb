"""Jobs on the tape, and pictures of feeds: owned by the jobs process."""

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


class FeedPicture(Value):
    """What a feed shows: its newest keyframe, upright, in its own shape."""

    feed: str
    jpeg: str
    """Base64 (RFC 4648 §4) of at most 60 kB; the longer side has 320 pixels at most."""
    taken: int = 0
    """Unix microseconds at which ingest had the keyframe; 0 where unknown."""
    fresh: float = 0.0
    """Seconds until the next one is made for whoever asks."""


class GetFeedPicture(Command[FeedPicture]):
    """What a feed shows now, by its newest keyframe; the same picture for all who ask within five seconds.

    Refused with not found (no such feed), conflict (it is not live, or sends sound alone) and unavailable (no keyframe
    came in time, the newest one is damaged, or too many pictures are being made).
    """

    topic: ClassVar[str] = "media.jobs.feed_picture"
    asks = True
    reply = FeedPicture
    feed: str

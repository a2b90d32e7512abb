"""Recordings: named ranges of a channel's tape, owned by the node process. The tape itself always rolls."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Done, Event, Value


class Gap(Value):
    """A stretch of a recording that is not on tape."""

    starts: int
    """Programme time, microseconds."""
    ends: int
    cause: str
    """`worker`, `stopped`, `disk`, `retention`."""


class RecordingView(Value):
    """A recording. `ended` is 0 while it runs."""

    id: str
    channel: str
    started: int
    """Programme time, microseconds."""
    ended: int = 0
    size: int = 0
    """Bytes over all renditions."""
    gaps: list[Gap] = Field(default_factory=list)


class RecordingList(Value):
    """Newest first."""

    recordings: list[RecordingView]


class StartRecording(Command[RecordingView]):
    """Begin a recording at the programme time of now. The same id again returns the running one."""

    topic: ClassVar[str] = "media.recordings.start"
    reply = RecordingView
    channel: str
    recording: str


class StopRecording(Command[RecordingView]):
    """End it at the programme time of now, and tell of it without its manifest; stopping an ended one returns it unchanged."""

    topic: ClassVar[str] = "media.recordings.stop"
    reply = RecordingView
    recording: str


class ListRecordings(Command[RecordingList]):
    """All recordings, or those of one channel."""

    topic: ClassVar[str] = "media.recordings.list"
    asks = True
    reply = RecordingList
    channel: str | None = None


class GetRecording(Command[RecordingView]):
    """One recording with its manifest of gaps; without, where nobody wants it: of a long one it takes a while."""

    topic: ClassVar[str] = "media.recordings.get"
    asks = True
    reply = RecordingView
    recording: str
    manifest: bool = True


class DeleteRecording(Command[Done]):
    """Let retention take its segments. A running one is a conflict."""

    topic: ClassVar[str] = "media.recordings.delete"
    reply = Done
    recording: str


class StorageView(Value):
    """The disk that the tape is on, in bytes."""

    total: int
    free: int
    tape: int
    """All that is on tape, the recordings' stretches included."""
    recordings: int
    """What recordings keep of it."""
    exports: int
    """Finished MP4 files beside it."""
    isos: int = 0
    """Recordings of feeds beside it."""
    min_free: int
    """Below so much free space tape, then ended recordings of feeds, then ended recordings are let go; 0: never."""


class GetStorage(Command[StorageView]):
    """How full the disk is, and with what."""

    topic: ClassVar[str] = "media.tape.storage"
    asks = True
    reply = StorageView


class TapeTrouble(Event):
    """The recorder of a channel cannot write, or can again (`reason` empty)."""

    topic: ClassVar[str] = "media.tape.trouble"
    channel: str
    epoch: int
    time: int
    reason: str
    lost_segments: int = 0


class TapeGap(Event):
    """A stretch of the tape is missing."""

    topic: ClassVar[str] = "media.tape.gap"
    channel: str
    gap: Gap

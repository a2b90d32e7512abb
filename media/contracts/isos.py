"""Isolated recordings (ISO): feeds recorded as they came, owned by the jobs process.

Times are Unix microseconds unless they are said to be a part's own, which begin at 0 with its file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Done, Event, Value


class IsoState(StrEnum):
    """How a recording fares."""

    RECORDING = "recording"
    """A file grows."""
    WAITING = "waiting"
    """The feed sends nothing; it goes on by itself when that returns."""
    TROUBLE = "trouble"
    """Something comes and cannot be written; see `reason`. It is tried again."""
    ENDED = "ended"


class IsoPlacement(Value):
    """From `starts` to `ends` of the part's own time, `part time + offset` is the time of `channel`."""

    channel: str
    """Its programme time; empty for wall time by arrival."""
    starts: int
    ends: int
    offset: int


class IsoGapView(Value):
    """A stretch of wall time that is not recorded."""

    starts: int
    ends: int
    cause: str
    """`feed`, `stalled`, `format`, `disk`, `restart`."""


class IsoPartView(Value):
    """One file."""

    number: int
    cause: str
    key: str
    """In the store of the tape."""
    name: str
    """What to call it where it is downloaded."""
    started: int
    duration: int
    size: int
    video: str
    width: int
    height: int
    audio: str
    sample_rate: int
    channels: int
    closed: bool
    placements: list[IsoPlacement] = Field(default_factory=list)


class IsoView(Value):
    """One recording of a feed. `ended` is 0 while it is wanted. Parts and gaps are told of one that is asked for alone."""

    id: str
    feed: str
    started: int
    ended: int = 0
    state: IsoState = IsoState.ENDED
    reason: str = ""
    size: int = 0
    duration: int = 0
    """Microseconds of all parts together."""
    part_count: int = 0
    parts: list[IsoPartView] = Field(default_factory=list)
    gaps: list[IsoGapView] = Field(default_factory=list)


class IsoList(Value):
    """Newest first."""

    isos: list[IsoView]


class StartIso(Command[IsoView]):
    """Record a feed as it comes, from now on. Where that is done already, the running recording is returned."""

    topic: ClassVar[str] = "media.isos.start"
    reply = IsoView
    feed: str


class StopIso(Command[IsoView]):
    """End a recording; an ended one is returned unchanged."""

    topic: ClassVar[str] = "media.isos.stop"
    reply = IsoView
    iso: str


class ListIsos(Command[IsoList]):
    """All recordings of feeds, or those of one."""

    topic: ClassVar[str] = "media.isos.list"
    asks = True
    reply = IsoList
    feed: str | None = None


class GetIso(Command[IsoView]):
    """One with its parts and gaps."""

    topic: ClassVar[str] = "media.isos.get"
    asks = True
    reply = IsoView
    iso: str


class DeleteIso(Command[Done]):
    """Delete one with its files. A running one is a conflict."""

    topic: ClassVar[str] = "media.isos.delete"
    reply = Done
    iso: str


class IsoChanged(Event):
    """A recording began, ended or fares differently; also every two seconds while it runs. Without parts and gaps."""

    topic: ClassVar[str] = "media.iso.changed"
    iso: IsoView


class IsoDeleted(Event):
    """One is gone: somebody deleted it, or its space was needed."""

    topic: ClassVar[str] = "media.iso.deleted"
    iso: str


class FeedPlaced(Event):
    """Where a channel has a feed on its own time line: `sender's clock + offset` is its programme time, microseconds.

    Told once a second for each feed in use; not for two seconds after the sender's clock jumped.
    """

    topic: ClassVar[str] = "media.feed.placed"
    channel: str
    feed: str
    offset: int
    steady: bool = True
    """It is on air: the offset moves gently. Of a feed that waits as a backup it is found anew all the time."""

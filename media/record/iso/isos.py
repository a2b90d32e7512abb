"""What an isolated recording (ISO) of a feed is: parts, what is missing between them, and where each lies in time. Pure.

A part is one file whose time begins at 0. It carries the wall clock of that moment and, for each channel that used the
feed meanwhile, the channel's programme time, as *placements*: stretches with the difference between the two clocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from media.model.time import MICROSECONDS

ISOS = "isos"
"""Folder of the store that holds them: the same disk as the tape's."""
SHORTEST_GAP = 500_000
"""Microseconds below which what is between two parts is not told: it is what a first picture is late by."""

WALL = ""
"""The channel of placements by arrival."""

_KEY = re.compile(rf"{ISOS}/([^/]+)/(\d{{4,}})\.mkv")


class PartCause(StrEnum):
    """Why a part was begun; where that is not the first one, also why something is missing before it."""

    START = "start"
    """Somebody wanted the recording."""
    FEED = "feed"
    """The feed's sender had gone, or ingest had."""
    FORMAT = "format"
    """Size, codec or tracks changed."""
    DISK = "disk"
    """The disk was full, or too slow."""
    RESTART = "restart"
    """The process that records was started again."""


class Missing(StrEnum):
    """Why something is missing within a part, or at an end."""

    STALLED = "stalled"
    """The sender was there and sent nothing."""
    FEED = "feed"
    """Nobody sent when the recording was begun, or ended."""


@dataclass(frozen=True, slots=True)
class Placement:
    """From `starts` to `ends` of the part's own time, `part time + offset` is the time of `channel`.

    Microseconds. A channel's time is programme time; the channel "" stands for wall time at arrival.
    """

    channel: str
    starts: int
    ends: int
    offset: int


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of a part's own time in which nothing came."""

    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class IsoPart:
    """One file. `started` is the Unix microsecond at which what stands at its time 0 arrived."""

    iso: str
    number: int
    cause: PartCause
    started: int
    duration: int = 0
    """Microseconds."""
    size: int = 0
    """Bytes."""
    video: str = ""
    width: int = 0
    height: int = 0
    audio: str = ""
    sample_rate: int = 0
    channels: int = 0
    closed: bool = False
    placements: tuple[Placement, ...] = ()
    holes: tuple[Hole, ...] = ()

    @property
    def ended(self) -> int:
        """Unix microseconds, by arrival: a sender's clock may run slower than ours, and a busy machine's pattern does."""
        walls = [each.offset for each in self.placements if each.channel == WALL]
        return self.duration + (walls[-1] if walls else self.started)

    @property
    def key(self) -> str:
        """Where its file is in the store."""
        return part_key(self.iso, self.number)


@dataclass(frozen=True, slots=True)
class Iso:
    """One recording of a feed. `ended` is 0 while it is wanted, `deleted` 0 while it stands; Unix microseconds."""

    id: str
    feed: str
    started: int
    ended: int = 0
    deleted: int = 0
    parts: int = 0
    """How many there are in which something is."""
    size: int = 0
    """Bytes of all."""
    duration: int = 0
    """Microseconds of all."""

    @property
    def running(self) -> bool:
        """It was not stopped yet."""
        return self.ended == 0


@dataclass(frozen=True, slots=True)
class IsoGap:
    """Wall time, Unix microseconds, of which nothing is recorded."""

    starts: int
    ends: int
    cause: str


def part_key(iso: str, number: int) -> str:
    """Key of a part's file."""
    return f"{ISOS}/{iso}/{number:04}.mkv"


def part_of(key: str) -> tuple[str, int] | None:
    """The recording and number of a key; None for what is no part."""
    match = _KEY.fullmatch(key)
    return None if match is None else (match[1], int(match[2]))


def file_name(feed: str, part: IsoPart) -> str:
    """What a part is called where it is downloaded: feed, UTC start, number. Sorted by name is sorted by time."""
    stamp = datetime.fromtimestamp(part.started // MICROSECONDS, tz=UTC)
    return f"{feed}_{stamp:%Y%m%dT%H%M%SZ}_{part.number:02}.mkv"


def gaps(iso: Iso, parts: Sequence[IsoPart]) -> list[IsoGap]:
    """What is missing, in order: before, between and within the parts, and at the end of one that was stopped."""
    found: list[IsoGap] = []
    at, cause = iso.started, Missing.FEED.value
    for part in sorted(parts, key=lambda each: each.number):
        cause = Missing.FEED.value if part.cause is PartCause.START else part.cause.value
        found.append(IsoGap(at, part.started, cause))
        found += [
            IsoGap(part.started + hole.starts, part.started + hole.ends, Missing.STALLED.value)
            for hole in part.holes
        ]
        at = max(at, part.ended)
    if not iso.running:
        found.append(IsoGap(at, iso.ended, Missing.FEED.value))
    return [gap for gap in found if gap.ends - gap.starts >= SHORTEST_GAP]


def placed(part: IsoPart, channel: str, at: int) -> int | None:
    """Part time of what the channel showed at its time `at`; None where the channel did not use the feed then."""
    for each in part.placements:
        if each.channel == channel and each.starts <= at - each.offset <= each.ends:
            return at - each.offset
    return None

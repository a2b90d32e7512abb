"""Where the tape has holes: computed from its index, with the causes that were known when they opened. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from media.model.time import MICROSECONDS, ProgrammeTime
from media.ports import TapeSegment
from media.record.ranges import Range, intersect, subtract, union

TOLERANCE = 60_000
"""Microseconds that renditions may end apart without it being a gap: audio is cut at whole AAC frames, up to half a
frame (11 ms) beside the pictures on either side. No part is as short, so no lost part hides in it."""


class GapCause(StrEnum):
    """Why a stretch is not on tape."""

    WORKER = "worker"
    """Nobody was making the programme: the worker died."""
    STOPPED = "stopped"
    """The channel was taken off air on purpose, or its settings were changed."""
    DISK = "disk"
    """The recorder could not write."""
    RETENTION = "retention"
    """It was there and was taken."""


STOP_SLACK = 2 * MICROSECONDS
"""How long before it was stopped a channel's tape may end: the part that was open, and the node's word being late."""


@dataclass(frozen=True, slots=True)
class KnownGap:
    """A stretch that is known to be missing, and why. That of `stopped` is the stopping alone: it lasts until the
    channel is on air again, which nobody knows beforehand.
    """

    channel: str
    starts: ProgrammeTime
    ends: ProgrammeTime
    cause: str


class GapLog(Protocol):
    """Where causes are kept. Raises `StoreError` when the database cannot be used."""

    async def add_gap(self, gap: KnownGap) -> None:
        """Record a known gap; one with the same start is made as long as the longer of both."""
        ...

    async def known_gaps(self, channel: str, start: ProgrammeTime, end: ProgrammeTime) -> Sequence[KnownGap]:
        """Known gaps that overlap [start, end), oldest first."""
        ...


def ends(segment: TapeSegment) -> ProgrammeTime:
    """Programme time at which a segment ends; nearest microsecond."""
    micros = (2 * segment.duration * MICROSECONDS + segment.timescale) // (2 * segment.timescale)
    return ProgrammeTime(segment.starts + micros)


def covered(segments: Iterable[TapeSegment]) -> list[Range]:
    """Stretches in which every rendition of the epoch is on tape, in order."""
    by_epoch: dict[int, dict[str, list[Range]]] = defaultdict(lambda: defaultdict(list))
    for segment in segments:
        by_epoch[segment.epoch][segment.rendition].append(Range(segment.starts, ends(segment)))
    whole: list[Range] = []
    for renditions in by_epoch.values():
        tracks = [union(ranges, join=TOLERANCE) for ranges in renditions.values()]
        common = tracks[0]
        for track in tracks[1:]:
            common = intersect(common, track)
        whole += common
    return union(whole, join=TOLERANCE)


def gaps(
    segments: Sequence[TapeSegment], start: ProgrammeTime, end: ProgrammeTime, known: Sequence[KnownGap] = ()
) -> list[KnownGap]:
    """The gap manifest of [start, end): every stretch longer than `TOLERANCE` that not all renditions have on tape.

    `segments` are those that overlap the range, all of one channel. Where a cause is known it is taken, and the gap
    cut where causes change; all else is the worker's, for a recorder that lived has said what it lost and why.
    """
    channel = segments[0].channel if segments else (known[0].channel if known else "")
    found: list[KnownGap] = []
    for hole in subtract(Range(start, end), covered(segments)):
        if hole.end - hole.start <= TOLERANCE:
            continue
        found += explain(channel, hole, known)
    return found


def explain(channel: str, hole: Range, known: Sequence[KnownGap]) -> list[KnownGap]:
    """The hole, cut where its cause changes."""
    parts: list[tuple[Range, str]] = []
    rest = [hole]
    for gap in sorted(known, key=lambda each: each.cause == GapCause.STOPPED):
        mine = Range(gap.starts - TOLERANCE, gap.ends + TOLERANCE)
        if gap.cause == GapCause.STOPPED and mine.overlaps(hole):
            mine = Range(gap.starts - STOP_SLACK, hole.end)
        parts += [(piece, gap.cause) for piece in intersect(rest, [mine])]
        rest = [left for piece in rest for left in subtract(piece, [mine])]
    parts += [(piece, GapCause.WORKER.value) for piece in rest]
    merged: list[tuple[Range, str]] = []
    for piece, cause in sorted(parts):
        if merged and merged[-1][1] == cause and merged[-1][0].end == piece.start:
            merged[-1] = (Range(merged[-1][0].start, piece.end), cause)
        else:
            merged.append((piece, cause))
    return [KnownGap(channel, ProgrammeTime(p.start), ProgrammeTime(p.end), cause) for p, cause in merged]

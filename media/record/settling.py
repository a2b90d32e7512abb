"""The end of a recording that was stopped a moment ago: its last segment is still open, and is on tape seconds later.
That is no gap, and a replay or an export that did without it would lack the end of the show.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from media.model.time import ProgrammeTime
from media.ports import TapeIndex, TapeSegment
from media.record.gaps import TOLERANCE, ends

RECENT = 15_000_000
"""Microseconds after which nothing more comes: longer than a segment, and a slow disk's delay with it."""
PATIENCE = 6.0
EVERY = 0.2


def wall() -> int:
    """Microseconds on the Unix scale, which programme time is anchored to."""
    return time.time_ns() // 1000


def reach(segments: Sequence[TapeSegment]) -> ProgrammeTime | None:
    """Up to where every rendition of the newest epoch is on tape; None of an empty tape."""
    newest = max((segment.epoch for segment in segments), default=None)
    if newest is None:
        return None
    last: dict[str, ProgrammeTime] = {}
    for segment in segments:
        if segment.epoch == newest:
            last[segment.rendition] = max(ends(segment), last.get(segment.rendition, ProgrammeTime(0)))
    return min(last.values())


def open_end(segments: Sequence[TapeSegment], end: ProgrammeTime, now: int) -> bool:
    """Whether the end of a range, stopped at `end`, is still to come on tape. `now` is wall time, microseconds."""
    if end < now - RECENT:
        return False
    reached = reach(segments)
    return reached is None or reached < end - TOLERANCE


async def settled(
    index: TapeIndex,
    channel: str,
    start: ProgrammeTime,
    end: ProgrammeTime,
    *,
    now: Callable[[], int] = wall,
    patience: float = PATIENCE,
) -> Sequence[TapeSegment]:
    """The segments of a stopped range; waits up to `patience` seconds for its end, and takes what there is then."""
    deadline = time.monotonic() + patience
    while True:
        segments = await index.between(channel, start, end)
        if time.monotonic() >= deadline or not open_end(segments, end, now()):
            return segments
        await asyncio.sleep(EVERY)

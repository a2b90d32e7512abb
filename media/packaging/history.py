"""What a new epoch lists of the tape before it: the same segments in all renditions, without holes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.parts import segment_name
from media.ports import TapeInit, TapeSegment

MAX_GAP = 5
"""Missing segments in a row that are listed as EXT-X-GAP; a longer hole ends the window there."""


@dataclass(frozen=True, slots=True)
class Past:
    """One listed segment of the past. Where `key` is empty it is a gap."""

    msn: int
    epoch: int
    uri: str
    key: str
    starts: ProgrammeTime
    duration: int
    """Microseconds."""


def length(segment: TapeSegment) -> int:
    """Duration in microseconds, nearest."""
    return (2 * segment.duration * MICROSECONDS + segment.timescale) // (2 * segment.timescale)


def align(
    history: Sequence[TapeSegment],
    inits: Sequence[TapeInit],
    renditions: Sequence[str],
    *,
    before: int,
    target_duration: int,
    segment: int,
    since: ProgrammeTime,
) -> Mapping[str, list[Past]]:
    """For each rendition the segments to list ahead of msn `before`, oldest first: the same msns in each.

    A media sequence number that any rendition lacks (or whose init segment is gone) is a gap in all of them.
    The walk back from `before` ends at a hole of more than `MAX_GAP`, at a segment that TARGETDURATION forbids
    (the channel had other settings then), and at what ended before `since`. `segment` is the nominal length in
    microseconds, taken for gaps.
    """
    known = {(init.rendition, init.epoch) for init in inits}
    rows: dict[int, dict[str, TapeSegment]] = {}
    for item in history:
        if (item.rendition, item.epoch) in known and item.duration > 0 and item.timescale > 0:
            former = rows.setdefault(item.msn, {}).get(item.rendition)
            if former is None or former.epoch < item.epoch:
                rows[item.msn][item.rendition] = item
    kept: list[tuple[int, dict[str, TapeSegment] | None]] = []
    holes = 0
    for msn in range(before - 1, min(rows, default=before) - 1, -1):
        row = rows.get(msn, {})
        if len(row) < len(renditions) or len({item.epoch for item in row.values()}) > 1:
            holes += 1
            if holes > MAX_GAP:
                break
            kept.append((msn, None))
            continue
        longest = max(length(item) for item in row.values())
        if (longest + MICROSECONDS // 2) // MICROSECONDS > target_duration:
            break
        if min(item.starts + length(item) for item in row.values()) <= since:
            break
        holes = 0
        kept.append((msn, row))
    while kept and kept[-1][1] is None:
        kept.pop()
    kept.reverse()
    return {name: _listing(name, kept, segment) for name in renditions}


def _listing(
    name: str, rows: Sequence[tuple[int, dict[str, TapeSegment] | None]], segment: int
) -> list[Past]:
    listed: list[Past] = []
    for msn, row in rows:
        if row is not None:
            item = row[name]
            uri = segment_name(item.epoch, msn)
            listed.append(Past(msn, item.epoch, uri, item.key, item.starts, length(item)))
        else:
            former = listed[-1]  # the first row is never a gap
            starts = ProgrammeTime(former.starts + former.duration)
            listed.append(Past(msn, former.epoch, segment_name(former.epoch, msn), "", starts, segment))
    return listed

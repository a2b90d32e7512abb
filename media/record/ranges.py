"""Half-open ranges of programme time, and what is left of one when others are taken out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """[start, end) in microseconds of programme time; empty where end ≤ start."""

    start: int
    end: int

    def overlaps(self, other: Range) -> bool:
        """Whether a moment is in both."""
        return max(self.start, other.start) < min(self.end, other.end)


def union(ranges: Iterable[Range], *, join: int = 0) -> list[Range]:
    """The ranges sorted and merged; neighbours that are at most `join` µs apart become one."""
    merged: list[Range] = []
    for one in sorted(r for r in ranges if r.start < r.end):
        if merged and one.start <= merged[-1].end + join:
            merged[-1] = Range(merged[-1].start, max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged


def subtract(whole: Range, taken: Iterable[Range]) -> list[Range]:
    """What is left of `whole` without `taken`, in order."""
    left: list[Range] = []
    at = whole.start
    for one in union(taken):
        if one.start >= whole.end:
            break
        if one.start > at:
            left.append(Range(at, one.start))
        at = max(at, one.end)
    if at < whole.end:
        left.append(Range(at, whole.end))
    return left


def intersect(a: Sequence[Range], b: Sequence[Range]) -> list[Range]:
    """What is in both; each argument sorted and merged, as `union` gives it."""
    both: list[Range] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i].start, b[j].start), min(a[i].end, b[j].end)
        if start < end:
            both.append(Range(start, end))
        if a[i].end < b[j].end:
            i += 1
        else:
            j += 1
    return both

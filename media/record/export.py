"""How a range of the tape becomes one file with continuous times: which segments, and where each stretch begins. Pure.

A stretch (*run*) is what follows without a hole, within one epoch. Behind a hole picture and sound are moved up by
the same programme time, so they stay as they were to each other; by as much as keeps both from overlapping what came
before, which leaves one of them up to an audio frame (21 ms) of silence or of a longer picture, never more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from media.model.errors import NotFoundError
from media.model.time import MICROSECONDS
from media.packaging.parts import AUDIO
from media.ports import TapeSegment
from media.record.gaps import TOLERANCE, ends
from media.record.replay import Replay


@dataclass(frozen=True, slots=True)
class Track:
    """One rendition in one run."""

    init_key: str
    keys: Sequence[str]
    """Of its segments, in order."""
    at: int
    """Microseconds from the start of the file at which its first sample begins."""
    timescale: int
    duration: int
    """In units of `timescale`."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch without a hole: by `video` and `audio`, or one of them."""

    tracks: Mapping[str, Track]
    size: int
    """Bytes of all its segments, for progress."""


def plan(replay: Replay) -> list[Run]:
    """The runs of a replay's highest rung and sound. Raises `NotFoundError` where nothing is on tape."""
    names = {"video": next((n for n in replay.renditions if n != AUDIO), ""), "audio": AUDIO}
    chosen = {kind: list(replay.renditions.get(name, ())) for kind, name in names.items()}
    chosen = {kind: segments for kind, segments in chosen.items() if segments}
    if not chosen:
        raise NotFoundError("nothing of this recording is on tape", field="recording")
    runs: list[Run] = []
    free = dict.fromkeys(chosen, 0)
    first = next(iter(chosen.values()))
    begin = 0
    for i in range(1, len(first) + 1):
        if i < len(first) and not _hole(first[i - 1], first[i]):
            continue
        mine = {kind: segments[begin:i] for kind, segments in chosen.items()}
        begin = i
        start = min(segments[0].starts for segments in mine.values())
        at = max(free[kind] - (segments[0].starts - start) for kind, segments in mine.items())
        at = max(at, 0)
        tracks = {}
        for kind, segments in mine.items():
            one = segments[0]
            where = at + one.starts - start
            duration = sum(s.duration for s in segments)
            free[kind] = where + -(-duration * MICROSECONDS // one.timescale)
            init = replay.inits[one.epoch, one.rendition]
            tracks[kind] = Track(init.key, [s.key for s in segments], where, one.timescale, duration)
        runs.append(Run(tracks, sum(s.size for segments in mine.values() for s in segments)))
    return runs


def _hole(former: TapeSegment, segment: TapeSegment) -> bool:
    return former.epoch != segment.epoch or abs(segment.starts - ends(former)) > TOLERANCE

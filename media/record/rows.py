"""Segments that are being put together, all renditions of one media sequence number as one row. Pure, and bounded.

A row is kept whole or lost whole: a tape on which the picture is there and the sound is not would be worse than a
hole that is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from media.model.time import ProgrammeTime
from media.packaging.parts import Part
from media.ports import TapeSegment
from media.record.layout import OpenName, segment_key

_STALE = 3
"""A row is given up when one this much newer begins: a rendition that lags so far will not complete it."""


@dataclass(slots=True)
class Track:
    """One rendition of a row."""

    rendition: str
    starts: ProgrammeTime
    decode_time: int
    timescale: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    count: int = 0
    duration: int = 0
    done: bool = False


@dataclass(slots=True)
class Row:
    """All renditions of one media sequence number."""

    msn: int
    starts: int
    ends: int
    tracks: dict[str, Track] = field(default_factory=dict)
    lost: str = ""
    """Why it will not be on tape; empty while it may."""

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(track.size for track in self.tracks.values())

    def entries(self, channel: str, epoch: int) -> list[TapeSegment]:
        """Its index entries."""
        return [
            TapeSegment(
                channel=channel,
                epoch=epoch,
                rendition=track.rendition,
                msn=self.msn,
                starts=track.starts,
                decode_time=track.decode_time,
                duration=track.duration,
                timescale=track.timescale,
                size=track.size,
                key=segment_key(channel, track.rendition, epoch, self.msn),
            )
            for _, track in sorted(self.tracks.items())
        ]


class Rows:
    """Takes parts and gives finished rows. `held` bytes never exceed `max_bytes`: what does not fit is lost by whole
    rows, the newest first, and nothing new is begun before a quarter is free again.
    """

    def __init__(
        self, epoch: int, renditions: Sequence[str], max_bytes: int, dropped: Callable[[OpenName], None]
    ) -> None:
        self._epoch = epoch
        self._renditions = frozenset(renditions)
        self._max_bytes = max_bytes
        self._dropped = dropped
        self._open: dict[int, Row] = {}
        self._sealed = -1
        self.held = 0

    def add(self, part: Part) -> tuple[list[Row], bool]:
        """Take one part. Returns the rows it settles (whole or lost, by number), and whether the part was kept."""
        if part.rendition not in self._renditions or part.msn <= self._sealed:
            return [], False
        end = part.starts + part.duration * 1_000_000 // part.timescale
        row = self._open.get(part.msn)
        if row is None:
            row = self._open[part.msn] = Row(part.msn, part.starts, end)
            if self.held * 4 > self._max_bytes * 3:
                self._lose(row, "the disk does not keep up")
        row.starts, row.ends = min(row.starts, part.starts), max(row.ends, end)
        track = row.tracks.get(part.rendition)
        if track is None:
            track = row.tracks[part.rendition] = Track(
                part.rendition, part.starts, part.decode_time, part.timescale
            )
        if not row.lost and part.index != track.count:
            self._lose(row, f"part {track.count} of {part.rendition} never came")
        if not row.lost and self.held + len(part.data) > self._max_bytes:
            self._lose(row, "the disk does not keep up")
        track.count += 1
        track.done = part.last
        kept = not row.lost
        if kept:
            track.parts.append(part.data)
            track.size += len(part.data)
            track.duration += part.duration
            self.held += len(part.data)
        return self._settled(part.msn), kept

    def release(self, row: Row) -> None:
        """The row's bytes are held no longer."""
        self.held -= row.size
        for track in row.tracks.values():
            track.parts.clear()

    def _settled(self, newest: int) -> list[Row]:
        settled: list[Row] = []
        for msn in sorted(self._open):
            row = self._open[msn]
            done = len(row.tracks) == len(self._renditions) and all(t.done for t in row.tracks.values())
            if not done and msn > newest - _STALE:
                break  # rows are settled in order
            if not done:
                missing = sorted(self._renditions - {r for r, t in row.tracks.items() if t.done})
                self._lose(row, f"{', '.join(missing)} did not complete it")
            del self._open[msn]
            self._sealed = msn
            settled.append(row)
        return settled

    def _lose(self, row: Row, why: str) -> None:
        if row.lost:
            return
        row.lost = why
        self.release(row)
        for track in row.tracks.values():
            track.size = 0
            self._dropped(OpenName(self._epoch, row.msn, track.rendition))

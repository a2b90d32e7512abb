"""One rendition's live window: which segments it lists, their text, and the bytes that are still in memory.

Text is made once per segment and once per part; a render joins what is there. The settled part of the window (all
segments that no longer list parts) is one cached piece, so the cost of a render does not grow with the DVR window.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from itertools import islice

from media.model.errors import EngineError
from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.history import Past
from media.packaging.parts import Part, init_name, part_name, segment_name
from media.packaging.playlist import PartEntry, SegmentEntry, text

_SEGMENT = re.compile(r"([1-9][0-9]{0,9})-(0|[1-9][0-9]{0,11})\.m4s")
"""As `segment_name` writes it, and nothing else: the name becomes part of a storage key."""


@dataclass(slots=True)
class Listed:
    """One whole segment of the window."""

    msn: int
    epoch: int
    name: str
    key: str
    """In the `SegmentStore`, once it is known to be there; empty until then, and for gaps."""
    duration: int
    """Microseconds."""
    starts: ProgrammeTime
    prefix: bytes
    """The lines that announce a new epoch; empty within one."""
    settled: bytes
    """The segment's lines without parts."""
    parts: bytes
    """Its lines with parts."""


class Window:
    """See the module. `parts_listed` is how many of the newest whole segments list their parts."""

    def __init__(
        self, channel: str, rendition: str, *, epoch: int, first_msn: int, past: list[Past], parts_listed: int
    ) -> None:
        self._channel = channel
        self.rendition = rendition
        self.epoch = epoch
        self.version = 0
        """Rises with each change of what a playlist shows."""
        self.timescale = 0
        self.parts_added = 0
        self.bytes_added = 0
        self._parts_listed = parts_listed
        self.segments: deque[Listed] = deque()
        self.last_msn = first_msn - 1
        """Of the newest whole segment."""
        self._open: list[Part] = []
        self._open_lines: list[str] = []
        self._decode_time = 0
        self._objects: dict[str, bytes | memoryview] = {}
        self._names: deque[tuple[int, list[str]]] = deque()
        self._settled: bytes | None = None
        for item in past:
            self._append(item.msn, item.epoch, item.key, item.duration, item.starts, (), gap=not item.key)

    # --- growing -----------------------------------------------------------------------------------------------------

    def add(self, part: Part) -> None:
        """Take the next part. Raises `EngineError` where it is not the one that is due: names must never be reused
        and decode times must be continuous.
        """
        due = (self.epoch, self.last_msn + 1, len(self._open), self._decode_time, self.timescale)
        came = (part.epoch, part.msn, part.index, part.decode_time, part.timescale)
        if came != due:
            raise EngineError(f"{self.rendition}: part {came} came where {due} was due")
        self._decode_time += part.duration
        self.parts_added += 1
        self.bytes_added += len(part.data)
        self._open.append(part)
        self._open_lines.append(_entry(part).line())
        self._objects[part.name] = part.data
        self.version += 1
        if part.last:
            self._close()

    def _close(self) -> None:
        first = self._open[0]
        name = segment_name(first.epoch, first.msn)
        whole = b"".join([part.data for part in self._open])
        self._objects[name] = whole
        data = memoryview(whole)
        at = 0
        for part in self._open:  # the parts become views of the segment: one copy in memory, not two
            end = at + len(part.data)
            self._objects[part.name] = data[at:end]
            at = end
        self._names.append((first.msn, [name, *(part.name for part in self._open)]))
        ticks = sum(part.duration for part in self._open)
        duration = (2 * ticks * MICROSECONDS + first.timescale) // (2 * first.timescale)
        entries = tuple(_entry(part) for part in self._open)
        self._append(first.msn, first.epoch, "", duration, first.starts, entries, gap=False)
        self.last_msn = first.msn
        self._open = []
        self._open_lines = []

    def _append(
        self,
        msn: int,
        epoch: int,
        key: str,
        duration: int,
        starts: ProgrammeTime,
        parts: tuple[PartEntry, ...],
        *,
        gap: bool,
    ) -> None:
        name = segment_name(epoch, msn)
        body = SegmentEntry(name, duration, (), "", starts, gap=gap)
        settled = text(body.lines()).encode()
        listing = text(SegmentEntry(name, duration, parts, "", starts).lines()).encode() if parts else settled
        self.segments.append(
            Listed(msn, epoch, name, key, duration, starts, self._prefix(epoch), settled, listing)
        )
        self._settled = None

    def _prefix(self, epoch: int) -> bytes:
        """What announces `epoch` after the newest listed segment."""
        former = self.segments[-1].epoch if self.segments else epoch
        if epoch == former:
            return b""
        # An epoch that left nothing behind still counts: the discontinuity sequence counts epochs.
        return text(["#EXT-X-DISCONTINUITY"] * (epoch - former) + [_map(epoch)]).encode()

    # --- shrinking ---------------------------------------------------------------------------------------------------

    def stored(self, msn: int) -> None:
        """The segment is on tape; one that is not listed any more is ignored."""
        item = self.listed(msn)
        if item is not None and not item.key and item.epoch == self.epoch:
            item.key = f"{self._channel}/{self.rendition}/{item.name}"

    def listed(self, msn: int) -> Listed | None:
        """The listed whole segment with this number."""
        if not self.segments:
            return None
        at = msn - self.segments[0].msn
        return self.segments[at] if 0 <= at < len(self.segments) else None

    def cut(self, first: int) -> None:
        """Take the segments before msn `first` off the list."""
        while self.segments and self.segments[0].msn < first:
            self.segments.popleft()
            self._settled = None
            self.version += 1

    def release(self, before: int) -> None:
        """Let go of the bytes of segments before msn `before`."""
        while self._names and self._names[0][0] < before:
            for name in self._names.popleft()[1]:
                del self._objects[name]

    # --- answering ---------------------------------------------------------------------------------------------------

    @property
    def open_parts(self) -> int:
        """Parts of the open segment so far."""
        return len(self._open)

    @property
    def in_memory(self) -> int:
        """Bytes of media held."""
        return sum(len(self._objects[names[0]]) for _, names in self._names) + sum(
            len(p.data) for p in self._open
        )

    def has(self, msn: int, part: int | None) -> bool:
        """Whether the playlist shows this segment whole, or this part, or anything newer."""
        return msn <= self.last_msn or (
            part is not None and msn == self.last_msn + 1 and part < len(self._open)
        )

    def held(self, name: str) -> bytes | None:
        """An object's bytes while they are in memory."""
        data = self._objects.get(name)
        return bytes(data) if isinstance(data, memoryview) else data

    def key_of(self, name: str) -> str:
        """Key in the store of a whole segment that is not in memory: listed and recorded, or gone from the list
        (where the tape may have it still). Empty for anything else.
        """
        match = _SEGMENT.fullmatch(name)
        if match is None or not self.segments:
            return ""
        epoch, msn = int(match[1]), int(match[2])
        item = self.listed(msn)
        if item is not None:
            return item.key if item.epoch == epoch else ""
        return f"{self._channel}/{self.rendition}/{name}" if msn < self.segments[0].msn else ""

    @property
    def hint(self) -> str:
        """Name of the next part."""
        return part_name(self.epoch, self.last_msn + 1, len(self._open))

    @property
    def newest(self) -> tuple[int, int | None]:
        """Media sequence number and part of the newest part; the part is None where only whole segments are there
        that list none.
        """
        if self._open:
            return self.last_msn + 1, len(self._open) - 1
        if self._names and self._names[-1][0] == self.last_msn:
            return self.last_msn, len(self._names[-1][1]) - 2
        return self.last_msn, None

    @property
    def first_map(self) -> str:
        """The tag of the init segment that holds from the first listed segment on."""
        return _map(self.segments[0].epoch)

    def skippable(self, until: int) -> int:
        """Segments that a delta update may skip: those that end more than `until` microseconds before the end.

        0 where one of them, or the one after, begins a new epoch: players differ in how they carry a discontinuity
        and its init segment over a skip, and the whole playlist is always a right answer.
        """
        newer = sum((2 * p.duration * MICROSECONDS + p.timescale) // (2 * p.timescale) for p in self._open)
        keep = 0
        for item in reversed(self.segments):
            if newer > until:
                break
            newer += item.duration
            keep += 1
        skipped = len(self.segments) - keep
        if skipped > 0 and self.segments[0].epoch == self.segments[skipped].epoch:
            return skipped
        return 0

    def body(self, skip: int) -> bytes:
        """The lines of all listed segments but the first `skip`, and of the open segment, without its hint."""
        count = len(self.segments)
        recent = max(skip, count - self._parts_listed)
        pieces: list[bytes] = []
        if skip == 0:
            if self._settled is None:
                settled = islice(self.segments, recent)
                self._settled = b"".join([item.prefix + item.settled for item in settled])
            pieces.append(self._settled)
        else:
            pieces += [
                item.prefix + item.settled for item in islice(self.segments, skip, count - self._parts_listed)
            ]
        pieces += [item.prefix + item.parts for item in islice(self.segments, recent, count)]
        whole = b"".join(pieces)
        # The first listed segment's epoch is announced by the playlist's head (map, discontinuity sequence).
        if skip == 0:
            whole = whole.removeprefix(self.segments[0].prefix)
        if not self._open:
            return whole
        opening = (
            self._prefix(self.epoch)
            + text(SegmentEntry(programme_time=self._open[0].starts).lines()).encode()
        )
        return whole + opening + text(self._open_lines).encode()


def _map(epoch: int) -> str:
    return f'#EXT-X-MAP:URI="{init_name(epoch)}"'


def _entry(part: Part) -> PartEntry:
    duration = (2 * part.duration * MICROSECONDS + part.timescale) // (2 * part.timescale)
    return PartEntry(part.name, duration, part.independent)

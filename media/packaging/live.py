"""A channel's live playlists and objects: every rule of LL-HLS that a server keeps, without any I/O.

One `LiveChannel` serves one epoch of one channel, and lists the epochs before it from the tape. All calls are made
from one thread (the origin's event loop). The fixed numbers (PART-TARGET, PART-HOLD-BACK, TARGETDURATION,
CAN-SKIP-UNTIL, BANDWIDTH) come from the specification alone and so cannot change in a playlist's life.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from media.model.channel import ChannelSpec
from media.model.errors import EngineError, SpecError
from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.history import align
from media.packaging.multivariant import TrackInfo, multivariant
from media.packaging.parts import AUDIO, Part, init_name
from media.packaging.playlist import (
    DateRange,
    MediaPlaylist,
    PreloadHint,
    RenditionReport,
    ServerControl,
    Skip,
    micros,
    micros_up,
    text,
)
from media.packaging.window import Window
from media.ports import TapeInit, TapeSegment

PLAYLIST = "index.m3u8"
MIN_SEGMENTS = 6
"""Segments that a playlist lists at least, once there are so many."""
LINGER = 2
"""Segments that stay in memory after they left an unrecorded window: players that read the older playlist ask for
them still (RFC 8216bis §6.2.2)."""
MAX_DATERANGES = 256
"""Date ranges listed at once; the oldest gives way."""
_NAME_LIMIT = 64


class Ready:
    """An answer with a body. Compressed once, when somebody first wants it so."""

    __slots__ = ("_gzipped", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._gzipped: bytes | None = None

    @property
    def gzipped(self) -> bytes:
        """The body as gzip. Level 1: tag text repeats so much that more effort saves next to nothing."""
        if self._gzipped is None:
            self._gzipped = gzip.compress(self.body, 1, mtime=0)
        return self._gzipped


@dataclass(frozen=True, slots=True)
class Wait:
    """Not there yet: ask again when the rendition changed."""

    until: tuple[int, int | None]
    """Media sequence number and part that are waited for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request cannot be served; `status` is the HTTP status, `why` a sentence."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Held:
    """An object in memory."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the `SegmentStore`."""

    key: str


@dataclass(frozen=True, slots=True)
class Missing:
    """No such object."""


PlaylistAnswer: TypeAlias = Ready | Wait | Refused
ObjectAnswer: TypeAlias = Held | Stored | Wait | Missing
_MISSING = Missing()


class LiveChannel:
    """See the module.

    `first_epoch` is the channel's oldest, which no discontinuity came before. `history` are the tape's segments of earlier epochs and `inits` their init segments; `first_msn` is the media
    sequence number of this epoch's first segment and must be above every one in `history`. Up to
    `history.MAX_GAP` numbers between are listed as gaps. `now` is the programme time of now: what ended more than
    `dvr_seconds` before it is not listed. `ram_segments` (at least 6) newest segments of each rendition are kept in
    memory; older ones stay listed only if `stored` was called for them in all renditions by then.
    """

    def __init__(
        self,
        spec: ChannelSpec,
        epoch: int,
        anchor: ProgrammeTime,
        history: Sequence[TapeSegment] = (),
        inits: Sequence[TapeInit] = (),
        now: ProgrammeTime | None = None,
        *,
        first_epoch: int = 1,
        first_msn: int = 0,
        ram_segments: int = 8,
    ) -> None:
        self.spec = spec
        self.epoch = epoch
        self._first_epoch = first_epoch
        self.anchor = anchor
        self.renditions = (*(rung.name for rung in spec.ladder), AUDIO)
        since = ProgrammeTime((anchor if now is None else now) - spec.dvr_seconds * MICROSECONDS)
        past = align(
            [item for item in history if item.epoch < epoch and item.msn < first_msn],
            inits,
            self.renditions,
            before=first_msn,
            target_duration=spec.target_duration,
            segment=micros(spec.segment_seconds),
            since=since,
        )
        target = spec.target_duration
        self._control = ServerControl(
            can_block_reload=True,
            part_hold_back=3 * micros_up(spec.part_target),
            hold_back=3 * target * MICROSECONDS,
            can_skip_until=6 * target * MICROSECONDS,
        )
        self._part_target = micros_up(spec.part_target)
        # §6.2.5.2, Advance Part Limit: parts in three seconds.
        self._impossible_part = spec.parts_per_segment + max(3, int(-(-3 // spec.part_target)))
        parts_listed = int(-(-3 * target // spec.segment_seconds))
        self._windows = {
            name: Window(
                spec.id, name, epoch=epoch, first_msn=first_msn, past=past[name], parts_listed=parts_listed
            )
            for name in self.renditions
        }
        self._reference = self._windows[self.renditions[0]]
        self._length = sum(item.duration for item in self._reference.segments)
        self._counted = first_msn - 1
        self._in_ram = first_msn
        self._ram_segments = max(MIN_SEGMENTS, ram_segments)
        self._tracks: dict[str, TrackInfo] = {}
        self._init_data: dict[str, bytes] = {}
        self._init_keys = {
            (init.rendition, init_name(init.epoch)): init.key for init in inits if init.epoch < epoch
        }
        self._dateranges: dict[str, DateRange] = {}
        self._ranges_version = 0
        self._cache: dict[tuple[str, bool], tuple[int, int, Ready]] = {}
        self._multivariant: Ready | None = None
        self._watchers: list[Callable[[str], None]] = []
        self.cut_unrecorded = 0
        """Segments that left the window early because the recorder had not confirmed them."""

    # --- what the worker does ----------------------------------------------------------------------------------------

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have `changed(rendition)` called after each part, on the caller's thread."""
        self._watchers.append(changed)

    def add_init(
        self, rendition: str, data: bytes, codecs: str, width: int, height: int, bitrate: int, timescale: int
    ) -> None:
        """Give a rendition's init segment, before its first part. `timescale` must be that of its parts."""
        if rendition not in self._windows:
            raise SpecError(f"the channel has no rendition {rendition!r}")
        if rendition in self._tracks:
            raise EngineError(f"{rendition} has its init segment already, and it never changes in an epoch")
        self._windows[rendition].timescale = timescale
        self._init_data[rendition] = data
        self._tracks[rendition] = TrackInfo(codecs, width, height, bitrate)

    def add(self, part: Part) -> None:
        """Take the next part of a rendition. Raises `EngineError` where it does not continue what is there."""
        window = self._windows[part.rendition]
        if part.rendition not in self._tracks:
            raise EngineError(f"{part.rendition}: a part before the init segment")
        window.add(part)
        if part.last:
            self._slide()
        for changed in self._watchers:
            changed(part.rendition)

    def stored(self, rendition: str, msn: int) -> None:
        """The recorder has the segment on tape: it may stay listed when memory lets go of it."""
        self._windows[rendition].stored(msn)

    def daterange(self, item: DateRange) -> None:
        """Write a date range into all playlists; the same id again replaces it. It leaves with its segments, an open-ended
        one not before it was given an end: it lasts until now.
        """
        self._dateranges.pop(item.id, None)
        self._dateranges[item.id] = item
        while len(self._dateranges) > MAX_DATERANGES:
            del self._dateranges[next(iter(self._dateranges))]
        self._ranges_version += 1

    # --- the window --------------------------------------------------------------------------------------------------

    def _slide(self) -> None:
        """Move the window's head and memory's edge on, for all renditions alike, by what all of them have whole."""
        lasts = [window.last_msn for window in self._windows.values()]
        whole = min(lasts)
        if max(lasts) - whole > self._ram_segments:
            behind = [name for name, window in self._windows.items() if window.last_msn == whole]
            raise EngineError(f"{', '.join(behind)} fell {max(lasts) - whole} segments behind")
        while self._counted < whole:
            self._counted += 1
            item = self._reference.listed(self._counted)
            self._length += item.duration if item else 0
        first = self._reference.segments[0].msn if self._reference.segments else whole + 1
        cut = first
        while self._in_ram <= whole - self._ram_segments:
            if not self._recorded(self._in_ram):
                self.cut_unrecorded += 1
                cut = max(cut, self._in_ram + 1)
            self._in_ram += 1
        for msn in range(first, whole - MIN_SEGMENTS + 1):
            item = self._reference.listed(msn)
            if item is None:
                break
            if msn >= cut and self._length - item.duration < self.spec.dvr_seconds * MICROSECONDS:
                break
            self._length -= item.duration
            cut = max(cut, msn + 1)
        # A window never starts with a gap: players have nothing to show there, and its name was never served.
        while (head := self._reference.listed(cut)) and not head.key and head.epoch < self.epoch:
            self._length -= head.duration
            cut += 1
        for window in self._windows.values():
            window.cut(cut)
            window.release(self._in_ram - LINGER)
        if cut > first:
            self._forget_dateranges()

    def _recorded(self, msn: int) -> bool:
        items = [window.listed(msn) for window in self._windows.values()]
        return all(item is None or item.key for item in items)

    def _forget_dateranges(self) -> None:
        start = self._reference.segments[0].starts if self._reference.segments else ProgrammeTime(0)
        for item in list(self._dateranges.values()):
            if item.ends is None and item.duration is None:
                continue
            ends = item.ends if item.ends is not None else item.starts + (item.duration or 0)
            if ends < start:
                del self._dateranges[item.id]
                self._ranges_version += 1

    # --- what the origin asks ----------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Every rendition lists a segment."""
        return len(self._tracks) == len(self._windows) and all(w.segments for w in self._windows.values())

    @property
    def in_memory(self) -> int:
        """Bytes of media held."""
        return sum(window.in_memory for window in self._windows.values())

    @property
    def output(self) -> dict[str, tuple[int, int]]:
        """Parts and their bytes that each rendition was given."""
        return {name: (window.parts_added, window.bytes_added) for name, window in self._windows.items()}

    def newest(self, rendition: str) -> tuple[int, int | None]:
        """Media sequence number and part of a rendition's newest part."""
        return self._windows[rendition].newest

    def multivariant(self) -> Ready | Wait:
        """The multivariant playlist, once every rendition gave its init segment; it never changes after."""
        if self._multivariant is None:
            if len(self._tracks) < len(self._windows):
                return Wait((self._reference.last_msn + 1, 0))
            self._multivariant = Ready(multivariant(self.spec, self._tracks).write().encode())
        return self._multivariant

    def playlist(
        self, rendition: str, msn: int | None = None, part: int | None = None, *, skip: bool = False
    ) -> PlaylistAnswer:
        """A media playlist, at the earliest when it shows `msn` (whole) or `part` of it (§6.2.5.2).

        `skip` asks for a delta update; where none is possible the answer is the whole playlist.
        """
        window = self._windows.get(rendition)
        if window is None:
            return Refused(404, "no such rendition")
        wanted = self._wanted(window, msn, part)
        if isinstance(wanted, Refused):
            return wanted
        if window.segments and window.has(*wanted):
            return self._render(window, skip=skip)
        return Wait(wanted)

    def _wanted(self, window: Window, msn: int | None, part: int | None) -> tuple[int, int | None] | Refused:
        """What a playlist must show to answer; a part beyond a segment's last is the next one's first (§6.2.5.2)."""
        if msn is None:
            if part is not None:
                return Refused(400, "_HLS_part needs _HLS_msn")
            return (window.last_msn if window.segments else window.last_msn + 1), None
        if not 0 <= msn <= window.last_msn + 2:
            return Refused(400, f"_HLS_msn is more than two past the last segment, {window.last_msn}")
        if part is None or 0 <= part < self.spec.parts_per_segment:
            return msn, part
        if 0 <= part < self._impossible_part:
            return msn + 1, 0
        return Refused(400, "_HLS_part is beyond any segment")

    def find(self, rendition: str, name: str) -> ObjectAnswer:
        """An init segment, segment or part by its name."""
        window = self._windows.get(rendition)
        if window is None or len(name) > _NAME_LIMIT:
            return _MISSING
        data = window.held(name)
        if data is not None:
            return Held(data)
        if name == window.hint and rendition in self._tracks:
            return Wait((window.last_msn + 1, window.open_parts))
        if name == init_name(self.epoch) and rendition in self._init_data:
            return Held(self._init_data[rendition])
        key = self._init_keys.get((rendition, name)) or window.key_of(name)
        return Stored(key) if key else _MISSING

    # --- text --------------------------------------------------------------------------------------------------------

    def _render(self, window: Window, *, skip: bool) -> Ready:
        cached = self._cache.get((window.rendition, skip))
        if cached is not None and cached[:2] == (window.version, self._ranges_version):
            return cached[2]
        skipped = window.skippable(self._control.can_skip_until) if skip else 0
        if skip and not skipped:
            ready = self._render(window, skip=False)
        else:
            ready = Ready(self._text(window, skipped))
        self._cache[window.rendition, skip] = (window.version, self._ranges_version, ready)
        return ready

    def _text(self, window: Window, skipped: int) -> bytes:
        first = window.segments[0]
        head = MediaPlaylist(
            target_duration=self.spec.target_duration,
            media_sequence=first.msn,
            # Epochs follow one another, and each begins with a discontinuity: known after a restart without being kept.
            # From the channel's first one, for players keep arrays by it and walk them (hls.js its start times).
            discontinuity_sequence=first.epoch - self._first_epoch,
            independent_segments=True,
            server_control=self._control,
            part_target=self._part_target,
            dateranges=tuple(self._dateranges.values()),
            skip=Skip(skipped) if skipped else None,
        )
        lines = list(head.head())
        if not skipped:
            lines.append(window.first_map)
        tail = []
        # No hint across a discontinuity: players would fetch a part whose init segment they do not know yet.
        if window.open_parts or window.segments[-1].epoch == self.epoch:
            tail.append(PreloadHint(window.hint).line())
        for name, other in self._windows.items():
            if other is not window and (other.segments or other.open_parts):
                last_msn, last_part = other.newest
                tail.append(RenditionReport(f"../{name}/{PLAYLIST}", last_msn, last_part).line())
        return text(lines).encode() + window.body(skipped) + (text(tail).encode() if tail else b"")

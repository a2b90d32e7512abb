"""What a feed's tap gives → what is to be written: where a part begins and ends, and what goes into it. Pure.

A part begins with a keyframe and has one set of tracks. It ends where the sender goes, where another size or codec
comes, and where the disk failed. A sender that only stalls, or whose clock jumps, stays in its part: jumps are folded
away as a worker does (`media.mix.fold`), so that part time runs on as real time does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from media.mix.fold import Fold
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from media.packaging.annexb import record_of
from media.packaging.codecs import avcc_sps, hvcc_sps, parse_hevc_sps, parse_sps
from media.packaging.fmp4 import annexb_to_avcc
from media.packaging.matroska import Block
from media.record.iso.isos import Hole, PartCause

COMPLETE = 700_000
"""Microseconds that a part waits for its other track: senders announce sound and picture one after the other."""
STALL = 2_000_000
"""Microseconds without a picture, or without sound where there is no picture, that count as a hole."""
KNOWN = 4096
"""Packets whose return is noticed: the ring that comes again with a new connection holds 12 s at the most."""
EARLY_SOUND = 300
"""Packets of sound that are kept while a keyframe is awaited."""
SETTLED = 2_000_000
"""Microseconds after a jump of the sender's clock until two readers of it agree again."""

_GONE = frozenset({FeedPhase.IDLE, FeedPhase.CONNECTING, FeedPhase.LOST, FeedPhase.FAILED})
_VIDEO, _AUDIO = MediaKind.VIDEO, MediaKind.AUDIO


@dataclass(frozen=True, slots=True)
class Begin:
    """A part begins."""

    tracks: tuple[TrackHeader, ...]
    cause: PartCause
    arrived: int
    """Unix microseconds at which its first picture came; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class Put:
    """The next of its blocks."""

    block: Block
    arrived: int
    """Unix microseconds; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class End:
    """It ends."""


Action = Begin | Put | End


@dataclass(slots=True)
class _Part:
    """The part that is open."""

    origin: int
    """Folded time of its time 0."""
    tracks: dict[MediaKind, TrackHeader]
    """As they came."""
    record: bytes
    """Of parameter sets that come in band; empty where the header has them."""
    newest: int = 0
    """Part time of the newest unit of the leading track."""
    reached: int = 0
    decoded: int = 0
    """Decode time of the newest unit of the leading track."""
    step: int = 33_333
    holes: list[Hole] = field(default_factory=list)


class Cutter:
    """One recording of one feed. Feed it in order; it keeps at most `COMPLETE` of media back."""

    def __init__(self, cause: PartCause = PartCause.START) -> None:
        self._cause = cause
        self._headers: dict[MediaKind, TrackHeader] = {}
        self._fold = Fold()
        self._jumps = 0
        self._jumped: int | None = None
        self._waiting: list[EncodedPacket] = []
        self._part: _Part | None = None
        self._changed: set[MediaKind] = set()
        self._known: set[tuple[MediaKind, int, int, int]] = set()
        self._order: deque[tuple[MediaKind, int, int, int]] = deque()
        self.halted = False
        """No part is begun while this is set: there is nowhere to write it."""
        self.trouble = ""
        """Why nothing is recorded although media comes, in words."""

    @property
    def open(self) -> bool:
        """Whether a part is open."""
        return self._part is not None

    @property
    def reached(self) -> int:
        """Part time at which what was put so far ends, microseconds."""
        return self._part.reached + self._part.step if self._part else 0

    @property
    def newest(self) -> int:
        """Part time of the newest picture, or sound where there is none."""
        return self._part.newest if self._part else 0

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Those of the open part."""
        return tuple(self._part.holes) if self._part else ()

    def clock(self, now: int) -> int | None:
        """Part time minus the sender's own clock; None where no part is open, or the clock jumped just now.

        `now` is Unix microseconds, as packets' `arrived`.
        """
        if self._part is None or (self._jumped is not None and 0 <= now - self._jumped < SETTLED):
            return None
        shift = self._fold.shift(_VIDEO if _VIDEO in self._part.tracks else _AUDIO)
        return None if shift is None else shift - self._part.origin

    def take(self, item: TrackHeader | EncodedPacket | FeedStatus) -> list[Action]:
        """The next of what the tap gives."""
        if isinstance(item, FeedStatus):
            return self._status(item)
        if isinstance(item, TrackHeader):
            self._header(item)
            return []
        return self._packet(item)

    def interrupt(self, cause: PartCause) -> list[Action]:
        """End the part for a reason of ours; the next one begins at a keyframe, once `halted` is not set."""
        self._waiting.clear()
        return self._end(cause)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _status(self, status: FeedStatus) -> list[Action]:
        if status.phase not in _GONE:
            return []
        self._headers.clear()
        self._waiting.clear()
        self._fold, self._jumps, self._jumped = Fold(), 0, None
        return self._end(PartCause.FEED)

    def _end(self, cause: PartCause) -> list[Action]:
        self._changed.clear()
        if self._part is None:
            return []
        self._part = None
        self._cause = cause
        return [End()]

    def _header(self, header: TrackHeader) -> None:
        before = self._headers.get(header.kind)
        self._headers[header.kind] = header
        if before == header:
            return
        self._waiting = [each for each in self._waiting if each.kind is not header.kind]
        if self._part is not None:
            # Told again after a connection was lost, it is the part's own once more.
            if self._part.tracks.get(header.kind) == header:
                self._changed.discard(header.kind)
            else:
                self._changed.add(header.kind)

    def _packet(self, packet: EncodedPacket) -> list[Action]:
        if packet.kind not in self._headers or self._seen(packet):
            return []
        packet = self._fold.fold(packet)
        if self._fold.jumps != self._jumps:
            self._jumps, self._jumped = self._fold.jumps, packet.arrived
        leads = packet.kind is _VIDEO or _VIDEO not in self._headers
        done: list[Action] = []
        if self._part is not None:
            if not (leads and packet.keyframe and self._differs(packet)):
                return [] if packet.kind in self._changed else self._put(packet, self._part)
            done = self._end(PartCause.FORMAT)
        return done + self._wait(packet, leads=leads)

    def _seen(self, packet: EncodedPacket) -> bool:
        """Whether this very packet was here: the newest pictures come again when a connection is made anew."""
        name = packet.kind, packet.pts, packet.dts, packet.arrived
        if name in self._known:
            return True
        self._known.add(name)
        self._order.append(name)
        if len(self._order) > KNOWN:
            self._known.discard(self._order.popleft())
        return False

    def _differs(self, packet: EncodedPacket) -> bool:
        """Whether the keyframe begins something else than the open part holds."""
        part = self._part
        if part is None or self._changed:
            return True
        if not part.record or packet.kind is not _VIDEO:
            return False
        try:
            return record_of(part.tracks[_VIDEO].codec, packet.data) != part.record
        except ValueError:
            return False  # one that does not repeat its parameter sets goes by the former ones

    def _wait(self, packet: EncodedPacket, *, leads: bool) -> list[Action]:
        if leads and packet.keyframe and not self._begun():
            # Sound is sent a little ahead of its picture.
            early = [
                each for each in self._waiting if each.kind is not packet.kind and each.pts >= packet.pts
            ]
            self._waiting = [*early[-EARLY_SOUND:], packet]
        elif self._begun() or packet.kind is _AUDIO:
            self._waiting.append(packet)
            if not self._begun():
                del self._waiting[:-EARLY_SOUND]
        if self.halted or not self._begun() or not self._complete():
            if self.halted:
                self._waiting.clear()
            return []
        return self._begin()

    def _begun(self) -> bool:
        """Whether a keyframe is among what waits."""
        leading = _VIDEO if _VIDEO in self._headers else _AUDIO
        return any(each.kind is leading and each.keyframe for each in self._waiting)

    def _complete(self) -> bool:
        """Whether all tracks are known, or were waited for long enough."""
        if len(self._headers) == len(MediaKind):
            return True
        times = [each.dts for each in self._waiting]
        return max(times) - min(times) >= COMPLETE or len(times) > 2 * EARLY_SOUND

    def _begin(self) -> list[Action]:
        waiting, self._waiting = self._waiting, []
        first = next(
            each for each in waiting if each.keyframe and (each.kind is _VIDEO or _VIDEO not in self._headers)
        )
        tracks = dict(self._headers)
        record, described = b"", []
        try:
            for kind, header in sorted(tracks.items(), key=lambda each: each[0] is _AUDIO):
                whole = _described(header, first.data) if kind is _VIDEO else header
                record = whole.extradata if kind is _VIDEO and not header.extradata else record
                described.append(whole)
        except ValueError as error:
            self.trouble = f"what is sent cannot be put into a file: {error}"
            return []
        self.trouble = ""
        self._part = _Part(first.pts, tracks, record, decoded=first.dts)
        done: list[Action] = [Begin(tuple(described), self._cause, first.arrived)]
        for packet in waiting:
            done += self._put(packet, self._part)
        return done

    def _put(self, packet: EncodedPacket, part: _Part) -> list[Action]:
        at = packet.pts - part.origin
        if at < 0 or packet.kind not in part.tracks:
            return []  # before the first keyframe by its time: nobody could decode it, or hear it with a picture
        if packet.kind is _VIDEO or _VIDEO not in part.tracks:
            if at - part.newest > STALL:
                part.holes.append(Hole(part.newest + part.step, at))
            elif packet.dts > part.decoded:
                part.step = min(packet.dts - part.decoded, STALL)
            part.decoded = packet.dts
            part.newest = max(part.newest, at)
        part.reached = max(part.reached, at)
        in_band = packet.kind is _VIDEO and part.record
        data = annexb_to_avcc(packet.data) if in_band else packet.data
        return [Put(Block(packet.kind, at, packet.keyframe, data), packet.arrived)]


def _described(header: TrackHeader, keyframe: bytes) -> TrackHeader:
    """The header as a file needs it: with a record of its parameter sets, and a size. Raises ValueError."""
    if header.codec is Codec.VP8:
        if not header.width and len(keyframe) >= 10:
            size = (
                int.from_bytes(keyframe[6:8], "little") & 0x3FFF,
                int.from_bytes(keyframe[8:10], "little") & 0x3FFF,
            )
            return replace(header, width=size[0], height=size[1])
        return header
    record = header.extradata or record_of(header.codec, keyframe)
    if header.codec is Codec.HEVC:
        hevc = parse_hevc_sps(hvcc_sps(record))
        return replace(header, extradata=record, width=hevc.width, height=hevc.height)
    sps = parse_sps(avcc_sps(record))
    return replace(header, extradata=record, width=sps.width, height=sps.height)


def tracks_of(tracks: Sequence[TrackHeader]) -> dict[str, str | int]:
    """What a list of parts says of a part's tracks; keyed as `media.record.iso.isos.IsoPart`."""
    said: dict[str, str | int] = {}
    for track in tracks:
        if track.kind is _VIDEO:
            said |= {"video": track.codec.value, "width": track.width, "height": track.height}
        else:
            said |= {"audio": track.codec.value, "sample_rate": track.sample_rate, "channels": track.channels}
    return said

"""What one sender delivers: packets and reports in, headers and access units of a feed out. Pure: time is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from media.ingest.whip.clock import SenderClock
from media.ingest.whip.pieces import Losses, Pictures, Piece, Sounds, Wanted
from media.ingest.whip.sdp import Offer
from media.ingest.whip.units import OPUS_HEADER, H264Units, Units, Vp8Units
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader


class Sink(Protocol):
    """Where a sender's media goes (`media.ports.FeedSink` and what only a listener knows)."""

    def connecting(self, peer: str) -> None:
        """The sender was let in; no media yet."""
        ...

    def header(self, header: TrackHeader) -> None:
        """A track's parameters."""
        ...

    def packet(self, packet: EncodedPacket) -> None:
        """One access unit."""
        ...

    def lost(self, reason: str) -> None:
        """It went away."""
        ...

    def failed(self, reason: str) -> None:
        """What it sends cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What to tell the sender of one stream."""

    kind: MediaKind
    source: int
    wanted: Wanted


class Reception:
    """Both tracks of one sender."""

    def __init__(self, offer: Offer, sink: Sink, *, keyframe_every: float = 2.0) -> None:
        self.heard: float | None = None
        """When the last packet came, in monotonic seconds."""
        self._sink = sink
        self._clock = SenderClock()
        video = offer.section(MediaKind.VIDEO)
        self._units: Units = (
            H264Units(_sprop(video.fmtp)) if video and video.codec is Codec.H264 else Vp8Units()
        )
        self._pictures = Pictures(self._units.is_key, self._units.begins, keyframe_every)
        self._sounds = Sounds()
        self._sources: dict[MediaKind, int] = {}
        self._told: dict[MediaKind, TrackHeader] = {}
        self._decoded_at = 0

    @property
    def losses(self) -> tuple[Losses, Losses]:
        """Of the picture, of the sound."""
        return self._pictures.losses, self._sounds.losses

    def packet(self, kind: MediaKind, source: int, piece: Piece, now: float, wall: int) -> None:
        """One RTP packet of a stream (its SSRC), at monotonic seconds and Unix microseconds."""
        self.heard = now
        if self._sources.get(kind, source) != source:
            # Another stream of the sender: a new encoder, whose numbers begin anew.
            if kind is MediaKind.VIDEO:
                self._pictures.restart()
            else:
                self._sounds.restart()
            self._clock.restart(kind)
        self._sources[kind] = source
        if kind is MediaKind.VIDEO:
            self._show(self._pictures.add(piece, now), wall)
        else:
            self._hear(self._sounds.add(piece, now), wall)

    def report(self, kind: MediaKind, source: int, ntp: int, timestamp: int) -> None:
        """A sender report of a stream."""
        if self._sources.get(kind) == source:
            self._clock.report(kind, ntp, timestamp)

    def look(self, now: float, wall: int) -> Ask | None:
        """Time passed; call it some fifty times a second. What to ask the sender for, if anything."""
        self._hear(self._sounds.look(now), wall)
        pictures, wanted = self._pictures.look(now)
        self._show(pictures, wall)
        source = self._sources.get(MediaKind.VIDEO)
        if source is None or not (wanted.repeats or wanted.picture):
            return None
        return Ask(MediaKind.VIDEO, source, wanted)

    def _show(self, pictures: Iterable[tuple[int, bytes, bool]], wall: int) -> None:
        for timestamp, data, key in pictures:
            pts = self._clock.time(MediaKind.VIDEO, timestamp, wall)
            unit = self._units.read(data)
            if not unit or self._units.header is None:
                self._pictures.refuse()
                continue
            self._tell(self._units.header)
            # Browsers send no B-frames; where an encoder does, decode times are made to rise as libav wants them.
            self._decoded_at = (
                pts if pts > self._decoded_at or self._decoded_at - pts > 500_000 else self._decoded_at + 1
            )
            self._sink.packet(EncodedPacket(MediaKind.VIDEO, pts, self._decoded_at, key, unit, wall))

    def _hear(self, sounds: Iterable[tuple[int, bytes]], wall: int) -> None:
        for timestamp, data in sounds:
            self._tell(OPUS_HEADER)
            pts = self._clock.time(MediaKind.AUDIO, timestamp, wall)
            self._sink.packet(
                EncodedPacket(MediaKind.AUDIO, pts, pts, keyframe=True, data=data, arrived=wall)
            )

    def _tell(self, header: TrackHeader) -> None:
        if self._told.get(header.kind) is not header:
            self._told[header.kind] = header
            self._sink.header(header)


def _sprop(fmtp: str) -> str:
    for part in fmtp.split(";"):
        key, _, value = part.strip().partition("=")
        if key == "sprop-parameter-sets":
            return value
    return ""

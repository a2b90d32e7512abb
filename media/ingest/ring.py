"""The newest group of pictures of a feed, so that whoever tunes in can decode at once."""

from __future__ import annotations

from collections.abc import Iterator

from media.model.tracks import EncodedPacket, MediaKind, TrackHeader

MAX_BYTES = 16 << 20
MAX_MICROS = 12_000_000
"""Longer groups than this are not kept: joining would mean decoding 12 s of past first."""
_AUDIO_ONLY_MICROS = 2_000_000


class GopRing:
    """Packets from the newest video keyframe on, with the sound that belongs to them; bounded in bytes and time.

    Without a video track it keeps the newest two seconds of sound. When a group outgrows the bounds it is dropped
    (counted) and the ring stays empty until the next keyframe.
    """

    __slots__ = ("_broken", "_bytes", "_max_bytes", "_max_micros", "_packets", "headers", "overflows")

    def __init__(self, max_bytes: int = MAX_BYTES, max_micros: int = MAX_MICROS) -> None:
        self._max_bytes = max_bytes
        self._max_micros = max_micros
        self._packets: list[EncodedPacket] = []
        self._bytes = 0
        self._broken = False
        self.headers: dict[MediaKind, TrackHeader] = {}
        self.overflows = 0

    def __iter__(self) -> Iterator[EncodedPacket]:
        return iter(self._packets)

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def size(self) -> int:
        """Bytes of packet data held."""
        return self._bytes

    def clear(self) -> None:
        """Forget packets and headers: another sender begins."""
        self.headers.clear()
        self._keep([])
        self._broken = False

    def header(self, header: TrackHeader) -> None:
        """A track's new parameters; packets of that track under the former ones are forgotten."""
        self.headers[header.kind] = header
        if header.kind is MediaKind.VIDEO:
            self._keep([])
            self._broken = True  # until the keyframe that the new parameters describe
        else:
            self._keep([each for each in self._packets if each.kind is not header.kind])

    def packet(self, packet: EncodedPacket) -> None:
        """Add one access unit."""
        if packet.kind is MediaKind.VIDEO and packet.keyframe:
            # Sound is sent a little ahead of its picture: what belongs to the new group is already here.
            self._keep([p for p in self._packets if p.kind is MediaKind.AUDIO and p.pts >= packet.pts])
            self._broken = False
        elif self._broken:
            return
        self._packets.append(packet)
        self._bytes += len(packet.data)
        if MediaKind.VIDEO not in self.headers:
            self._trim_audio(packet.dts)
        elif self._bytes > self._max_bytes or packet.dts - self._packets[0].dts > self._max_micros:
            self._keep([])
            self._broken = True
            self.overflows += 1

    def _trim_audio(self, newest: int) -> None:
        first = self._packets[0].dts
        if not first <= newest <= first + 2 * _AUDIO_ONLY_MICROS or self._bytes > self._max_bytes:
            self._keep([p for p in self._packets if newest - _AUDIO_ONLY_MICROS <= p.dts <= newest][-200:])

    def _keep(self, packets: list[EncodedPacket]) -> None:
        self._packets = packets
        self._bytes = sum(len(each.data) for each in packets)

"""Access units of WebRTC's codecs as the rest of the house takes them. Pure: bytes ↔ values.

H.264 comes with start codes and its parameter sets in band and goes on as avcC and length-prefixed units (ISO/IEC
14496-15 §5.3); VP8 and Opus go on as they are (RFC 6386 §9.1, RFC 7845 §5.1).
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Protocol

from media.ingest.describe import with_size
from media.model.tracks import Codec, MediaKind, TrackHeader
from media.packaging.annexb import avcc

_START = b"\0\0\0\1"
_IDR, _SEI, _SPS, _PPS, _AUD = 5, 6, 7, 8, 9
_MAX_SETS = 16
_VP8_KEY = b"\x9d\x01\x2a"

OPUS_HEADER = TrackHeader(
    MediaKind.AUDIO,
    Codec.OPUS,
    # OpusHead: version 1, two channels, no pre-skip, 48 kHz, no gain, mapping family 0.
    b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, 48_000, 0, 0),
    sample_rate=48_000,
    channels=2,
)
"""Opus says the rest in each packet; RFC 7587 §4.1 makes it two channels at 48 kHz always."""


class Units(Protocol):
    """Access units of one video codec."""

    header: TrackHeader | None
    """What a decoder needs of what was read so far."""

    def is_key(self, data: bytes) -> bool:
        """Whether it stands alone."""
        ...

    def begins(self, data: bytes) -> bool:
        """Whether this is certainly the beginning of a unit, with nothing missing before it."""
        ...

    def read(self, data: bytes) -> bytes:
        """The unit as it goes on; empty where it cannot be used. `header` is up to date afterwards."""
        ...


class H264Units:
    """H.264. `sprop` is `sprop-parameter-sets` of the offer, for senders that do not repeat them in band (RFC 6184 §8.1)."""

    def __init__(self, sprop: str = "") -> None:
        self.header: TrackHeader | None = None
        self._sps: list[bytes] = []
        self._pps: list[bytes] = []
        self._told: tuple[bytes, ...] = ()
        for text in sprop.split(",")[:_MAX_SETS] if sprop else ():
            try:
                self._set(base64.b64decode(text, validate=True)[:4096])
            except (binascii.Error, ValueError):
                continue

    def is_key(self, data: bytes) -> bool:
        """Whether its picture is an IDR picture: all of its slices are then."""
        at = data.find(_START)
        while at >= 0 and at + 4 < len(data):
            kind = data[at + 4] & 0x1F
            if kind in {1, 2, _IDR}:
                return kind == _IDR
            at = data.find(_START, at + 4)
        return False

    def begins(self, data: bytes) -> bool:
        """Parameter sets, delimiters and messages stand before the first slice (H.264 §7.4.1.2.3)."""
        return len(data) > 4 and data.startswith(_START) and data[4] & 0x1F in {_SEI, _SPS, _AUD}

    def read(self, data: bytes) -> bytes:
        """Length-prefixed, without parameter sets and delimiters: those are in the header."""
        units = [unit for unit in data.split(_START) if unit]
        fresh = [unit for unit in units if unit[0] & 0x1F in {_SPS, _PPS}]
        if any(unit[0] & 0x1F == _SPS for unit in fresh):
            self._sps, self._pps = [], self._pps if not any(u[0] & 0x1F == _PPS for u in fresh) else []
        for unit in fresh:
            self._set(unit)
        if not self._sps or not self._pps:
            return b""
        self._tell()
        kept = [unit for unit in units if unit[0] & 0x1F not in {_SPS, _PPS, _AUD}]
        if not any(unit[0] & 0x1F in {1, 2, 3, 4, _IDR} for unit in kept):
            return b""  # parameter sets alone
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)

    def _set(self, unit: bytes) -> None:
        if len(unit) < 4 and unit[:1] and unit[0] & 0x1F == _SPS:
            return
        sets = {_SPS: self._sps, _PPS: self._pps}.get(unit[0] & 0x1F) if unit else None
        if sets is not None and unit not in sets and len(sets) < _MAX_SETS and len(unit) < 65_536:
            sets.append(unit)

    def _tell(self) -> None:
        sets = (*self._sps, *self._pps)
        if sets == self._told:
            return
        self._told = sets
        record = avcc(self._sps, self._pps)
        self.header = with_size(TrackHeader(MediaKind.VIDEO, Codec.H264, record))


class Vp8Units:
    """VP8: a frame is a unit; a keyframe tells its size."""

    def __init__(self) -> None:
        self.header: TrackHeader | None = None

    def is_key(self, data: bytes) -> bool:
        """Whether it is, or begins, a key frame (RFC 6386 §9.1)."""
        return len(data) >= 10 and not data[0] & 1 and data[3:6] == _VP8_KEY

    def begins(self, data: bytes) -> bool:
        """A key frame's start code stands at its beginning alone; of other frames it cannot be told."""
        return self.is_key(data)

    def read(self, data: bytes) -> bytes:
        """As it is."""
        if self.is_key(data):
            width, height = struct.unpack_from("<HH", data, 6)
            size = width & 0x3FFF, height & 0x3FFF
            if self.header is None or (self.header.width, self.header.height) != size:
                self.header = TrackHeader(MediaKind.VIDEO, Codec.VP8, width=size[0], height=size[1])
        return data if self.header is not None else b""

"""The frames between ingest and a feed's listeners, over a Unix socket on one machine. Pure: bytes ↔ values.

Every frame is ``u32 length of what follows · u8 type · body``, big-endian. The listener opens with `HELLO` (feed id); the
server answers with a status, the headers, the ring, then everything as it comes, and a `PING` while nothing does.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict

from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

STATUS, HEADER, PACKET, PING, HELLO = 1, 2, 3, 4, 5
MAX_FRAME = 9 << 20
"""Bytes: more than the largest message that a listener of ingest takes."""

_PREFIX = struct.Struct(">IB")
_PACKET = struct.Struct(">IBBqqq")
_PACKET_BODY = struct.Struct(">Bqqq")
_HEADER_BODY = struct.Struct(">BBHHIBB")
_AUDIO, _KEYFRAME = 1, 2

Incoming = TrackHeader | EncodedPacket | FeedStatus | None
"""What a frame says; None for a ping."""

PING_FRAME = _PREFIX.pack(1, PING)


def hello(feed: str) -> bytes:
    """The listener's opening frame."""
    raw = feed.encode()
    return _PREFIX.pack(1 + len(raw), HELLO) + raw


def packet(value: EncodedPacket) -> bytes:
    """An access unit."""
    flags = (_AUDIO if value.kind is MediaKind.AUDIO else 0) | (_KEYFRAME if value.keyframe else 0)
    size = 1 + _PACKET_BODY.size + len(value.data)
    return _PACKET.pack(size, PACKET, flags, value.pts, value.dts, value.arrived) + value.data


def header(value: TrackHeader) -> bytes:
    """A track's parameters."""
    codec = value.codec.value.encode()
    flags = _AUDIO if value.kind is MediaKind.AUDIO else 0
    body = _HEADER_BODY.pack(
        flags, len(codec), value.width, value.height, value.sample_rate, value.channels, value.turn
    )
    return (
        _PREFIX.pack(1 + len(body) + len(codec) + len(value.extradata), HEADER)
        + body
        + codec
        + value.extradata
    )


def status(value: FeedStatus) -> bytes:
    """How the feed fares."""
    body = json.dumps(asdict(value)).encode()
    return _PREFIX.pack(1 + len(body), STATUS) + body


class FrameReader:
    """Cuts a byte stream into frames. Raises ValueError on a frame that cannot be."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Type and body of each frame that is whole now."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        at = 0
        while len(buffer) - at >= _PREFIX.size:
            size, kind = _PREFIX.unpack_from(buffer, at)
            if not 1 <= size <= self._limit:
                raise ValueError(f"a frame of {size} bytes")
            end = at + 4 + size
            if len(buffer) < end:
                break
            frames.append((kind, bytes(buffer[at + 5 : end])))
            at = end
        del buffer[:at]
        return frames


def parse(kind: int, body: bytes) -> Incoming:
    """The value of a frame from the server. Raises ValueError on one that is malformed."""
    try:
        if kind == PACKET:
            flags, pts, dts, arrived = _PACKET_BODY.unpack_from(body)
            media = MediaKind.AUDIO if flags & _AUDIO else MediaKind.VIDEO
            return EncodedPacket(media, pts, dts, bool(flags & _KEYFRAME), body[_PACKET_BODY.size :], arrived)
        if kind == HEADER:
            return _parse_header(body)
        if kind == STATUS:
            fields = json.loads(body)
            return FeedStatus(**fields | {"phase": FeedPhase(fields["phase"])})
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError(f"a malformed frame of type {kind}: {error}") from error
    if kind != PING:
        raise ValueError(f"frame type {kind} is unknown")
    return None


def _parse_header(body: bytes) -> TrackHeader:
    flags, size, width, height, rate, channels, turn = _HEADER_BODY.unpack_from(body)
    at = _HEADER_BODY.size
    return TrackHeader(
        kind=MediaKind.AUDIO if flags & _AUDIO else MediaKind.VIDEO,
        codec=Codec(body[at : at + size].decode()),
        extradata=body[at + size :],
        width=width,
        height=height,
        sample_rate=rate,
        channels=channels,
        turn=turn,
    )

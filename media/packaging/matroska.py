"""Matroska (RFC 9559), written so that it can be cut off anywhere, and read as far as mending that takes.

The head says that the segment has no known size, as of a broadcast; then whole clusters follow, each written at once. A
file that ends between two clusters, or in one, plays up to there. Closing one adds the cues and, in places that were
kept free, size, duration and where all is: what makes seeking quick and says how long it is, and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from media.model.time import MICROSECONDS
from media.model.tracks import Codec, MediaKind, TrackHeader

SCALE = 1000
"""Microseconds of one tick: milliseconds, which every reader takes for granted."""
VIDEO_TRACK, AUDIO_TRACK = 1, 2
_EPOCH_2001 = 978_307_200
"""`DateUTC` counts from the first of January 2001 (RFC 9559 §5.1.2.12)."""
_APP = "Gachi Live"

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_SEEK_HEAD, _INFO, _TRACKS, _CUES = 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B
_VOID, _TIMESTAMP, _SIMPLE_BLOCK, _DATE, _DURATION = 0xEC, 0xE7, 0xA3, 0x4461, 0x4489
_UNKNOWN_SIZE = (1 << 56) - 1
_SEEK_ROOM = 96
"""Bytes kept free for the seek head: three entries are 63."""
_DURATION_ROOM = 11
_MAX_HEAD = 1 << 20

_CODEC_IDS = {
    Codec.H264: "V_MPEG4/ISO/AVC",
    Codec.HEVC: "V_MPEGH/ISO/HEVC",
    Codec.VP8: "V_VP8",
    Codec.AAC: "A_AAC",
    Codec.OPUS: "A_OPUS",
    Codec.MP2: "A_MPEG/L2",
    Codec.MP3: "A_MPEG/L3",
    Codec.AC3: "A_AC3",
    Codec.EAC3: "A_EAC3",
    Codec.PCM_MULAW: "A_MS/ACM",
    Codec.PCM_ALAW: "A_MS/ACM",
}
_WAVE_FORMATS = {Codec.PCM_ALAW: 6, Codec.PCM_MULAW: 7}
_OPUS_PREROLL = 80_000_000
"""Nanoseconds that a decoder needs before a place it seeks to (RFC 7845 §4.6)."""


@dataclass(frozen=True, slots=True)
class Block:
    """One access unit in a cluster."""

    kind: MediaKind
    time: int
    """Microseconds from the start of the file, presentation."""
    keyframe: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Cue:
    """A place to seek to."""

    time: int
    """Microseconds."""
    at: int
    """Byte at which its cluster begins."""


def head(tracks: Sequence[TrackHeader], *, started: int, title: str = "") -> bytes:
    """All that stands before the first cluster. `started` is the Unix microsecond of time 0."""
    ebml = _element(
        _EBML,
        _uint(0x4286, 1) + _uint(0x42F7, 1) + _uint(0x42F2, 4) + _uint(0x42F3, 8),
        _text(0x4282, "matroska") + _uint(0x4287, 4) + _uint(0x4285, 2),
    )
    date = (started - _EPOCH_2001 * MICROSECONDS) * 1000
    info = _element(
        _INFO,
        _uint(0x2AD7B1, SCALE * 1000),
        _void(_DURATION_ROOM),
        _element(_DATE, struct.pack(">q", date)),
        _text(0x7BA9, title) if title else b"",
        _text(0x4D80, _APP) + _text(0x5741, _APP),
    )
    entries = b"".join(_track(track) for track in tracks)
    segment = _ident(_SEGMENT) + _size(_UNKNOWN_SIZE, 8)
    return ebml + segment + _void(_SEEK_ROOM) + info + _element(_TRACKS, entries)


def cluster(blocks: Sequence[Block]) -> bytes:
    """Some blocks in the order in which they came. Raises ValueError where one is half a minute off the first."""
    base = ticks(blocks[0].time)
    pieces = [_uint(_TIMESTAMP, base)]
    for block in blocks:
        track = VIDEO_TRACK if block.kind is MediaKind.VIDEO else AUDIO_TRACK
        apart = ticks(block.time) - base
        if not -0x8000 <= apart <= 0x7FFF:
            raise ValueError(f"a block {apart} ms after its cluster begins")
        start = struct.pack(">BhB", 0x80 | track, apart, 0x80 if block.keyframe else 0)
        pieces.append(_ident(_SIMPLE_BLOCK) + _size(4 + len(block.data)) + start + block.data)
    return _element(_CLUSTER, *pieces)


def ticks(micros: int) -> int:
    """A time as it stands in the file, rounded to the nearest."""
    return (micros + SCALE // 2) // SCALE


# --- closing and mending ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a file what is filled in later stands."""

    segment: int
    """First byte of the segment's content: positions in the file are told from here."""
    seek: int
    info: int
    duration: int
    tracks: int
    end: int
    """First byte of the first cluster."""
    started: int
    """Unix microsecond of time 0."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What is whole in a file."""

    layout: Layout
    end: int
    """Bytes that are whole."""
    duration: int
    """Microseconds to the start of the last block."""
    cues: Sequence[Cue]


def layout_of(data: bytes) -> Layout:
    """Read a head of ours. Raises ValueError for anything else."""
    found: dict[int, tuple[int, int, int]] = {}
    for ident, at, body, size in _walk(data, 0, len(data), into={_SEGMENT, _INFO}):
        if ident == _CLUSTER:
            break
        found[ident] = at, body, size
        if ident == _TRACKS:
            break
    if not {_SEGMENT, _INFO, _TRACKS, _DATE} <= found.keys():
        raise ValueError("not a Matroska file of ours, or its head is cut off")
    _, scale_body, scale_size = next(_walk(data, found[_INFO][1], len(data)))[1:]
    at, body, size = found[_TRACKS]
    if body + size > len(data):
        raise ValueError("the head is cut off")
    nanoseconds = struct.unpack_from(">q", data, found[_DATE][1])[0]
    return Layout(
        segment=found[_SEGMENT][1],
        seek=found[_SEGMENT][1],
        info=found[_INFO][0],
        duration=scale_body + scale_size,  # its place is behind the time scale, the first of the info
        tracks=at,
        end=body + size,
        started=nanoseconds // 1000 + _EPOCH_2001 * MICROSECONDS,
    )


def scan(read: Callable[[int, int], bytes], size: int) -> Scan:
    """Go over a file of `size` bytes, of which `read(start, count)` gives any, to find what of it is whole. Raises
    ValueError where not even its head is.
    """
    layout = layout_of(read(0, min(size, _MAX_HEAD)))
    at, last, duration = layout.end, 0, 0
    cues: list[Cue] = []
    while at < size:
        start = read(at, 64)
        try:
            ident, _, body, length = next(_walk(start, 0, 1 << 62))
        except (StopIteration, ValueError):
            break
        if ident != _CLUSTER or at + body + length > size:
            break  # cues of a file that was closed once, or a cluster that is cut off: they are written anew
        begins, keyframe = _first_block(start, body)
        if keyframe:
            cues.append(Cue(begins * SCALE, at))
        last = at
        at += body + length
    if last:
        whole = read(last, at - last)
        duration = max(_times(whole), default=0) * SCALE
    return Scan(layout, at, duration, cues)


def closing(layout: Layout, cues: Sequence[Cue], end: int, duration: int) -> list[tuple[int, bytes]]:
    """What to write, and where, to close a file whose last cluster ends at byte `end`; `duration` in microseconds."""
    points = b"".join(
        _element(
            0xBB,
            _uint(0xB3, ticks(cue.time)),
            _element(0xB7, _uint(0xF7, VIDEO_TRACK), _uint(0xF1, cue.at - layout.segment)),
        )
        for cue in cues
    )
    index = _element(_CUES, points) if cues else b""
    places = [(_INFO, layout.info), (_TRACKS, layout.tracks)] + ([(_CUES, end)] if cues else [])
    seeks = _element(
        _SEEK_HEAD,
        *(
            _element(
                0x4DBB,
                _element(0x53AB, ident.to_bytes(4, "big")),
                _element(0x53AC, (at - layout.segment).to_bytes(8, "big")),
            )
            for ident, at in places
        ),
    )
    whole = end + len(index) - layout.segment
    return [
        (end, index),
        (layout.seek, seeks + _void(_SEEK_ROOM - len(seeks))),
        (layout.duration, _element(_DURATION, struct.pack(">d", duration / SCALE))),
        (layout.segment - 8, _size(whole, 8)),
    ]


def _first_block(data: bytes, body: int) -> tuple[int, bool]:
    """Time in ticks of a cluster's first block, and whether it is a keyframe of the picture."""
    ident, _, at, size = next(_walk(data, body, 1 << 62))
    if ident != _TIMESTAMP:
        raise ValueError("not a cluster of ours")
    base = int.from_bytes(data[at : at + size], "big")
    _, _, at, _ = next(_walk(data, at + size, 1 << 62))
    track, apart, flags = struct.unpack_from(">BhB", data, at)
    return base + apart, track == 0x80 | VIDEO_TRACK and bool(flags & 0x80)


def _times(data: bytes) -> Iterator[int]:
    base = 0
    for ident, _, at, size in _walk(data, 0, len(data), into={_CLUSTER}):
        if ident == _TIMESTAMP:
            base = int.from_bytes(data[at : at + size], "big")
        elif ident == _SIMPLE_BLOCK:
            yield base + struct.unpack_from(">h", data, at + 1)[0]


# --- EBML (RFC 8794) -------------------------------------------------------------------------------------------------


def _ident(ident: int) -> bytes:
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big")


def _size(value: int, width: int = 0) -> bytes:
    """A size as a number of variable length (RFC 8794 §4); the largest of a width is left out, it means unknown."""
    if not width:
        width = next(n for n in range(1, 9) if value < (1 << 7 * n) - 1)
    return (value | 1 << 7 * width).to_bytes(width, "big")


def _element(ident: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _ident(ident) + _size(len(body)) + body


def _uint(ident: int, value: int) -> bytes:
    return _element(ident, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _text(ident: int, text: str) -> bytes:
    return _element(ident, text.encode())


def _void(room: int) -> bytes:
    """Nothing, of `room` bytes in all: 2 to 128."""
    return _ident(_VOID) + _size(room - 2, 1) + bytes(room - 2)


def _walk(
    data: bytes, at: int, end: int, into: set[int] | frozenset[int] = frozenset()
) -> Iterator[tuple[int, int, int, int]]:
    """Id, first byte, first byte of the content and size of each element. Raises ValueError on what is none."""
    while at < min(end, len(data)):
        begin = at
        ident, at = _number(data, at, keep=True)
        size, at = _number(data, at, keep=False)
        yield ident, begin, at, size
        if ident not in into:
            at += size


def _number(data: bytes, at: int, *, keep: bool) -> tuple[int, int]:
    if at >= len(data) or not data[at]:
        raise ValueError("no EBML element")
    width = 9 - data[at].bit_length()
    if at + width > len(data):
        raise ValueError("an EBML element is cut off")
    value = int.from_bytes(data[at : at + width], "big")
    return (value if keep else value & ~(1 << 7 * width)), at + width


# --- tracks ----------------------------------------------------------------------------------------------------------


def _track(header: TrackHeader) -> bytes:
    video = header.kind is MediaKind.VIDEO
    number = VIDEO_TRACK if video else AUDIO_TRACK
    private = _private(header)
    if video:
        more = _element(0xE0, _uint(0xB0, header.width), _uint(0xBA, header.height))
    else:
        rate = _element(0xB5, struct.pack(">d", header.sample_rate or 48_000))
        more = _element(0xE1, rate, _uint(0x9F, header.channels or 2))
    if header.codec is Codec.OPUS:
        more += _uint(0x56BB, _OPUS_PREROLL)
    return _element(
        0xAE,
        _uint(0xD7, number) + _uint(0x73C5, number) + _uint(0x83, 1 if video else 2) + _uint(0x9C, 0),
        _text(0x22B59C, "und") + _text(0x86, _CODEC_IDS[header.codec]),
        _element(0x63A2, private) if private else b"",
        more,
    )


def _private(header: TrackHeader) -> bytes:
    if header.codec is Codec.OPUS:
        # Nothing is to be skipped at the start, for it is no stream's start; a delay would also shift all its blocks.
        return header.extradata[:10] + b"\0\0" + header.extradata[12:]
    tag = _WAVE_FORMATS.get(header.codec)
    if tag is None:
        return header.extradata
    # WAVEFORMATEX: eight bits a sample.
    rate, channels = header.sample_rate, header.channels
    return struct.pack("<HHIIHHH", tag, channels, rate, rate * channels, channels, 8, 0)

"""CMAF fragments, written and read (ISO/IEC 14496-12, 23000-19): one `moof` and one `mdat` each.

We write fragments ourselves because a part must leave the instant its last frame is there: the muxer's own
fragmenting waits for the next packet. Reading serves recovery after a crash, `codecs`, and the tests.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SYNC_FLAGS = 0x02000000
"""sample_depends_on = 2: the sample stands alone (§8.6.4.3)."""
DELTA_FLAGS = 0x01010000
"""sample_depends_on = 1, sample_is_non_sync_sample = 1."""

_U32 = struct.Struct(">I")
_HEAD = struct.Struct(">I4s")
_MAX_SAMPLES = 100_000
"""A fragment with more samples than this is garbage, not media: reading it would cost memory for nothing."""


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box with a 32-bit size."""
    body = b"".join(parts)
    return _HEAD.pack(8 + len(body), kind) + body


def annexb_to_avcc(data: bytes) -> bytes:
    """An H.264 access unit with start codes (Annex B) as 4-byte length-prefixed NAL units (14496-15 §5.3.4.2).

    Trailing zero bytes of a NAL unit belong to the next start code and are dropped; bytes before the first start
    code are dropped too. Without any start code the result is empty.
    """
    pieces: list[bytes] = []
    at = data.find(b"\0\0\1")
    end = len(data)
    while at >= 0:
        start = at + 3
        at = data.find(b"\0\0\1", start)
        stop = end if at < 0 else at
        while stop > start and data[stop - 1] == 0:
            stop -= 1
        if stop > start:
            pieces.append(_U32.pack(stop - start))
            pieces.append(data[start:stop])
    return b"".join(pieces)


def fragment(
    sequence: int,
    decode_time: int,
    duration: int,
    samples: Sequence[bytes],
    syncs: Sequence[bool],
    track: int = 1,
) -> bytes:
    """One `moof` + `mdat` with samples of equal `duration` and no composition offsets (we encode no B-frames).

    `decode_time` and `duration` are in the track's timescale; `syncs[i]` says whether sample i stands alone.
    """
    count = len(samples)
    sizes = [len(sample) for sample in samples]
    uniform = all(syncs) or not any(syncs[1:])
    # trun: data-offset, sizes; first-sample-flags where only the first stands alone; else flags for each sample.
    flags = 0x01 | 0x200
    if all(syncs):
        default, first = SYNC_FLAGS, b""
    else:
        default, first = DELTA_FLAGS, b""
        if uniform and syncs[0]:
            flags |= 0x04
            first = _U32.pack(SYNC_FLAGS)
    if uniform:
        table = struct.pack(f">{count}I", *sizes)
    else:
        flags |= 0x400
        pairs = (value for i in range(count) for value in (sizes[i], SYNC_FLAGS if syncs[i] else DELTA_FLAGS))
        table = struct.pack(f">{2 * count}I", *pairs)
    trun_size = 20 + len(first) + len(table)
    # moof 8, mfhd 16, traf 8, tfhd 24, tfdt 20
    moof_size = 76 + trun_size
    head = struct.pack(
        ">I4s I4sII I4s I4sIIII I4sIQ I4sIIi",
        *(moof_size, b"moof"),
        *(16, b"mfhd", 0, sequence),
        *(52 + trun_size, b"traf"),
        # default-base-is-moof, default-sample-duration, default-sample-flags
        *(24, b"tfhd", 0x020000 | 0x08 | 0x20, track, duration, default),
        *(20, b"tfdt", 0x01000000, decode_time),
        *(trun_size, b"trun", flags, count, moof_size + 8),
    )
    return b"".join([head, first, table, _HEAD.pack(8 + sum(sizes), b"mdat"), *samples])


@dataclass(frozen=True, slots=True)
class Box:
    """A box found in a buffer: its kind, and where its body lies."""

    kind: bytes
    start: int
    """Of the box, including its header."""
    body: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes from `start` to `end`, not descending. Raises ValueError where one is cut off or malformed."""
    stop = len(data) if end is None else end
    at = start
    while at < stop:
        if stop - at < 8:
            raise ValueError(f"box header cut off at byte {at}")
        size, kind = _HEAD.unpack_from(data, at)
        body = at + 8
        if size == 1:
            if stop - at < 16:
                raise ValueError(f"box header cut off at byte {at}")
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        if size < body - at or at + size > stop:
            raise ValueError(f"box {kind!r} at byte {at} has size {size}, {stop - at} bytes are there")
        yield Box(kind, at, body, at + size)
        at += size


def find(data: bytes, path: Sequence[bytes], start: int = 0, end: int | None = None) -> Box | None:
    """The first box below `path`, such as ``[b"moov", b"trak"]``; None where there is none. Raises ValueError."""
    for item in boxes(data, start, end):
        if item.kind == path[0]:
            return item if len(path) == 1 else find(data, path[1:], item.body, item.end)
    return None


@dataclass(frozen=True, slots=True)
class Fragment:
    """One `moof` + `mdat` as read back."""

    offset: int
    """Of the `moof` in the buffer."""
    size: int
    """Bytes of both boxes."""
    decode_time: int
    duration: int
    samples: int
    sync: bool
    """The first sample stands alone."""


def fragments(data: bytes) -> list[Fragment]:
    """All fragments of a whole buffer. Raises ValueError where anything is malformed or cut off."""
    length, found = recover(data)
    if length != len(data):
        raise ValueError(f"malformed or cut off at byte {length} of {len(data)}")
    return found


def recover(data: bytes) -> tuple[int, list[Fragment]]:
    """What can be saved of a file to which fragments were appended and which ends anywhere, or in garbage.

    Returns the length of the good prefix (it ends with an `mdat`, or is 0) and the fragments in it. Never raises.
    """
    good = 0
    found: list[Fragment] = []
    moof: Box | None = None
    try:
        for item in boxes(data):
            if item.kind == b"moof":
                if moof is not None:
                    break
                moof = item
            elif item.kind == b"mdat":
                if moof is None:
                    break
                found.append(_read_fragment(data, moof, item))
                good = item.end
                moof = None
            elif moof is not None or item.kind not in {b"styp", b"sidx", b"emsg", b"prft", b"free", b"skip"}:
                break
    except ValueError:
        pass  # the cut, or garbage behind it: what was whole before it stands
    return good, found


def _read_fragment(data: bytes, moof: Box, mdat: Box) -> Fragment:
    traf = find(data, [b"traf"], moof.body, moof.end)
    if traf is None:
        raise ValueError("a moof without traf")
    default_duration = default_flags = default_size = 0
    decode_time = -1
    duration = samples = media = 0
    sync: bool | None = None
    for item in boxes(data, traf.body, traf.end):
        try:
            if item.kind == b"tfhd":
                default_duration, default_size, default_flags = _read_tfhd(data, item)
            elif item.kind == b"tfdt":
                wide = data[item.body] == 1
                (decode_time,) = struct.unpack_from(">Q" if wide else ">I", data, item.body + 4)
            elif item.kind == b"trun":
                run = _read_trun(data, item, default_duration, default_size, default_flags)
                duration += run[0]
                media += run[1]
                samples += run[2]
                sync = run[3] if sync is None else sync
        except (struct.error, IndexError) as error:
            raise ValueError(f"{item.kind!r} at byte {item.start} is cut off") from error
    if decode_time < 0 or not samples:
        raise ValueError("a fragment without tfdt or samples")
    if media > mdat.end - mdat.body:
        raise ValueError("a fragment's samples exceed its mdat")
    return Fragment(moof.start, mdat.end - moof.start, decode_time, duration, samples, bool(sync))


def _read_tfhd(data: bytes, item: Box) -> tuple[int, int, int]:
    """Default duration, size and flags (§8.8.7)."""
    flags = _U32.unpack_from(data, item.body)[0] & 0xFFFFFF
    at = item.body + 8
    at += 8 if flags & 0x01 else 0
    at += 4 if flags & 0x02 else 0
    values = []
    for bit in (0x08, 0x10, 0x20):
        values.append(_U32.unpack_from(data, at)[0] if flags & bit else 0)
        at += 4 if flags & bit else 0
    if at > item.end:
        raise ValueError("tfhd is cut off")
    return values[0], values[1], values[2]


def _read_trun(data: bytes, item: Box, duration: int, size: int, flags: int) -> tuple[int, int, int, bool]:
    """Duration, bytes, samples, and whether the first sample stands alone (§8.8.8)."""
    present = _U32.unpack_from(data, item.body)[0] & 0xFFFFFF
    (count,) = _U32.unpack_from(data, item.body + 4)
    at = item.body + 8 + (4 if present & 0x01 else 0)
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if present & bit]
    first = flags
    if present & 0x04:
        (first,) = _U32.unpack_from(data, at)
        at += 4
    if not 0 < count <= _MAX_SAMPLES or at + 4 * len(fields) * count > item.end:
        raise ValueError("trun's sample count does not fit")
    table = struct.unpack_from(f">{len(fields) * count}I", data, at)
    step = len(fields)

    def total(bit: int, default: int) -> int:
        return sum(table[fields.index(bit) :: step]) if bit in fields else default * count

    if 0x400 in fields and not present & 0x04:
        first = table[fields.index(0x400)]
    return total(0x100, duration), total(0x200, size), count, not first & 0x010000


@dataclass(frozen=True, slots=True)
class InitTrack:
    """One track of an init segment."""

    id: int
    timescale: int
    """Units per second."""
    handler: str
    """`vide` or `soun`."""
    format: str
    """Sample entry: `avc1`, `mp4a`, …"""
    config: bytes
    """The avcC record or the AudioSpecificConfig; empty for other formats."""
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    media_time: int = 0
    """Start of the first edit (`elst`) in units of `timescale`: what the player cuts off at the front."""


def init_tracks(init: bytes) -> list[InitTrack]:
    """The tracks of an init segment (`ftyp` + `moov`). Raises ValueError where it is malformed or has no track."""
    try:
        moov = find(init, [b"moov"])
        if moov is None:
            raise ValueError("no moov box")
        tracks = [
            _read_track(init, trak) for trak in boxes(init, moov.body, moov.end) if trak.kind == b"trak"
        ]
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError("the init segment is cut off") from error
    if not tracks:
        raise ValueError("no track")
    return tracks


def _need(data: bytes, path: Sequence[bytes], parent: Box) -> Box:
    found = find(data, path, parent.body, parent.end)
    if found is None:
        raise ValueError(f"no {b'/'.join(path).decode('latin-1')} box")
    return found


def _read_track(data: bytes, trak: Box) -> InitTrack:
    tkhd = _need(data, [b"tkhd"], trak)
    (track_id,) = _U32.unpack_from(data, tkhd.body + (20 if data[tkhd.body] == 1 else 12))
    mdhd = _need(data, [b"mdia", b"mdhd"], trak)
    (timescale,) = _U32.unpack_from(data, mdhd.body + (20 if data[mdhd.body] == 1 else 12))
    hdlr = _need(data, [b"mdia", b"hdlr"], trak)
    handler = data[hdlr.body + 8 : hdlr.body + 12].decode("latin-1")
    stsd = _need(data, [b"mdia", b"minf", b"stbl", b"stsd"], trak)
    entry = next(boxes(data, stsd.body + 8, stsd.end), None)
    if entry is None:
        raise ValueError("stsd has no entry")
    elst = find(data, [b"edts", b"elst"], trak.body, trak.end)
    media_time = 0
    if elst is not None and _U32.unpack_from(data, elst.body + 4)[0]:
        wide = data[elst.body] == 1
        (media_time,) = struct.unpack_from(">q" if wide else ">i", data, elst.body + (16 if wide else 12))
    kind = entry.kind.decode("latin-1")
    common = (track_id, timescale, handler, kind)
    if handler == "vide":
        width, height = struct.unpack_from(">HH", data, entry.body + 24)
        avcc = find(data, [b"avcC"], entry.body + 78, entry.end)
        config = b"" if avcc is None else data[avcc.body : avcc.end]
        return InitTrack(*common, config, width=width, height=height, media_time=media_time)
    if handler == "soun":
        channels, _, _, _, rate = struct.unpack_from(">HHHHI", data, entry.body + 16)
        esds = find(data, [b"esds"], entry.body + 28, entry.end)
        config = b"" if esds is None else _audio_config(data[esds.body + 4 : esds.end])
        return InitTrack(*common, config, sample_rate=rate >> 16, channels=channels, media_time=media_time)
    return InitTrack(*common, b"", media_time=media_time)


def _audio_config(data: bytes) -> bytes:
    """The DecoderSpecificInfo within an ES descriptor (14496-1 §7.2.6.5)."""
    at, end = 0, len(data)
    while at < end:
        tag, size, at = _descriptor(data, at)
        if at + size > end:
            raise ValueError("descriptor is cut off")
        if tag == 0x05:
            return data[at : at + size]
        if tag == 0x03:  # ES_Descriptor: id, flags, then what the flags announce
            flags = data[at + 2]
            at += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
            if flags & 0x40:
                at += 1 + data[at]
        elif tag == 0x04:  # DecoderConfigDescriptor: 13 fixed bytes, then the specific info
            at += 13
        else:
            at += size
    return b""


def _descriptor(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, size and body offset of a descriptor; sizes take up to four 7-bit groups."""
    tag = data[at]
    size = 0
    for i in range(4):
        byte = data[at + 1 + i]
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            return tag, size, at + 2 + i
    raise ValueError("descriptor size is too long")

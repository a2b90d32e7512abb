"""Parameter sets of H.264 and HEVC from access units with start codes (Annex B) to the records that files carry.

Sources: ITU-T H.264 and H.265 annex B and table 7-1, ISO/IEC 14496-15 §5.3.3.1 (avcC) and §8.3.3.1 (hvcC).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from media.model.tracks import Codec
from media.packaging.codecs import parse_hevc_sps

_START = b"\0\0\1"
_SPS, _PPS = 7, 8
_HEVC_VPS, _HEVC_SPS, _HEVC_PPS = 32, 33, 34


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of Annex B bytes, without start codes."""
    at = data.find(_START)
    while at >= 0:
        begin = at + len(_START)
        at = data.find(_START, begin)
        unit = data[begin : at if at >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit


def record_of(codec: Codec, data: bytes) -> bytes:
    """The avcC or hvcC record of the parameter sets in an access unit. Raises ValueError where they are not in it."""
    hevc = codec is Codec.HEVC
    kinds = (_HEVC_VPS, _HEVC_SPS, _HEVC_PPS) if hevc else (_SPS, _PPS)
    sets: dict[int, list[bytes]] = {kind: [] for kind in kinds}
    for unit in nal_units(data):
        found = sets.get(unit[0] >> 1 & 0x3F if hevc else unit[0] & 0x1F)
        if found is not None and unit not in found:
            found.append(unit)
    if not all(sets.values()):
        raise ValueError("a keyframe without its parameter sets")
    return hvcc(*sets.values()) if hevc else avcc(*sets.values())


def avcc(sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """AVCDecoderConfigurationRecord; four bytes of length before each unit."""
    record = bytes((1, *sps[0][1:4], 0xFF, 0xE0 | len(sps)))
    return record + _sized(sps) + bytes((len(pps),)) + _sized(pps)


def hvcc(vps: Sequence[bytes], sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """HEVCDecoderConfigurationRecord; four bytes of length before each unit. Raises ValueError for an SPS that is none."""
    parsed = parse_hevc_sps(sps[0])
    record = b"\1" + parsed.profile + struct.pack(">HB", 0xF000, 0xFC)
    record += bytes((0xFC | parsed.chroma, 0xF8 | parsed.luma_bits - 8, 0xF8 | parsed.chroma_bits - 8, 0, 0))
    record += bytes((parsed.layers << 3 | parsed.nested << 2 | 3, 3))
    for kind, units in ((_HEVC_VPS, vps), (_HEVC_SPS, sps), (_HEVC_PPS, pps)):
        record += struct.pack(">BH", 0x80 | kind, len(units)) + _sized(units)
    return record


def _sized(units: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(unit)) + unit for unit in units)

"""Elementary streams as MPEG-TS and RTP carry them → what `media.model.tracks` promises. Pure.

Sources: ITU-T H.264 annex B and table 7-1, ITU-T H.265 annex B and table 7-1, ISO/IEC 13818-7 §6.2 (ADTS).
"""

from __future__ import annotations

from media.model.errors import SourceError
from media.model.tracks import Codec
from media.packaging.annexb import nal_units
from media.packaging.codecs import parse_sps

_H264_SPS, _HEVC_SPS = 7, 33
_H264_SLICES = range(1, 6)
_HEVC_SLICES = range(32)
_ADTS_SHORT, _ADTS_LONG = 7, 9
"""Bytes of the header without and with its check sum."""
_NO_LAYOUT = 0
"""The channel configuration that is told in the stream itself (a program config element)."""


def sequence_parameters(codec: Codec, data: bytes) -> bytes:
    """The first SPS before the first slice of an access unit in Annex B; empty where there is none."""
    hevc = codec is Codec.HEVC
    wanted, slices = (_HEVC_SPS, _HEVC_SLICES) if hevc else (_H264_SPS, _H264_SLICES)
    for unit in nal_units(data):
        kind = unit[0] >> 1 & 0x3F if hevc else unit[0] & 0x1F
        if kind == wanted:
            return unit
        if kind in slices:
            break
    return b""


def size_of(codec: Codec, parameters: bytes) -> tuple[int, int] | None:
    """Width and height that an SPS tells; None where it cannot be read, or is not H.264's."""
    if codec is not Codec.H264:
        return None
    try:
        sps = parse_sps(parameters)
    except ValueError:
        return None  # its decoder will tell what is wrong
    return sps.width, sps.height


def adts(data: bytes) -> tuple[bytes, int]:
    """`AudioSpecificConfig` and the bytes of the header of an AAC access unit in ADTS.

    Empty and 0 where there is no such header, or where it does not say enough to be taken off: decoders then take the
    unit as it is. Raises `SourceError` for what is ADTS by its first bits and cannot be.
    """
    if len(data) < _ADTS_SHORT or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return b"", 0
    profile, index = data[2] >> 6, data[2] >> 2 & 0xF
    channels, blocks = (data[2] & 1) << 2 | data[3] >> 6, data[6] & 3
    if index > 12:
        raise SourceError(f"AAC sampling index {index} is reserved")
    if channels == _NO_LAYOUT or blocks:
        return b"", 0
    config = (profile + 1) << 11 | index << 7 | channels << 3
    return config.to_bytes(2, "big"), _ADTS_SHORT if data[1] & 1 else _ADTS_LONG

"""What an init segment's codec configuration says: RFC 6381 strings, and the picture an SPS describes.

Everything here reads bytes that may come from anywhere: malformed input raises ValueError and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from media.packaging.fmp4 import InitTrack

_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose SPS carries chroma_format_idc and scaling lists (H.264 §7.3.2.1.1)."""
_EXTENDED_SAR = 255
_MAX_EXP_GOLOMB = 31


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set: profile, and the size of the picture after cropping."""

    profile: int
    constraints: int
    """The byte of constraint_set flags."""
    level: int
    width: int
    height: int
    rate: Fraction | None
    """Frames per second where the VUI gives timing."""

    @property
    def codec(self) -> str:
        """The RFC 6381 string of a track with parameter sets in the sample entry."""
        return f"avc1.{self.profile:02x}{self.constraints:02x}{self.level:02x}"


class _Bits:
    """Big-endian bit reader over an RBSP."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the parameter set is cut off")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MAX_EXP_GOLOMB:
                raise ValueError("an Exp-Golomb code is too long")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def parse_sps(nal: bytes) -> Sps:
    """Read a sequence parameter set, NAL header included, without start code (H.264 §7.3.2.1.1)."""
    if len(nal) < 4 or nal[0] & 0x1F != 7:
        raise ValueError("not a sequence parameter set")
    if len(nal) > 4096:
        raise ValueError("a sequence parameter set of more than 4 kB")
    bits = _Bits(nal[1:].replace(b"\0\0\3", b"\0\0"))
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    bits.ue()  # seq_parameter_set_id
    chroma, separate = 1, 0
    if profile in _CHROMA_PROFILES:
        chroma, separate = _chroma(bits)
    bits.ue()  # log2_max_frame_num_minus4
    _picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.u(1)  # gaps_in_frame_num_value_allowed_flag
    width = (bits.ue() + 1) * 16
    height = (bits.ue() + 1) * 16
    frames_only = bits.u(1)
    height *= 2 - frames_only
    if not frames_only:
        bits.u(1)  # mb_adaptive_frame_field_flag
    bits.u(1)  # direct_8x8_inference_flag
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        across = 2 if chroma in {1, 2} and not separate else 1
        down = (2 if chroma == 1 and not separate else 1) * (2 - frames_only)
        width -= across * (left + right)
        height -= down * (top + bottom)
    if not (0 < width <= 16_384 and 0 < height <= 16_384):
        raise ValueError(f"a picture of {width}x{height}")
    rate = _vui_rate(bits) if bits.u(1) else None
    return Sps(profile, constraints, level, width, height, rate)


def _chroma(bits: _Bits) -> tuple[int, int]:
    chroma = bits.ue()
    if chroma > 3:
        raise ValueError(f"chroma_format_idc {chroma}")
    separate = bits.u(1) if chroma == 3 else 0
    bits.ue()  # bit_depth_luma_minus8
    bits.ue()  # bit_depth_chroma_minus8
    bits.u(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.u(1):
        for index in range(8 if chroma != 3 else 12):
            if bits.u(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma, separate


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    """§7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        count = bits.ue()
        if count > 255:
            raise ValueError("num_ref_frames_in_pic_order_cnt_cycle is above 255")
        for _ in range(count):
            bits.se()
    elif kind != 2:
        raise ValueError(f"pic_order_cnt_type {kind}")


def _vui_rate(bits: _Bits) -> Fraction | None:
    """Annex E.1.1 up to the timing; a rate is given in fields, hence the half."""
    if bits.u(1) and bits.u(8) == _EXTENDED_SAR:
        bits.u(32)
    if bits.u(1):
        bits.u(1)  # overscan_appropriate_flag
    if bits.u(1):
        bits.u(4)  # video_format, video_full_range_flag
        if bits.u(1):
            bits.u(24)  # colour description
    if bits.u(1):
        bits.ue()
        bits.ue()
    if not bits.u(1):
        return None
    units, scale = bits.u(32), bits.u(32)
    return Fraction(scale, 2 * units) if units and scale else None


@dataclass(frozen=True, slots=True)
class HevcSps:
    """What an HEVC sequence parameter set says that a file must say too."""

    profile: bytes
    """The twelve bytes of the general profile, tier and level."""
    layers: int
    nested: int
    chroma: int
    luma_bits: int
    chroma_bits: int
    width: int
    height: int


def parse_hevc_sps(nal: bytes) -> HevcSps:
    """Read one up to the bit depths, NAL header included, without start code (H.265 §7.3.2.2)."""
    if not 15 <= len(nal) <= 4096 or nal[0] >> 1 & 0x3F != 33:
        raise ValueError("not an HEVC sequence parameter set")
    body = nal[2:].replace(b"\0\0\3", b"\0\0")
    bits = _Bits(body)
    bits.u(4)  # sps_video_parameter_set_id
    more, nested = bits.u(3), bits.u(1)
    bits.u(96)  # profile_tier_level: its general part is in whole bytes
    present = [bits.u(2) for _ in range(more)]
    bits.u(2 * (8 - more) if more else 0)
    for flags in present:
        bits.u((88 if flags & 2 else 0) + (8 if flags & 1 else 0))
    bits.ue()  # sps_seq_parameter_set_id
    chroma = bits.ue()
    if chroma > 3:
        raise ValueError(f"chroma_format_idc {chroma}")
    if chroma == 3:
        bits.u(1)  # separate_colour_plane_flag
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= (2 if chroma in {1, 2} else 1) * (left + right)
        height -= (2 if chroma == 1 else 1) * (top + bottom)
    luma, chroma_depth = bits.ue() + 8, bits.ue() + 8
    if not (0 < width <= 16_384 and 0 < height <= 16_384 and luma <= 16 and chroma_depth <= 16):
        raise ValueError(f"a picture of {width}x{height} in {luma} and {chroma_depth} bits")
    return HevcSps(body[1:13], more + 1, nested, chroma, luma, chroma_depth, width, height)


def hvcc_sps(hvcc: bytes) -> bytes:
    """The first SPS of an HEVCDecoderConfigurationRecord (14496-15 §8.3.3.1)."""
    if len(hvcc) < 23 or hvcc[0] != 1:
        raise ValueError("not an hvcC record")
    at = 23
    for _ in range(hvcc[22]):
        kind, count = hvcc[at] & 0x3F if at < len(hvcc) else 0, int.from_bytes(hvcc[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(hvcc[at : at + 2], "big")
            if at + 2 + size > len(hvcc):
                raise ValueError("the hvcC record is cut off")
            if kind == 33:
                return hvcc[at + 2 : at + 2 + size]
            at += 2 + size
    raise ValueError("an hvcC record without a sequence parameter set")


def avcc_sps(avcc: bytes) -> bytes:
    """The first SPS of an AVCDecoderConfigurationRecord (14496-15 §5.3.3.1)."""
    if len(avcc) < 8 or avcc[0] != 1 or not avcc[5] & 0x1F:
        raise ValueError("not an avcC record with a parameter set")
    size = int.from_bytes(avcc[6:8], "big")
    if len(avcc) < 8 + size:
        raise ValueError("the avcC record is cut off")
    return avcc[8 : 8 + size]


def aac_object_type(config: bytes) -> int:
    """The audio object type of an AudioSpecificConfig (14496-3 §1.6.2.1)."""
    bits = _Bits(config[:16])
    kind = bits.u(5)
    if kind == 31:
        kind = 32 + bits.u(6)
    if kind == 0:
        raise ValueError("audio object type 0")
    return kind


def codec_string(track: InitTrack) -> str:
    """The RFC 6381 string of a track, from its real configuration: `avc1.64001f`, `mp4a.40.2`."""
    if track.format == "avc1":
        return parse_sps(avcc_sps(track.config)).codec
    if track.format == "mp4a":
        return f"mp4a.40.{aac_object_type(track.config)}"
    raise ValueError(f"no codec string is known for a sample entry {track.format!r}")

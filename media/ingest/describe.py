"""The picture's size out of a track's extradata, so that staff see what a camera sends before anybody decodes it."""

from __future__ import annotations

from dataclasses import replace

from media.model.tracks import Codec, TrackHeader

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose SPS carries chroma format and scaling lists (ITU-T H.264 §7.3.2.1.1)."""


def with_size(header: TrackHeader) -> TrackHeader:
    """The header with width and height from its avcC; unchanged where there is none or it cannot be read."""
    if header.codec is not Codec.H264 or header.width or len(header.extradata) < 8:
        return header
    size = avcc_size(header.extradata)
    return header if size is None else replace(header, width=size[0], height=size[1])


def avcc_size(avcc: bytes) -> tuple[int, int] | None:
    """Cropped width and height in pixels from an `AVCDecoderConfigurationRecord`; None where it cannot be read."""
    if len(avcc) < 8 or not avcc[5] & 0x1F:
        return None
    sps = avcc[8 : 8 + int.from_bytes(avcc[6:8], "big")]
    try:
        width, height = _sps_size(_Bits(sps))
    except ValueError:
        return None
    return (width, height) if 16 <= width <= 16384 and 16 <= height <= 16384 else None


class _Bits:
    """A bit reader over a NAL unit, emulation prevention removed (§7.4.1). Raises ValueError past the end."""

    def __init__(self, nal: bytes) -> None:
        raw = nal.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(raw, "big")
        self._left = len(raw) * 8

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        if self._left < 0:
            raise ValueError("past the end")
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        """An Exp-Golomb number (§9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                raise ValueError("no Exp-Golomb code")
        return (1 << zeros) - 1 + (self.u(zeros) if zeros else 0)

    def se(self) -> int:
        """A signed Exp-Golomb number (§9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _sps_size(bits: _Bits) -> tuple[int, int]:
    """`seq_parameter_set_data` up to the cropping (§7.3.2.1.1, §7.4.2.1.1)."""
    bits.u(8)  # NAL header
    profile = bits.u(8)
    bits.u(16)  # constraints, level
    bits.ue()
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            bits.u(1)
        bits.ue()
        bits.ue()
        bits.u(1)
        if bits.u(1):
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    bits.ue()
    _skip_order_count(bits)
    bits.ue()
    bits.u(1)
    width, height_units = (bits.ue() + 1) * 16, bits.ue() + 1
    frames_only = bits.u(1)
    if not frames_only:
        bits.u(1)
    bits.u(1)
    height = height_units * 16 * (2 - frames_only)
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        unit_x = 2 if chroma in {1, 2} else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    return width, height


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        if not bits.u(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _skip_order_count(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()

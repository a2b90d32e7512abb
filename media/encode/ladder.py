"""Encoder settings of a rung as pure data: what x264 is told, and which H.264 level the stream claims.

The settings are those measured for this product (no B-frames, short lookahead, one thread per rung). `stitchable` keeps SPS
and PPS byte-identical over rate-control changes: digests are later cut by re-encoding only the edges of a copied
middle, so it must hold from the first segment that is ever recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from media.model.channel import ChannelSpec, Rung
from media.model.errors import SpecError

LOOKAHEAD = 4
"""Frames x264 holds back for rate control: the encoder's delay is this plus the one in work."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")
"""x264 presets that can run live."""

# ITU-T H.264 (08/2021) table A-1: level, macroblocks per second, macroblocks per frame, max bit rate in kb/s (times
# 1.25 for the High profile). Levels below 3.0 gain nothing with today's decoders.
_LEVELS = (
    ("3.0", 40_500, 1_620, 10_000),
    ("3.1", 108_000, 3_600, 14_000),
    ("3.2", 216_000, 5_120, 20_000),
    ("4.0", 245_760, 8_192, 20_000),
    ("4.1", 245_760, 8_192, 50_000),
    ("4.2", 522_240, 8_704, 50_000),
    ("5.0", 589_824, 22_080, 135_000),
    ("5.1", 983_040, 36_864, 240_000),
    ("5.2", 2_073_600, 36_864, 240_000),
)


@dataclass(frozen=True, slots=True)
class RungSettings:
    """Everything an H.264 encoder needs for one rung."""

    width: int
    height: int
    rate: Fraction
    """Frames per second."""
    bitrate: int
    """Bits per second; VBV rate, and buffer for one second."""
    gop_frames: int
    preset: str
    profile: str
    level: str
    x264: tuple[tuple[str, str], ...]
    """x264's own parameters, in order."""

    @property
    def x264_params(self) -> str:
        """`x264` in the notation of libx264's ``x264-params``."""
        return ":".join(f"{key}={value}" for key, value in self.x264)


def level_for(width: int, height: int, rate: Fraction, bitrate: int) -> str:
    """The lowest H.264 level, from 3.0, that allows this picture (pixels, frames/s, bits/s, High profile).

    Raises `SpecError` when no level does.
    """
    blocks = -(-width // 16) * (-(-height // 16))
    for level, per_second, per_frame, kilobits in _LEVELS:
        if blocks <= per_frame and blocks * rate <= per_second and bitrate <= kilobits * 1250:
            return level
    raise SpecError(f"no H.264 level allows {width}x{height} at {float(rate):g} frames/s", field="ladder")


def rung_settings(spec: ChannelSpec, rung: Rung) -> RungSettings:
    """The settings of one rung of a channel. Raises `SpecError` for a preset or size that cannot work."""
    if spec.preset not in PRESETS:
        raise SpecError(f"preset must be one of {', '.join(PRESETS)}, not {spec.preset!r}", field="preset")
    width, height = spec.size_of(rung)
    kilobits = str(rung.bitrate // 1000)
    gop = str(spec.gop_frames)
    return RungSettings(
        width=width,
        height=height,
        rate=spec.rate,
        bitrate=rung.bitrate,
        gop_frames=spec.gop_frames,
        preset=spec.preset,
        profile="high",
        level=level_for(width, height, spec.rate, rung.bitrate),
        x264=(
            ("annexb", "0"),  # length-prefixed NAL units and a ready avcC: nothing to convert per frame
            ("keyint", gop),
            ("min-keyint", gop),
            ("scenecut", "0"),
            ("open-gop", "0"),
            ("bframes", "0"),
            ("rc-lookahead", str(LOOKAHEAD)),
            ("sync-lookahead", "0"),
            ("threads", "1"),
            ("stitchable", "1"),
            ("vbv-maxrate", kilobits),
            ("vbv-bufsize", kilobits),
            ("colorprim", "bt709"),
            ("transfer", "bt709"),
            ("colormatrix", "bt709"),
            ("range", "tv"),
        ),
    )

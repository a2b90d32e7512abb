"""A feed's keyframe as a small JPEG over libav and Pillow. Blocks; `picture_child` runs it in a process of its own."""

from __future__ import annotations

import io

from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from media.adapters.av_decode import Picture, VideoDecoder
from media.model.errors import SourceError
from media.model.tracks import EncodedPacket, TrackHeader

LONG_SIDE = 320
"""Pixels of the longer side, at most: a picture that is smaller stays as it is."""
MAX_BYTES = 45_000
"""Of JPEG; in Base64 60 kB, on a bus whose messages have a megabyte."""
_QUALITIES = (75, 55, 35, 15)
"""Of JPEG, from the one that is wanted down: at the last even noise fits."""


def draw(header: TrackHeader, keyframe: EncodedPacket) -> bytes:
    """JPEG of a keyframe: upright, with square pixels. Raises `SourceError` where it does not decode."""
    decoder = VideoDecoder(header)
    shown = decoder.decode(keyframe) + decoder.flush()
    if not shown:
        raise SourceError("the keyframe does not decode")
    return _jpeg(_small(shown[0]))


def _small(picture: Picture) -> Image.Image:
    frame = picture.frame
    width, height = float(frame.width * picture.sar), float(frame.height)
    scale = min(1.0, LONG_SIDE / max(width, height))
    small = frame.reformat(
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        format="rgb24",
        # What a decoder gives out is so, whatever came in.
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation="AREA",
    )
    return Image.fromarray(small.to_ndarray())


def _jpeg(picture: Image.Image) -> bytes:
    made = b""
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        made = out.getvalue()
        if len(made) <= MAX_BYTES:
            break
    return made

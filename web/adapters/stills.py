"""Stills: the first picture of a fragment as JPEG over libav and Pillow, and the picture that stands in for none."""

from __future__ import annotations

import io
from functools import cache

import av
import av.error
from PIL import Image, ImageDraw, ImageFilter

QUALITY = 80
MAX_WIDTH = 1280


def still_of(init: bytes, fragment: bytes) -> bytes:
    """JPEG of the first picture that decodes. Raises ValueError where none does."""
    try:
        with av.open(io.BytesIO(init + fragment), mode="r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
                picture.thumbnail((MAX_WIDTH, MAX_WIDTH))
                return _jpeg(picture)
    except (av.error.FFmpegError, IndexError) as error:
        raise ValueError(f"the fragment does not decode: {error}") from error
    raise ValueError("the fragment holds no picture")


@cache
def stand_in() -> bytes:
    """What is shown where there is no picture yet: a dark stage with a soft light, no words, so that it fits anywhere."""
    width, height = 1280, 720
    picture = Image.new("RGB", (width, height), (19, 20, 24))
    light = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(light)
    draw.polygon([(560, 0), (720, 0), (1010, height), (270, height)], fill=60)
    draw.ellipse((240, 560, 1040, 720), fill=90)
    light = light.filter(ImageFilter.GaussianBlur(48))
    picture.paste(Image.new("RGB", (width, height), (194, 37, 61)), mask=light)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((590, 310, 690, 410), outline=(236, 238, 242), width=5)
    draw.polygon([(627, 335), (627, 385), (668, 360)], fill=(236, 238, 242))
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()

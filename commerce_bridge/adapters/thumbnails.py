"""A picture of whatever origin as a small JPEG, over Pillow. Blocks; `thumbnail_child` runs it in a process of its own."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageOps

from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.pictures.ports import SIDE

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
"""Decoders that a stranger's bytes may reach; Pillow has forty."""
MOST_PIXELS = 40_000_000
"""Of what is decoded: a camera's largest. 8 MiB of PNG may say that it is a thousand times as much."""
QUALITY = 82
_PAPER = (255, 255, 255)
"""Behind what is transparent: shops draw for white pages."""
# What Pillow's decoders raise over bytes that are no picture.
_DAMAGED = (
    OSError, ValueError, SyntaxError, TypeError, LookupError, ArithmeticError, EOFError, struct.error, RuntimeError,
    AttributeError, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


def shrink(data: bytes) -> bytes:
    """See `PictureShrinker`. Of what moves the first picture. Raises `ShopLiedError`."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise ShopLiedError(f"a picture of {width}x{height} is too large")
            return _jpeg(_small(picture))
    except MemoryError:
        raise ShopLiedError("the picture does not fit into memory") from None
    except _DAMAGED as error:
        raise ShopLiedError(f"it does not decode: {type(error).__name__}") from error


def _small(picture: Image.Image) -> Image.Image:
    """Upright, RGB, within the square."""
    shown: Image.Image = picture
    if shown.mode not in {"RGB", "RGBA", "L", "LA", "CMYK", "YCbCr"}:
        shown = shown.convert("RGBA")  # before it shrinks: what has a palette cannot be blended
    shown.thumbnail((SIDE, SIDE))
    ImageOps.exif_transpose(shown, in_place=True)
    if shown.has_transparency_data:
        shown = shown.convert("RGBA")
        paper = Image.new("RGB", shown.size, _PAPER)
        paper.paste(shown, mask=shown.getchannel("A"))
        return paper
    return shown.convert("RGB")


def _jpeg(picture: Image.Image) -> bytes:
    picture.info.clear()  # no comment, no profile, no place where it was taken
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return out.getvalue()

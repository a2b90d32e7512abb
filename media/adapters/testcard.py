"""The picture of the test pattern: colour bars, something that moves, the time for people and for machines."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from media.mix import timecode
from media.model.time import MICROSECONDS

Plane = npt.NDArray[np.uint8]

_BARS = (
    (236, 232, 224), (244, 196, 88), (72, 187, 196), (92, 184, 110), (214, 108, 168), (226, 92, 76), (70, 104, 190),
)  # fmt: skip
"""sRGB, softer than the classic bars, brightest first."""
_WHITE = 235
_DISC = (250, 128, 128)
"""Luma and chroma of the moving disc: white."""
_TURN_SECONDS = 4


class TestCard:
    """Draws frames of one size. Everything that stands still is drawn once."""

    __test__ = False  # no test case, whatever its name says to pytest

    def __init__(self, width: int, height: int, name: str) -> None:
        self._width, self._height = width, height
        self._name = name
        # Three rows of machine-readable code: two of ours, and the mixer's below them.
        self._top = timecode.row_bounds(width, 2)[1]
        self._top += self._top % 2
        text_height = max(16, min(height // 8, width // 14)) & ~1
        self._bottom = (height - 2 * text_height - 4) & ~1
        self._font = ImageFont.load_default(size=text_height * 0.8)
        self._line = text_height
        self._still = _bars(width, height, self._top, self._bottom)
        radius = max(8, (self._bottom - self._top) // 8) & ~1
        y, x = np.ogrid[-radius:radius, -radius:radius]
        self._disc = (x + 0.5) ** 2 + (y + 0.5) ** 2 <= radius**2
        self._radius = radius

    def draw(self, tick: int, wall: int, *, flash: bool) -> Plane:
        """The frame of a tick as stacked yuv420p planes (height · 3/2, width). `wall` is Unix microseconds."""
        width, height = self._width, self._height
        picture = self._still.copy()
        luma = picture[:height]
        if flash:
            luma[self._top : self._bottom] = _WHITE
            chroma = picture[height:].reshape(2, height // 2, width // 2)
            chroma[:, self._top // 2 : self._bottom // 2] = 128
        else:
            self._draw_disc(picture, wall)
        self._draw_text(luma, tick, wall)
        timecode.draw(luma, wall // 1000, timecode.ROW_FEED_CLOCK)
        timecode.draw(luma, tick, timecode.ROW_FEED_FRAME)
        return picture

    def _draw_disc(self, picture: Plane, wall: int) -> None:
        """A white disc that goes to and fro and so shows every frame that is dropped."""
        turn = wall % (_TURN_SECONDS * MICROSECONDS) / (_TURN_SECONDS * MICROSECONDS)
        way = 1 - abs(2 * turn - 1)
        radius = self._radius
        left = round(way * (self._width - 2 * radius)) & ~1
        top = (self._top + self._bottom) // 2 - radius & ~1
        area = picture[top : top + 2 * radius, left : left + 2 * radius]
        area[self._disc] = _DISC[0]
        chroma = picture[self._height :].reshape(2, self._height // 2, self._width // 2)
        half = self._disc[::2, ::2]
        for plane, value in zip(chroma, _DISC[1:], strict=True):
            plane[top // 2 : top // 2 + radius, left // 2 : left // 2 + radius][half] = value

    def _draw_text(self, luma: Plane, tick: int, wall: int) -> None:
        stamp = datetime.fromtimestamp(wall // MICROSECONDS, tz=UTC).astimezone()
        millis = wall % MICROSECONDS // 1000
        image = Image.new("L", (self._width, self._height - self._bottom), 24)
        pen = ImageDraw.Draw(image)
        middle = self._width // 2
        pen.text((middle, 2), f"{stamp:%H:%M:%S}.{millis:03d}", fill=_WHITE, font=self._font, anchor="mt")
        label = f"{self._name[:16]} · {tick}"
        pen.text((middle, 2 + self._line), label, fill=190, font=self._font, anchor="mt")
        luma[self._bottom :] = np.asarray(image)


def _bars(width: int, height: int, top: int, bottom: int) -> Plane:
    """Everything that stands still: bars between `top` and `bottom`, black elsewhere."""
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    luma = picture[:height]
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    luma[:] = 24
    for index, colour in enumerate(_BARS):
        left, right = (width * i // len(_BARS) & ~1 for i in (index, index + 1))
        right = width if index == len(_BARS) - 1 else right
        y, cb, cr = _yuv709(colour)
        luma[top:bottom, left:right] = y
        chroma[0, top // 2 : bottom // 2, left // 2 : right // 2] = cb
        chroma[1, top // 2 : bottom // 2, left // 2 : right // 2] = cr
    return picture


def _yuv709(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """SRGB to limited-range Y'CbCr (ITU-R BT.709)."""
    r, g, b = (part / 255 for part in colour)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return round(16 + 219 * y), round(128 + 224 * (b - y) / 1.8556), round(128 + 224 * (r - y) / 1.5748)

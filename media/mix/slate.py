"""The slate: what viewers see when there is no picture. Painted once per message, before it is needed.

Calm on purpose: dark ground, one warm accent, a large Korean line, the English one below. Where no Korean font can be read
only the English is drawn (Pillow's own font): never boxes.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from media.mix.messages import CATALOGUE, Message

FONT_PLACES = (
    "/usr/share/fonts/truetype/nanum/NanumSquareRoundB.ttf",
    "/usr/share/fonts/truetype/nanum/NanumSquareB.ttf",
    "/usr/share/fonts/truetype/nanum/NanumGothicBold.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Bold.ttc",
)
"""Where Korean fonts usually are, best first."""
_FONT_PACKAGE, _FONT_FILE = "pylopdf_fonts_ko", "NotoSansKR-Regular.otf"
"""What we depend on for machines that have none: Noto Sans KR as a wheel."""

_TOP, _BOTTOM = (24, 26, 36), (38, 30, 44)
_ACCENT = (255, 138, 92)
_TEXT, _MUTED = (246, 244, 240), (178, 176, 184)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def korean_font(wanted: str = "") -> Path | None:
    """The font file to use: `wanted` where it exists, else the first of `FONT_PLACES`, else the one that came with us.

    None where that was taken away.
    """
    package = find_spec(_FONT_PACKAGE)
    ours = [f"{folder}/{_FONT_FILE}" for folder in (package and package.submodule_search_locations) or ()]
    for place in (wanted, *FONT_PLACES, *ours):
        if place and Path(place).is_file():
            return Path(place)
    return None


def paint_slate(
    width: int, height: int, message: Message, *, title: str = "", font: Path | None = None
) -> npt.NDArray[np.uint8]:
    """RGB (height, width, 3) of one slate; `title` is the channel's name, drawn small at the top."""
    wording = CATALOGUE[message]
    unit = min(width, height) / 100
    image = Image.fromarray(_ground(width, height), "RGB")
    draw = ImageDraw.Draw(image)
    middle = width / 2
    lines: list[tuple[str, float, tuple[int, int, int], float]] = []
    if font is not None:
        lines = [
            (wording.korean, 8.0, _TEXT, 43),
            (wording.korean_more, 4.2, _MUTED, 54),
            (wording.english, 4.6, _TEXT, 68),
            (wording.english_more, 3.4, _MUTED, 74.5),
        ]
    else:
        lines = [(wording.english, 8.0, _TEXT, 45), (wording.english_more, 4.2, _MUTED, 56)]
    if title and (font is not None or title.isascii()):
        lines.append((title, 3.8, _MUTED, 10))
    for text, size, colour, at in lines:
        face = _fitting(text, size * unit, width * 0.88, font)
        draw.text((middle, at / 100 * height), text, font=face, fill=colour, anchor="mm")
    dot, gap, y = 1.1 * unit, 4.4 * unit, 0.31 * height
    for i in (-1, 0, 1):
        x = middle + i * gap
        shade = _ACCENT if i == 0 else tuple(int(c * 0.55) for c in _ACCENT)
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=shade)
    return np.asarray(image)


def _ground(width: int, height: int) -> npt.NDArray[np.uint8]:
    """A vertical gradient, so slight that low rates do not band it."""
    t = np.linspace(0.0, 1.0, height)[:, None, None]
    column = np.array(_TOP) * (1 - t) + np.array(_BOTTOM) * t
    return np.broadcast_to(column.round().astype(np.uint8), (height, width, 3)).copy()


def _fitting(text: str, size: float, width: float, font: Path | None) -> Font:
    """The font at `size` pixels, or smaller where the text would not fit into `width`."""
    face = _face(size, font)
    needed = face.getlength(text)
    return face if needed <= width else _face(size * width / needed, font)


def _face(size: float, font: Path | None) -> Font:
    try:
        return (
            ImageFont.truetype(str(font), max(8, round(size)))
            if font
            else ImageFont.load_default(max(8, size))
        )
    except OSError:
        # A damaged font file must not keep a channel off air.
        return ImageFont.load_default(max(8, size))

"""The ladder `auto`, and what of a ladder fits into what is left of a machine: pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from media.model.channel import Rung

HEIGHTS = (2160, 1440, 1080, 720, 480, 360, 240, 144)
"""Lines that viewers know; below the canvas's own they are taken in turn."""
STEP = 0.8
"""A rung has at most this share of the lines of the one above: nearer ones look alike and cost the same."""
MOST = {0: 3, 1080: 4}
"""Rungs at most, by the canvas's lines from which it holds."""
FLOOR = 240
"""Lines below which a ladder goes only where its canvas is hardly larger."""
ANCHOR_PIXELS, ANCHOR_BITRATE = 1280 * 720, 2_500_000
PIXEL_POWER = 0.9
"""Bits grow slower than pixels: 0.9 gives 1.2 Mb/s at 480p and 0.7 at 360p, as in the ladders chosen by hand."""
RATE_POWER = 0.6
"""And slower than frames: pictures that follow more closely differ less. 60 fps take 1.5 times the bits of 30."""
ROUND = 50_000
PARTS_OF = 8
"""Rungs whose choices are looked through: the API takes no more in a ladder."""

CoresOf = Callable[[Sequence[Rung]], float]
"""What a channel with this ladder takes, whole."""


def auto_ladder(width: int, height: int, rate: Fraction) -> tuple[Rung, ...]:
    """The ladder for a canvas where nothing is short: its own lines, then familiar ones, highest first."""
    top = min(width, height)
    most = max(count for lines, count in MOST.items() if top >= lines)
    found = [top]
    for lines in HEIGHTS:
        if len(found) < most and lines <= found[-1] * STEP and (lines >= FLOOR or len(found) == 1):
            found.append(lines)
    return tuple(Rung(lines, _bitrate(width, height, lines, rate)) for lines in found)


def _bitrate(width: int, height: int, lines: int, rate: Fraction) -> int:
    pixels = width * height * (lines / min(width, height)) ** 2
    bits = ANCHOR_BITRATE * float((pixels / ANCHOR_PIXELS) ** PIXEL_POWER) * float((rate / 30) ** RATE_POWER)
    return min(50_000_000, max(2 * ROUND, round(bits / ROUND) * ROUND))


def fitting(ladder: Sequence[Rung], cores_of: CoresOf, left: float) -> tuple[Rung, ...]:
    """The best part of a ladder that takes no more than `left`; empty where none does.

    Two rungs come before one, since a viewer whose line is too slow for the only rung sees nothing; then the highest
    top, then more rungs, then the larger ones.
    """
    best: tuple[tuple[int, int, int, int], tuple[Rung, ...]] | None = None
    for part in _parts(ladder):
        worth = (min(2, len(part)), part[0].height, len(part), sum(rung.height for rung in part))
        if (best is None or worth > best[0]) and cores_of(part) <= left:
            best = worth, part
    return best[1] if best else ()


def _parts(ladder: Sequence[Rung]) -> Iterator[tuple[Rung, ...]]:
    """All of it and every smaller choice, each highest first: 255 choices, of the lowest rungs where there are more."""
    rungs = sorted(ladder, key=lambda rung: rung.height, reverse=True)[-PARTS_OF:]
    for size in range(len(rungs), 0, -1):
        yield from combinations(rungs, size)

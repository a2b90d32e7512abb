"""A number that a machine can read off a picture: a row of black and white cells in luma.

Benches and tests burn a clock into the picture and read it at the far end, after scaling and H.264 at low rates. The
geometry is relative to the picture's *width*, so that any rung of a ladder reads alike; a browser reads it from a
canvas with the same numbers::

    cell   0      1 2 3   4 … 43           44 … 55        56 57 58   59
           black  W B W   value, bit 39…0   check, 11…0    B W B      black

A cell is width/60 wide; a row is width/40 high (1.5 cells), and row `r` begins r·width/40 below the top edge. Sample the
middle of each cell (half of its width and height) and average. The threshold lies half-way between the darkest and the
brightest sync cell, which must be at least 48 apart. ``check = value · 1021 mod 4093``: with this prime and factor
any one wrong bit and any two show; in JavaScript the product fits a Number exactly.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

CELLS = 60
"""Cells over the picture's width, a dark one at each edge among them."""
ROW_HEIGHT = 1 / 40
"""Height of a row as a fraction of the picture's *width*."""
VALUE_BITS = 40
CHECK_BITS = 12
CHECK_FACTOR, CHECK_PRIME = 1021, 4093
HEAD = (1, 0, 1)
"""Sync cells before the value, from cell 1."""
TAIL = (0, 1, 0)
"""Sync cells after the check."""
WHITE, BLACK = 235, 16
"""Luma of the cells, limited range (ITU-R BT.709)."""
MIN_CONTRAST = 48
"""Luma between dark and bright sync cells below which a row does not count as a code."""

ROW_FEED_CLOCK = 0
"""The feed's wall clock, Unix milliseconds mod 2^40 (about 34 years)."""
ROW_FEED_FRAME = 1
"""The feed's frame number (test pattern)."""
ROW_PROGRAMME = 2
"""Programme time in milliseconds mod 2^40 (the mixer's burn-in)."""

_VALUE_AT = 1 + len(HEAD)
_CHECK_AT = _VALUE_AT + VALUE_BITS
_TAIL_AT = _CHECK_AT + CHECK_BITS
_WEIGHTS = 1 << np.arange(VALUE_BITS - 1, -1, -1, dtype=np.int64)
_CHECK_WEIGHTS = 1 << np.arange(CHECK_BITS - 1, -1, -1, dtype=np.int64)

Luma = npt.NDArray[np.uint8]


def check_of(value: int) -> int:
    """The 12 check bits of a value."""
    return value * CHECK_FACTOR % CHECK_PRIME


def row_bounds(width: int, row: int) -> tuple[int, int]:
    """First line and the line after the last of a code row in a picture of this width, pixels."""
    return round(row * width * ROW_HEIGHT), round((row + 1) * width * ROW_HEIGHT)


@lru_cache(maxsize=32)
def _cell_of_column(width: int) -> npt.NDArray[np.intp]:
    return np.minimum(np.arange(width) * CELLS // width, CELLS - 1).astype(np.intp)


@lru_cache(maxsize=32)
def _samples(width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """For each cell, first and last column (exclusive) of its middle half."""
    left = np.floor((np.arange(CELLS) + 0.25) * width / CELLS).astype(np.intp)
    right = np.maximum(np.ceil((np.arange(CELLS) + 0.75) * width / CELLS).astype(np.intp), left + 1)
    return left, right


def draw(luma: Luma, value: int, row: int = 0) -> None:
    """Draw `value` mod 2^40 as code row `row` into a luma plane (h, w), in place.

    A picture too low for the row keeps what fits; `read` then returns None.
    """
    value %= 1 << VALUE_BITS
    check = check_of(value)
    cells = np.full(CELLS, BLACK, np.uint8)
    bits = (*HEAD, *((value >> i) & 1 for i in range(VALUE_BITS - 1, -1, -1)))
    bits = (*bits, *((check >> i) & 1 for i in range(CHECK_BITS - 1, -1, -1)), *TAIL)
    cells[1 : 1 + len(bits)][np.array(bits, bool)] = WHITE
    top, bottom = row_bounds(luma.shape[1], row)
    luma[top:bottom] = cells[_cell_of_column(luma.shape[1])]


def read(luma: Luma, row: int = 0) -> int | None:
    """The value of code row `row` of a luma plane (h, w); None where there is none or it is damaged."""
    height, width = luma.shape
    top, bottom = row_bounds(width, row)
    if width < CELLS or bottom > height:
        return None
    quarter = (bottom - top) // 4
    lines = luma[top + quarter : bottom - quarter].mean(axis=0)
    left, right = _samples(width)
    sums = np.concatenate(([0.0], np.cumsum(lines)))
    cells = (sums[right] - sums[left]) / (right - left)
    sync = np.concatenate((cells[1:_VALUE_AT], cells[_TAIL_AT : _TAIL_AT + len(TAIL)]))
    white = np.array((*HEAD, *TAIL), bool)
    darkest_white, brightest_black = sync[white].min(), sync[~white].max()
    if darkest_white - brightest_black < MIN_CONTRAST:
        return None
    bits = cells > (darkest_white + brightest_black) / 2
    value = int(_WEIGHTS[bits[_VALUE_AT:_CHECK_AT]].sum())
    check = int(_CHECK_WEIGHTS[bits[_CHECK_AT:_TAIL_AT]].sum())
    return value if check_of(value) == check else None

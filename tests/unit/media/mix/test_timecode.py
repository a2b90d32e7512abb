from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.mix import timecode

NOW = 1_763_838_000_123 % 2**40


def ground(width: int, height: int) -> timecode.Luma:
    return np.random.default_rng(1).integers(16, 236, (height, width), dtype=np.uint8)


@given(
    value=st.integers(0, 2**41),
    row=st.integers(0, 2),
    width=st.sampled_from([1920, 1280, 854, 640, 426, 320]),
)
def test_reads_what_was_drawn(value: int, row: int, width: int) -> None:
    luma = ground(width, width * 9 // 16)
    timecode.draw(luma, value, row)
    assert timecode.read(luma, row) == value % 2**40


def test_rows_do_not_touch_each_other() -> None:
    luma = ground(320, 180)
    for row in range(3):
        timecode.draw(luma, NOW + row, row)
    assert [timecode.read(luma, row) for row in range(3)] == [NOW, NOW + 1, NOW + 2]


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_plain_picture_has_no_code(level: int) -> None:
    assert timecode.read(np.full((180, 320), level, np.uint8)) is None


def test_noise_is_not_taken_for_a_code() -> None:
    rng = np.random.default_rng(0)
    pictures = (rng.integers(0, 256, (9, 60), dtype=np.uint8).repeat(6, 0).repeat(6, 1) for _ in range(500))
    assert [timecode.read(picture) for picture in pictures] == [None] * 500


def test_too_small_a_picture_has_no_code() -> None:
    luma = ground(320, 12)
    timecode.draw(luma, NOW, 2)
    assert timecode.read(luma, 2) is None
    assert timecode.read(ground(40, 40)) is None


@given(value=st.integers(0, 2**40 - 1), cells=st.sets(st.integers(4, 55), min_size=1, max_size=2))
def test_one_or_two_wrong_cells_show(value: int, cells: set[int]) -> None:
    luma = np.full((360, 600), 16, np.uint8)
    timecode.draw(luma, value)
    for cell in cells:
        luma[:15, cell * 10 : cell * 10 + 10] = 251 - luma[:15, cell * 10 : cell * 10 + 10]
    assert timecode.read(luma) is None

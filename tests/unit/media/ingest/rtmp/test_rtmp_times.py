from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from media.ingest.rtmp.times import DecodeTimes, Unwrapper


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-2000, 60_000), max_size=50))
def test_stamps_modulo_2_32_unwrap(start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper()
    at = start
    assert unwrapper.unwrap(start) == start
    for step in steps:
        at += step
        assert unwrapper.unwrap(at % 2**32) == at


def test_a_sender_that_never_extends_wraps_at_2_24() -> None:
    unwrapper = Unwrapper()
    top = 2**24
    stamps = [top - 40, top - 20, 5, top - 15, 25]  # sound and picture cross the wrap one after the other
    assert [unwrapper.unwrap(each % top) for each in stamps] == [
        top - 40,
        top - 20,
        top + 5,
        top - 15,
        top + 25,
    ]


def test_2_32_wrap_with_stragglers() -> None:
    unwrapper = Unwrapper()
    top = 2**32
    assert [unwrapper.unwrap(each) for each in (top - 20, 10, top - 5, 30)] == [
        top - 20,
        top + 10,
        top - 5,
        top + 30,
    ]


def test_jumps_are_passed_on() -> None:
    unwrapper = Unwrapper()
    assert [unwrapper.unwrap(each) for each in (1000, 7000, 500, 3_600_500)] == [1000, 7000, 500, 3_600_500]


@given(st.lists(st.integers(0, 2_000_000), min_size=1, max_size=60))
def test_disorder_never_falls(stamps: list[int]) -> None:
    times = DecodeTimes()
    fixed = [times.fix(each) for each in stamps]
    assert all(later > earlier for earlier, later in itertools.pairwise(fixed))
    assert times.jumps == 0
    assert (times.corrected == 0) == (fixed == stamps)


def test_a_large_fall_is_a_jump() -> None:
    times = DecodeTimes()
    assert [times.fix(each) for each in (10_000_000, 10_000_000, 1_000_000)] == [
        10_000_000,
        10_000_001,
        1_000_000,
    ]
    assert (times.corrected, times.jumps) == (1, 1)


def test_a_jump_that_looks_like_a_wrap_backwards_is_none() -> None:
    unwrapper = Unwrapper()
    assert [unwrapper.unwrap(each) for each in (0, 16_776_000)] == [0, 16_776_000]

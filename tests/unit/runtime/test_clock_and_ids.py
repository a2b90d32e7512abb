from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import ids
from runtime.clock import ManualClock


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_manual_clock_wakes_sleepers_in_the_order_of_their_deadlines() -> None:
    clock = ManualClock(wall=1_000_000)
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3.0, 1.0, 2.0):
            tasks.create_task(sleeper(seconds))
        await turns()
        clock.advance(2.5)
        await turns()
        assert woken == [1.0, 2.0]
        assert clock.sleeping == 1
        clock.advance(0.5)
    assert woken == [1.0, 2.0, 3.0]
    assert (clock.monotonic(), clock.wall()) == (3.0, 4_000_000)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        ManualClock().advance(-1)


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_ids_sort_by_millisecond(first: int, second: int) -> None:
    if first // 1000 < second // 1000:
        assert ids.new(first) < ids.new(second)


def test_ids_of_one_moment_differ() -> None:
    assert len({ids.new(0) for _ in range(1000)}) == 1000
    assert len(ids.new()) == 16

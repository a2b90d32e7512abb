from __future__ import annotations

import asyncio

from media.contracts.channels import DateRange
from runtime.bus.contract import CommandError, Fault
from runtime.clock import ManualClock
from studio.cards.ranges import WAITING, Ranges, range_of
from studio.cards.steps import Steps
from studio.contracts.cards import Moment

MOMENT = Moment(seq=7, time=1_000_000, product="a", pinned=False, price=9_000, list_price=0)


def test_a_range_is_never_negative() -> None:
    assert range_of("s", MOMENT, "빵", ends=999_999).duration == 0
    assert range_of("s", MOMENT, "빵", ends=3_500_000).duration == 2.5


async def test_what_waits_is_bounded_and_a_newer_word_replaces_an_older_one() -> None:
    told: list[tuple[str, DateRange]] = []

    async def add(channel: str, item: DateRange) -> None:
        if item.id == "card-s-1":
            raise CommandError(Fault.UNAVAILABLE, "no answer")
        told.append((channel, item))

    ranges = Ranges(add)
    for seq in range(WAITING + 1):
        ranges.put("main", range_of("s", MOMENT.model_copy(update={"seq": seq}), "빵"))
    ranges.put("main", range_of("s", MOMENT.model_copy(update={"seq": 2}), "빵", ends=2_000_000))
    running = asyncio.create_task(ranges.run())
    async with asyncio.timeout(5):
        while len(told) < WAITING - 1:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert ranges.untold == 2  # the oldest gave way, and the media did not take one
    assert [item.id for _, item in told][-2:] == [f"card-s-{WAITING}", "card-s-2"]
    assert told[-1][1].duration == 1


def test_a_clock_that_was_set_is_noticed_once_and_drift_never() -> None:
    clock = ManualClock()
    steps = Steps(clock)
    clock.advance(3600)
    assert steps.taken() == 0
    clock._wall += 900_000
    assert steps.taken() == 0
    clock._wall -= 5_000_000
    assert (steps.taken(), steps.taken()) == (-5_000_000, 0)

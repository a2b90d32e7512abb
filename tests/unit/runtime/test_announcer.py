"""Events before the bus: in order, bounded, and never in the way."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from runtime.bus import announcer as subject
from runtime.bus.announcer import Announcer
from runtime.bus.calls import events
from runtime.bus.contract import Event
from runtime.bus.local import LocalBus


class Happened(Event):
    topic: ClassVar[str] = "test.happened"
    number: int


async def test_events_arrive_in_order() -> None:
    bus = LocalBus()
    announcer = Announcer(bus)
    async with events(bus, Happened) as stream:
        running = asyncio.create_task(announcer.run())
        for number in range(5):
            announcer.tell(Happened(number=number))
        await announcer.drain(5)
        got = [(await anext(aiter(stream))).number for _ in range(5)]
        running.cancel()
        await asyncio.wait([running])
    await bus.close()
    assert got == [0, 1, 2, 3, 4]
    assert announcer.dropped == 0


async def test_the_oldest_goes_when_nobody_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "LIMIT", 3)
    bus = LocalBus()
    announcer = Announcer(bus)
    for number in range(5):
        announcer.tell(Happened(number=number))
    assert announcer.dropped == 2
    async with events(bus, Happened) as stream:
        running = asyncio.create_task(announcer.run())
        got = [(await anext(aiter(stream))).number for _ in range(3)]
        running.cancel()
        await asyncio.wait([running])
    await bus.close()
    assert got == [2, 3, 4]

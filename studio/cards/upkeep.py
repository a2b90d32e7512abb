"""What cards need beside commands: news of products, the ends of sales, and that everybody is told."""

from __future__ import annotations

import asyncio
import contextlib

from commerce_bridge.contracts.products import ProductChanged
from runtime.bus.calls import EventStream
from runtime.clock import Clock
from studio.cards.products import ProductDesk
from studio.cards.ranges import Ranges
from studio.cards.service import CardsService

WATCH_EVERY = 20.0
"""Seconds between telling the bridge which products matter now: it forgets them after a minute."""
TELL_AFTER = 0.05
"""Seconds in which several changes become one event."""
LOOK_EVERY = 1.0
"""Seconds between looks at the clock while a sale runs: somebody may have set it."""


class CardsUpkeep:
    """Each of these runs until cancelled."""

    def __init__(self, service: CardsService, products: ProductDesk, ranges: Ranges, clock: Clock) -> None:
        self._service = service
        self._products = products
        self._ranges = ranges
        self._clock = clock

    def start(
        self, tasks: asyncio.TaskGroup, stream: EventStream[ProductChanged]
    ) -> list[asyncio.Task[None]]:
        """All of them, in the caller's group."""
        return [
            tasks.create_task(self._listen(stream), name="cards products"),
            tasks.create_task(self._watch(), name="cards watch"),
            tasks.create_task(self._end_sales(), name="cards sales"),
            tasks.create_task(self._tell(), name="cards telling"),
            tasks.create_task(self._ranges.run(), name="cards ranges"),
        ]

    async def _listen(self, stream: EventStream[ProductChanged]) -> None:
        losses = 0
        async for event in stream:
            if self._products.learn(event.product):
                await self._service.heard(event.product)
            if losses != (losses := stream.dropped + stream.interruptions):
                self._service.wanted.set()  # what was lost is in the answer

    async def _watch(self) -> None:
        while True:
            self._service.wanted.clear()
            await self._service.look_after()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_EVERY):
                    await self._service.wanted.wait()

    async def _end_sales(self) -> None:
        while True:
            self._service.sales.clear()
            ends = self._service.next_end
            rest = None if ends is None else (ends - self._clock.wall()) / 1_000_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest if rest is None else min(LOOK_EVERY, max(0.0, rest))):
                    await self._service.sales.wait()
            if not await self._service.tick():
                await self._clock.sleep(LOOK_EVERY)  # the disk takes nothing: no need to ask it at once again

    async def _tell(self) -> None:
        while True:
            await self._service.changed.wait()
            await self._clock.sleep(TELL_AFTER)
            self._service.changed.clear()
            self._service.tell()

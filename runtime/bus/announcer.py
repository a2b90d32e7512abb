"""Events on their way to the bus: a bounded queue, so that a slow bus never holds up what they tell of."""

from __future__ import annotations

import asyncio
from collections import deque

from runtime import logs
from runtime.bus.calls import publish
from runtime.bus.contract import Event
from runtime.bus.port import Bus, BusUnavailableError

log = logs.get("runtime.announcer")

LIMIT = 1000
"""Events that may wait; the oldest is dropped beyond. Whoever missed one asks for the state again."""


class Announcer:
    """`tell` events from anywhere in the loop; `run` publishes them in order."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.dropped = 0
        """Events that nobody was told: the queue was full, or the bus away."""

    def tell(self, event: Event) -> None:
        """Queue an event."""
        if len(self._events) >= LIMIT:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._empty.clear()
        self._news.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._events:
                event = self._events.popleft()
                try:
                    await publish(self._bus, event)
                except (BusUnavailableError, ValueError) as error:  # ValueError: larger than a message may be
                    self.dropped += 1
                    log.warning("an event was not told", topic=event.topic, error=str(error))
            self._empty.set()

    async def drain(self, timeout: float) -> None:
        """Wait until everything is told, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            log.warning("events are left untold at the end", count=len(self._events))

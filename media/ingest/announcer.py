"""Events of feeds on their way to the bus: a bounded queue, so that a slow bus never holds up media."""

from __future__ import annotations

import asyncio
from collections import deque

from runtime import logs
from runtime.bus.calls import publish
from runtime.bus.contract import Event
from runtime.bus.port import Bus, BusUnavailableError

log = logs.get("media.ingest.announcer")

MAX_WAITING = 512
"""Events; the oldest is dropped beyond. Whoever missed one asks for the feed's state again."""


class Announcer:
    """`tell` events from anywhere in the loop; `run` publishes them in order."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self.dropped = 0

    def tell(self, event: Event) -> None:
        """Queue an event."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        self._news.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                try:
                    await publish(self._bus, event)
                except BusUnavailableError as error:
                    self.dropped += 1
                    log.warning("an event could not be told", topic=event.topic, error=str(error))
            self._news.clear()
            await self._news.wait()

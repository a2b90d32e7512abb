"""Opening the bus that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.bus.port import Bus
from runtime.sections import BusSettings
from runtime.settings import Settings


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncIterator[Bus]:
    """The process's bus: Redis by `bus.url`, else the hub of `gachi serve` in the data folder. Closed at the end.

    Entering does not wait for the bus to be there: publishing waits `bus.publish_timeout`, subscribing until it is.
    """
    section = settings[BusSettings]
    bus: Bus
    # Imported where used: a process must not pay for the client it does not use.
    if section.url:
        from runtime.bus.redis import RedisBus

        bus = RedisBus(section.url, publish_timeout=section.publish_timeout)
    else:
        from runtime.bus.hub import HubBus

        bus = HubBus(settings.socket("bus"), publish_timeout=section.publish_timeout)
    try:
        yield bus
    finally:
        await bus.close()

"""PROCESS bridge: shops and their products. One of it runs."""

from __future__ import annotations

from commerce_bridge import compose
from commerce_bridge.adapters.sql import SqlCatalogStore
from commerce_bridge.settings import BridgeSettings
from runtime.bus import open_bus
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """Run until the lifeline says stop."""
    async with open_bus(settings) as bus, Database.of(settings) as database:
        await compose.run(
            bus,
            SqlCatalogStore(database),
            settings=settings[BridgeSettings],
            clock=SystemClock(),
            ready=lifeline.ready,
            stopping=lifeline.stopping,
        )

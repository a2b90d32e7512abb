"""PROCESS bridge: shops, their products and pictures, the keys of purchase links. One of it runs."""

from __future__ import annotations

from commerce_bridge import compose
from commerce_bridge.adapters.link_key_file import FileLinkKeys
from commerce_bridge.adapters.pictures import picture_handlers
from commerce_bridge.adapters.sql import SqlCatalogStore
from commerce_bridge.links.keys import link_handlers
from commerce_bridge.pictures.service import catalog_source
from commerce_bridge.settings import BridgeSettings
from runtime.bus import open_bus
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """Run until the lifeline says stop."""
    section, clock = settings[BridgeSettings], SystemClock()
    private = {shop.id for shop in section.shops if shop.private}
    async with open_bus(settings) as bus, Database.of(settings) as database:
        store = SqlCatalogStore(database)
        keys = link_handlers(FileLinkKeys(settings.data / "bridge/link-keys.json"), now=clock.wall)
        source = catalog_source(store, private.__contains__)
        async with picture_handlers(source, settings.data / "pictures") as pictures:
            await compose.run(
                bus,
                store,
                settings=section,
                clock=clock,
                beside={**keys, **pictures},
                ready=lifeline.ready,
                stopping=lifeline.stopping,
            )

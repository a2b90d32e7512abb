"""The bridge as a process of its own, under a supervisor."""

from __future__ import annotations

import asyncio
from pathlib import Path

from commerce_bridge.contracts.products import ListShops, SearchProducts
from runtime import migrations
from runtime.bus import open_bus
from runtime.bus.calls import call
from runtime.bus.hub_server import HubServer
from runtime.database import Database
from runtime.settings import Settings
from runtime.supervision.supervisor import ChildSpec, Supervisor

DEADLINE = 60.0


async def test_it_is_ready_without_a_shop_and_whenever_it_is_started(tmp_path: Path) -> None:
    settings = Settings.load(env={"GACHI_DATA": str(tmp_path), "GACHI_LOG__LEVEL": "warning"})
    settings.create_folders()
    async with Database.of(settings) as database:
        await migrations.upgrade(database)
    async with (
        asyncio.timeout(DEADLINE),
        HubServer(settings.socket("bus")),
        Supervisor(settings.environment) as supervisor,
        open_bus(settings) as bus,
    ):
        for _ in range(2):
            child = await supervisor.start(ChildSpec("bridge", "commerce_bridge.__main__:main"))
            assert await child.wait_ready(DEADLINE), child.reason
            assert (await call(bus, ListShops())).shops == []
            assert (await call(bus, SearchProducts(text="사과"))).products == []
            await supervisor.stop("bridge")

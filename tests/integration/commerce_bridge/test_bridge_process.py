"""The bridge as a process of its own, under a supervisor."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from commerce_bridge.contracts.products import ListShops, ProductView, SearchProducts, ShopView
from runtime import migrations
from runtime.bus import open_bus
from runtime.bus.calls import call
from runtime.bus.hub_server import HubServer
from runtime.bus.port import Bus
from runtime.database import Database
from runtime.settings import Settings
from runtime.supervision.supervisor import ChildSpec, Supervisor

DEADLINE = 60.0
CATALOG = """상품번호,상품명,상품링크,판매가,재고
1,청송 사과 5kg,https://farm.example/1,29000,12
2,수건,https://farm.example/2,9900,
3,무가격,https://farm.example/3,0,1
"""


async def found(bus: Bus, text: str) -> list[ProductView]:
    while True:
        if products := (await call(bus, SearchProducts(text=text))).products:
            return products
        await asyncio.sleep(0.05)


async def read(bus: Bus) -> list[ShopView]:
    """The shops, once a pass over the last one came to its end."""
    while not (shops := (await call(bus, ListShops())).shops)[-1].sync.ended:
        await asyncio.sleep(0.05)
    return shops


async def test_a_shop_that_never_answers_delays_nobody(tmp_path: Path) -> None:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "farm.csv").write_text(CATALOG, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # it takes connections and says nothing
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/products.csv"
        shops = (
            f'[{{id = "deaf", kind = "feed", options = {{url = "{url}"}}}}, '
            f'{{id = "farm", kind = "feed", options = {{path = "farm.csv", folder = "{tmp_path / "feeds"}"}}}}]'
        )
        env = {
            "GACHI_DATA": str(tmp_path / "data"),
            "GACHI_LOG__LEVEL": "error",
            "GACHI_BRIDGE__SHOPS": shops,
        }
        settings = Settings.load(env=env)
        settings.create_folders()
        async with Database.of(settings) as database:
            await migrations.upgrade(database)
        async with (
            asyncio.timeout(DEADLINE),
            HubServer(settings.socket("bus")),
            Supervisor(settings.environment) as supervisor,
            open_bus(settings) as bus,
        ):
            for _ in range(2):  # the second time from what the database kept
                child = await supervisor.start(ChildSpec("bridge", "commerce_bridge.__main__:main"))
                assert await child.wait_ready(DEADLINE), child.reason
                (apple,) = await found(bus, "ㅅㄱ 5kg")
                assert (apple.title, apple.price, apple.saleable) == ("청송 사과 5kg", 29_000, 12)
                down, farm = await read(bus)
                assert (down.id, down.products, down.reached) == ("deaf", 0, 0)
                assert (farm.products, farm.sync.bad) == (2, 1)
                await supervisor.stop("bridge")

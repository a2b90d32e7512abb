"""A bridge that runs in the test's own process, with shops in memory."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from commerce_bridge import compose
from commerce_bridge.adapters.sql import SqlCatalogStore
from commerce_bridge.contracts.products import (
    GetProducts,
    Heard,
    HearWebhook,
    ListShops,
    ProductView,
    SearchProducts,
    ShopView,
)
from commerce_bridge.settings import BridgeSettings, ShopSeed
from runtime.bus.calls import call
from runtime.bus.local import LocalBus
from runtime.clock import SystemClock
from runtime.database import Database
from tests.support.goods import product
from tests.support.toy_shop import ToyShop

DEADLINE = 15.0
T = TypeVar("T")


class House:
    """A bridge that can be stopped and started, on a bus and a database that stay."""

    def __init__(self, database: Database) -> None:
        self.bus = LocalBus()
        self.store = SqlCatalogStore(database)

    @asynccontextmanager
    async def bridge(self, *seeds: ShopSeed, none: bool = False, **settings: Any) -> AsyncIterator[None]:
        """With the shop `mall` where no others, or none, are named."""
        ready, stop = asyncio.Event(), asyncio.Event()

        async def stopping() -> None:
            await stop.wait()

        intervals: dict[str, Any] = {"changes_interval": 0.05, "watch_interval": 0.02, "shop_timeout": 5.0}
        running = asyncio.create_task(
            compose.run(
                self.bus,
                self.store,
                settings=BridgeSettings(
                    shops=[] if none else list(seeds or (seed(),)), **(intervals | settings)
                ),
                beside={},
                clock=SystemClock(),
                ready=ready.set,
                stopping=stopping,
            )
        )
        try:
            async with asyncio.timeout(DEADLINE):
                await ready.wait()
            yield
        finally:
            stop.set()
            await asyncio.wait([running], timeout=DEADLINE)
            running.result()

    async def shop(self, name: str = "mall") -> ShopView:
        shops = (await call(self.bus, ListShops())).shops
        return next(each for each in shops if each.id == name)

    async def read(self, name: str = "mall") -> ShopView:
        """The shop, once a pass came to an end."""

        async def look() -> ShopView | None:
            view = await self.shop(name)
            return view if view.sync.ended and not view.sync.running else None

        return await until(look)

    async def found(self, text: str = "", **more: Any) -> list[str]:
        page = await call(self.bus, SearchProducts(text=text, **more))
        return [each.title for each in page.products]

    async def get(self, number: int, shop: str = "mall") -> ProductView:
        return (await call(self.bus, GetProducts(ids=[product(number, shop=shop).id]))).products[0]

    async def hear(self, shop: ToyShop, event: str, *keys: str, secret: str = "") -> Heard:
        headers, body = shop.webhook(event, *keys, now=time.time_ns() // 1000, secret=secret)
        return await call(
            self.bus, HearWebhook(shop=shop.name, headers=headers, body=base64.b64encode(body).decode())
        )


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    async with asyncio.timeout(DEADLINE):
        while not (found := await look()):
            await asyncio.sleep(0.01)
        return found


def seed(name: str = "mall", without: str = "") -> ShopSeed:
    return ShopSeed.model_validate(
        {"id": name, "kind": "toy", "name": "장터", "options": {"secret": "s", "without": without}}
    )

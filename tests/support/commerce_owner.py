"""The bridge as web sees it: keys and products, in memory and really working."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from commerce_bridge.adapters.link_key_memory import MemoryLinkKeys
from commerce_bridge.contracts.products import GetProducts, LegalView, ProductList, ProductView
from commerce_bridge.links.keys import link_handlers
from commerce_bridge.model.product import product_id
from runtime.bus.calls import Handler, serve
from runtime.bus.contract import Command
from runtime.bus.port import Bus
from runtime.clock import ManualClock


def product(key: str, url: str = "", *, image: str = "", gone: bool = False) -> ProductView:
    """A product of the shop `demo`."""
    return ProductView(
        id=product_id("demo", key),
        shop="demo",
        key=key,
        title=f"상품 {key}",
        description="",
        url=url or f"https://shop.example/goods/{key}",
        image=image,
        category="",
        brand="",
        price=1000,
        list_price=0,
        saleable=None,
        flags=[],
        variants=[],
        legal=LegalView(),
        missing=[],
        seen=1,
        gone=gone,
    )


class CommerceOwner:
    """Has the products; `serving` answers for them and for the keys."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.clock = ManualClock()
        self.keys = MemoryLinkKeys()
        self.products: dict[str, ProductView] = {}
        self.asked = 0
        """Times that products were asked for."""

    def put(self, view: ProductView) -> ProductView:
        self.products[view.id] = view
        return view

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[CommerceOwner]:
        async with serve(self.bus, self.handlers()):
            yield self

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        return {**link_handlers(self.keys, now=self.clock.wall), GetProducts: self._products}

    async def _products(self, command: GetProducts) -> ProductList:
        self.asked += 1
        await asyncio.sleep(0)  # so that others may join
        return ProductList(products=[self.products[each] for each in command.ids if each in self.products])

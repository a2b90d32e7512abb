"""The bridge's products as the studio meets them: told when asked, and when they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from commerce_bridge.contracts.products import (
    GetProducts,
    LegalView,
    ProductChanged,
    ProductList,
    ProductView,
    WatchProducts,
)
from commerce_bridge.model.product import MANDATORY
from runtime.bus.calls import publish, serve
from runtime.bus.port import Bus

LEGAL = LegalView(**dict.fromkeys(MANDATORY, "있음"))


def product(name: str, price: int = 10_000, **more: Any) -> ProductView:
    """A product that may be sold."""
    fields: dict[str, Any] = {
        "id": name,
        "shop": "demo",
        "key": f"k-{name}",
        "title": f"상품 {name}",
        "description": "",
        "url": f"https://shop.example/{name}",
        "image": "",
        "category": "",
        "brand": "",
        "price": price,
        "list_price": 0,
        "saleable": 5,
        "flags": [],
        "variants": [],
        "legal": LEGAL,
        "missing": [],
        "seen": 1,
    }
    return ProductView(**{**fields, **more})


class ProductOwner:
    """Owns what it is given. `answering` cleared: no answer comes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.products: dict[str, ProductView] = {}
        self.watched: list[str] = []
        """Ids that were asked to be watched, in order."""
        self.asked = 0
        """Times that products were asked for."""
        self.answering = asyncio.Event()
        self.answering.set()

    def put(self, *views: ProductView) -> None:
        for view in views:
            self.products[view.id] = view

    async def change(self, name: str, **changes: Any) -> ProductView:
        """A product is different now, and those who watch are told."""
        before = self.products[name]
        view = before.model_copy(update={"seen": before.seen + 1, **changes})
        self.products[name] = view
        await publish(self._bus, ProductChanged(product=view))
        return view

    async def _get(self, command: GetProducts | WatchProducts) -> ProductList:
        self.asked += 1
        await self.answering.wait()
        return ProductList(products=[self.products[each] for each in command.ids if each in self.products])

    async def _watch(self, command: WatchProducts) -> ProductList:
        self.watched += command.ids
        return await self._get(command)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer commands while open."""
        async with serve(self._bus, {GetProducts: self._get, WatchProducts: self._watch}):
            yield

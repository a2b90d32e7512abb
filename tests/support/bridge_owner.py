"""The owner of shops and products, in memory and really working; without any shop behind it."""

from __future__ import annotations

import base64
from typing import Any

from commerce_bridge.catalog import progress
from commerce_bridge.catalog.lines import told_of
from commerce_bridge.catalog.pieces import Entry
from commerce_bridge.catalog.search import CatalogIndex
from commerce_bridge.catalog.views import view_of
from commerce_bridge.contracts import products as pr
from commerce_bridge.model.product import Product
from commerce_bridge.ports import Capability, Kept
from runtime.bus.calls import Handler, publish
from runtime.bus.contract import Command, CommandError, Fault
from runtime.bus.port import Bus

SIGNED = "good"
"""Value of the header `x-signature` of what a shop sent."""
SEEN = 1_764_531_000_250_000


class BridgeOwner:
    """Has the state and answers for it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.products: dict[str, pr.ProductView] = {}
        self.shops: dict[str, pr.ShopView] = {}
        self.watched: list[str] = []
        self.heard: list[tuple[str, bytes]] = []
        """Shop and body of each webhook that was fresh."""
        self.headers: dict[str, str] = {}
        """Of the newest one."""
        self._index = CatalogIndex()

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        return {
            pr.SearchProducts: self.search,
            pr.GetProducts: self.get,
            pr.WatchProducts: self.watch,
            pr.ListShops: self.list,
            pr.SyncShop: self.sync,
            pr.HearWebhook: self.hear,
        }

    def connect(self, name: str) -> pr.ShopView:
        self.shops[name] = pr.ShopView(
            id=name,
            kind="feed",
            name="장터",
            capabilities=[Capability.FETCH, Capability.WEBHOOKS],
            products=0,
            reached=SEEN,
            error="",
            sync=progress.NONE,
        )
        return self.shops[name]

    def sell(self, *products: Product) -> None:
        """New or changed products."""
        for product in products:
            self.products[product.id] = view_of(Kept(product, SEEN))
            self._index.put([Entry.of(product.id, product.shop, told_of(product))])

    async def tell(self, product: Product) -> None:
        """A product changed, and those who watch are told."""
        self.sell(product)
        await publish(self.bus, pr.ProductChanged(product=self.products[product.id]))

    async def search(self, command: pr.SearchProducts) -> pr.ProductPage:
        try:
            found = self._index.search(
                command.text, shop=command.shop, limit=command.limit, cursor=command.cursor
            )
        except ValueError as error:
            raise CommandError(Fault.INVALID, str(error), field="cursor") from error
        return pr.ProductPage(products=[self.products[each] for each in found.ids], next=found.next)

    async def get(self, command: pr.GetProducts) -> pr.ProductList:
        return pr.ProductList(products=[self.products[each] for each in command.ids if each in self.products])

    async def watch(self, command: pr.WatchProducts) -> pr.ProductList:
        self.watched += command.ids
        return pr.ProductList(products=[self.products[each] for each in command.ids if each in self.products])

    async def list(self, _: pr.ListShops) -> pr.ShopList:
        return pr.ShopList(shops=[self.shops[name] for name in sorted(self.shops)])

    async def sync(self, command: pr.SyncShop) -> pr.ShopView:
        view = self._shop(command.shop)
        if not view.sync.running:
            view = view.model_copy(update={"sync": progress.begun(SEEN)})
            self.shops[view.id] = view
            await publish(self.bus, pr.ShopChanged(shop=view))
        return view

    async def hear(self, command: pr.HearWebhook) -> pr.Heard:
        shop = self._shop(command.shop)
        if command.headers.get("x-signature") != SIGNED:
            raise CommandError(Fault.INVALID, "its signature is wrong", field="signature")
        self.headers = command.headers
        told = (shop.id, base64.b64decode(command.body))
        if told in self.heard:
            return pr.Heard(fresh=False)
        self.heard.append(told)
        return pr.Heard(fresh=True)

    def _shop(self, name: str) -> pr.ShopView:
        if name not in self.shops:
            raise CommandError(Fault.NOT_FOUND, f"there is no shop {name}")
        return self.shops[name]

"""What the bridge is asked of products and shops, over a bus: one method for each command of `commerce_bridge.contracts.products`."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from commerce_bridge.catalog import progress
from commerce_bridge.catalog.finder import Finder
from commerce_bridge.catalog.search import Found
from commerce_bridge.catalog.sync import ShopSync
from commerce_bridge.catalog.views import fitting, how_many_fit, view_of
from commerce_bridge.catalog.watching import Watched
from commerce_bridge.contracts import products as contract
from commerce_bridge.contracts.products import (
    Heard,
    ProductList,
    ProductPage,
    ProductView,
    ShopList,
    ShopView,
)
from commerce_bridge.model.errors import ConflictError, ForgedError, InvalidError, NotFoundError
from commerce_bridge.ports import Capability, CatalogStore
from runtime import logs
from runtime.clock import Clock

log = logs.get("bridge.desk")


@dataclass(frozen=True, slots=True)
class ConnectedShop:
    """A shop of the settings."""

    id: str
    kind: str
    name: str
    sync: ShopSync | None
    """None where its settings cannot be used."""
    error: str = ""
    """Why there is no sync."""


class Desk:
    """Handlers raise `BridgeError`."""

    def __init__(
        self,
        shops: Mapping[str, ConnectedShop],
        store: CatalogStore,
        finder: Finder,
        watched: Watched,
        clock: Clock,
    ) -> None:
        self._shops = shops
        self._store = store
        self._finder = finder
        self._watched = watched
        self._clock = clock
        self.webhooks: Counter[tuple[str, str]] = Counter()
        """By shop and outcome: `fresh`, `seen`, `forged`."""
        self.products: dict[str, int] = {}
        """How many each shop had when it was last told of."""

    async def search(self, command: contract.SearchProducts) -> ProductPage:
        """A page of what fits, shorter than asked for where it would not go into one answer."""
        found = await self._find(command, command.limit)
        views = await self._views(found.ids)
        count = how_many_fit(views)
        if count == len(views):
            return ProductPage(products=views, next=found.next)
        end = found.ids.index(views[count - 1].id) + 1
        found = await self._find(command, end)
        return ProductPage(products=views[:count], next=found.next)

    async def _find(self, command: contract.SearchProducts, limit: int) -> Found:
        return await self._finder.search(command.text, shop=command.shop, limit=limit, cursor=command.cursor)

    async def get(self, command: contract.GetProducts) -> ProductList:
        """Products by id."""
        return ProductList(products=fitting(await self._views(command.ids)))

    async def watch(self, command: contract.WatchProducts) -> ProductList:
        """Products by id, which are looked at every few seconds from now on."""
        views = await self._views(command.ids)
        now = self._clock.monotonic()
        for view in views:
            self._watched.add(view.id, view.shop, view.key, now)
        for shop in {view.shop for view in views} & self._shops.keys():
            if (sync := self._shops[shop].sync) is not None:
                sync.look()
        return ProductList(products=fitting(views))

    async def _views(self, ids: list[str]) -> list[ProductView]:
        kept = await self._store.get(ids)
        return [view_of(kept[each]) for each in dict.fromkeys(ids) if each in kept]

    async def list(self, _: contract.ListShops) -> ShopList:
        """All shops."""
        return ShopList(shops=[await self.view(self._shops[shop]) for shop in sorted(self._shops)])

    async def sync(self, command: contract.SyncShop) -> ShopView:
        """Begin a pass over a shop's catalog."""
        shop = self._shop(command.shop)
        if shop.sync is None:
            raise ConflictError(f"the settings of {shop.id} cannot be used: {shop.error}")
        shop.sync.read_all()
        return await self.view(shop)

    async def hear(self, command: contract.HearWebhook) -> Heard:
        """A webhook: believed in nothing but that something is worth a look."""
        shop = self._shop(command.shop)
        if shop.sync is None or Capability.WEBHOOKS not in shop.sync.capabilities:
            raise NotFoundError(f"the shop {shop.id} sends no webhooks")
        try:
            hint = shop.sync.read_hint(command.headers, base64.b64decode(command.body, validate=True))
        except binascii.Error as error:
            raise InvalidError("it is no base 64", field="body") from error
        except ForgedError as error:
            self.webhooks[shop.id, "forged"] += 1
            log.warning("a webhook was refused", shop=shop.id, error=str(error))
            raise InvalidError(f"it is not the shop's: {error}", field="signature") from error
        fresh = await self._store.first_time(shop.id, hint.event, at=self._clock.wall())
        self.webhooks[shop.id, "fresh" if fresh else "seen"] += 1
        if fresh:
            shop.sync.follow(hint)
        return Heard(fresh=fresh)

    def _shop(self, name: str) -> ConnectedShop:
        if name not in self._shops:
            raise NotFoundError(f"there is no shop {name}")
        return self._shops[name]

    async def view(self, shop: ConnectedShop) -> ShopView:
        """The shop as it is now."""
        count = self.products[shop.id] = await self._store.count(shop.id)
        sync = shop.sync
        return ShopView(
            id=shop.id,
            kind=shop.kind,
            name=shop.name,
            capabilities=[] if sync is None else sorted(sync.capabilities),
            products=count,
            reached=0 if sync is None else sync.reached,
            error=shop.error if sync is None else sync.error,
            sync=progress.NONE if sync is None else sync.view,
        )

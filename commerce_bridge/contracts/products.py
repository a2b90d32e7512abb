"""Shops and their products: owned by the bridge process."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from commerce_bridge.model.capability import Capability as Capability  # noqa: PLC0414 - part of this contract: readers import it here
from commerce_bridge.model.product import Flag as Flag  # noqa: PLC0414 - likewise
from runtime.bus.contract import Command, Event, Value


class VariantView(Value):
    """One thing that can be bought."""

    key: str
    title: str
    sku: str
    price: int
    list_price: int
    """0 where it is not reduced."""
    saleable: int | None
    """None where the shop does not say."""


class LegalView(Value):
    """What the law wants on a card; empty where the shop does not tell it."""

    seller: str = ""
    representative: str = ""
    address: str = ""
    phone: str = ""
    business_number: str = ""
    mail_order_number: str = ""
    shipping: str = ""
    withdrawal: str = ""


class ProductView(Value):
    """One product as it was last told by its shop. Money is KRW, times are Unix microseconds."""

    id: str
    shop: str
    key: str
    title: str
    description: str
    url: str
    image: str
    """Address of its picture in the shop; empty where it has none."""
    category: str
    brand: str
    price: int
    """The lowest of what can be bought."""
    list_price: int
    saleable: int | None
    flags: list[Flag]
    variants: list[VariantView]
    legal: LegalView
    missing: list[str]
    """Fields of `legal` that the law wants and that are empty."""
    seen: int
    """When the shop last told of it."""
    gone: bool = False


class ProductPage(Value):
    """Best match first, else by title; `next` is the cursor of the following page, empty at the end."""

    products: list[ProductView]
    next: str = ""


class SearchProducts(Command[ProductPage]):
    """Find products by words, or by the first consonants of their syllables (`ㅅㄱ` finds 사과)."""

    topic: ClassVar[str] = "bridge.products.search"
    asks = True
    reply = ProductPage
    text: str = Field(default="", max_length=200)
    shop: str | None = None
    limit: int = Field(default=50, ge=1, le=100)
    cursor: str = ""


class ProductList(Value):
    """In the order asked for, without those that there are not."""

    products: list[ProductView]


class GetProducts(Command[ProductList]):
    """Products by id, gone ones too."""

    topic: ClassVar[str] = "bridge.products.get"
    asks = True
    reply = ProductList
    ids: list[str] = Field(max_length=100)


class WatchProducts(Command[ProductList]):
    """Products whose changes matter within seconds now (they are in a show that is live): told as `GetProducts` tells them,
    and asked of their shop every few seconds for as long as this is said again at least each minute.
    """

    topic: ClassVar[str] = "bridge.products.watch"
    reply = ProductList
    ids: list[str] = Field(max_length=100)


class BadRowView(Value):
    """A row of a catalog that was passed over."""

    row: int
    field: str
    reason: str
    key: str


class SyncView(Value):
    """A pass over a shop's whole catalog."""

    running: bool
    started: int
    """Unix microseconds; 0: none yet."""
    ended: int
    rows: int
    """Read by now, bad ones too."""
    changed: int
    gone: int
    bad: int
    bad_rows: list[BadRowView]
    """The first 100 of them."""
    done: float | None
    """How much was read by now, 0 to 1, where that is known."""
    error: str
    """Why it ended early; empty where it did not."""


class ShopView(Value):
    """A shop that is connected."""

    id: str
    kind: str
    name: str
    capabilities: list[Capability]
    products: int
    reached: int
    """When it last answered, Unix microseconds; 0: never."""
    error: str
    """Why it does not; empty while it does."""
    sync: SyncView


class ShopList(Value):
    """All shops, by id."""

    shops: list[ShopView]


class ListShops(Command[ShopList]):
    """All connected shops."""

    topic: ClassVar[str] = "bridge.shops.list"
    asks = True
    reply = ShopList


class SyncShop(Command[ShopView]):
    """Read a shop's whole catalog now; the pass that runs is told."""

    topic: ClassVar[str] = "bridge.shops.sync"
    reply = ShopView
    shop: str


class Heard(Value):
    """What came of a webhook."""

    fresh: bool
    """It was not seen before."""


class HearWebhook(Command[Heard]):
    """A webhook came in. Invalid where its signature is wrong, or it is too old."""

    topic: ClassVar[str] = "bridge.shops.hear"
    reply = Heard
    shop: str
    headers: dict[str, str]
    """Names in lower case."""
    body: str
    """Base 64."""


class ProductChanged(Event):
    """A product's price, stock, text or presence changed: those that were asked for by `WatchProducts` alone."""

    topic: ClassVar[str] = "bridge.product.changed"
    product: ProductView


class ShopChanged(Event):
    """A shop's state changed; while a pass runs, twice a second at most."""

    topic: ClassVar[str] = "bridge.shop.changed"
    shop: ShopView

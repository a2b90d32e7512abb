"""What goes over the wire of products, shops and cards. See `web.api.wire`."""

from __future__ import annotations

from pydantic import Field

from commerce_bridge.contracts.products import Capability, Flag
from commerce_bridge.model.card import CardState
from studio.contracts.cards import MOST_CARDS
from web.api.wire import PageQuery, Time, Wire


class Variant(Wire):
    """One thing that can be bought: a size, a colour."""

    key: str
    title: str
    sku: str
    price: int = Field(description="KRW.")
    list_price: int | None = Field(description="KRW before a reduction; null where there is none.")
    saleable: int | None = Field(description="How many are left; null where the shop does not say.")


class Legal(Wire):
    """Who sells, and on what terms; empty where the shop does not tell it."""

    seller: str = Field(description="상호")
    representative: str = Field(description="대표자")
    address: str
    phone: str
    business_number: str = Field(description="사업자등록번호")
    mail_order_number: str = Field(description="통신판매업신고번호")
    shipping: str
    withdrawal: str = Field(description="청약철회")


class Product(Wire):
    """One product as its shop last told it."""

    id: str
    shop: str
    title: str
    description: str
    url: str = Field(description="Its page in the shop.")
    picture: str | None = Field(
        description="Path of its picture here, 480 pixels at most; null where it has none."
    )
    category: str
    brand: str
    price: int = Field(description="KRW, the lowest of what can be bought.")
    list_price: int | None = Field(description="KRW before a reduction; null where there is none.")
    saleable: int | None = Field(description="How many are left; null where the shop does not say.")
    flags: list[Flag]
    variants: list[Variant]
    legal: Legal
    missing: list[str] = Field(description="Fields of `legal` that the law wants and that are empty.")
    seen: Time = Field(description="When the shop last told of it.")
    gone: bool = Field(description="The shop no longer offers it.")


class ProductQuery(PageQuery):
    """Query of the catalog."""

    limit: int = Field(default=50, ge=1, le=100, description="Items on one page at most.")
    text: str = Field(
        default="", max_length=200, description="Words, or first consonants: `ㅅㄱ` finds 사과."
    )
    shop: str | None = Field(default=None, max_length=40)


class ProductPage(Wire):
    """Best match first."""

    items: list[Product]
    next: str | None


class BadRow(Wire):
    """A row of a catalog that was passed over."""

    row: int
    field: str
    reason: str
    key: str


class Sync(Wire):
    """A pass over a shop's whole catalog."""

    running: bool
    started: Time | None
    ended: Time | None
    rows: int = Field(description="Read by now, bad ones too.")
    changed: int
    gone: int
    bad: int
    bad_rows: list[BadRow] = Field(description="The first 100 of them.")
    done: float | None = Field(description="How much was read by now, 0 to 1, where that is known.")
    error: str = Field(description="Why it ended early; empty where it did not.")


class Shop(Wire):
    """A connected shop."""

    id: str
    kind: str
    name: str
    capabilities: list[Capability]
    products: int
    reached: Time | None = Field(description="When it last answered.")
    error: str = Field(description="Why it does not; empty while it does.")
    sync: Sync


class ShopPage(Wire):
    """All shops."""

    items: list[Shop]
    next: None = None


class LineupItem(Wire):
    """A product of a show."""

    product: str = Field(max_length=40)
    talking_points: str = Field(default="", max_length=2000)
    sale_price: int | None = Field(
        default=None, gt=0, description="KRW that it is to cost in this show's time sale."
    )


class LineupPut(Wire):
    """All products of a show, in the order in which the host means to talk of them."""

    items: list[LineupItem] = Field(max_length=MOST_CARDS)


class SaleStart(Wire):
    """A time sale."""

    price: int = Field(gt=0, le=10**12, description="KRW, below what it costs.")
    seconds: int = Field(ge=10, le=3600)
    quantity: int | None = Field(default=None, gt=0, le=1_000_000)
    per_buyer: int | None = Field(default=None, gt=0, le=1000, description="Enforced by the shop.")


class Sale(Wire):
    """A time sale that runs. It ends by the server's clock."""

    id: str
    price: int
    started: Time
    ends: Time
    quantity: int | None
    per_buyer: int | None


class Card(Wire):
    """A product in a show."""

    product: Product
    state: CardState
    buy: str | None = Field(
        description="Path of its purchase link: `/go/…`. Null for some seconds after a start, while links cannot be made."
    )
    talking_points: str | None = Field(description="For hosts and staff; null for viewers.")
    sale_price: int | None = Field(description="For hosts and staff; null for viewers.")
    sale: Sale | None


class Moment(Wire):
    """From `time` on, this is on the picture."""

    time: Time = Field(description="Programme time.")
    product: str | None = Field(description="Null: no card.")
    pinned: bool
    price: int | None = Field(description="KRW that it cost then.")
    list_price: int | None


class Cards(Wire):
    """All cards of a show. Price and stock are of now; what is on the picture goes by the player's own programme time: the last of
    `moments` that is not after it.
    """

    show: str
    version: int
    cards: list[Card]
    moments: list[Moment]

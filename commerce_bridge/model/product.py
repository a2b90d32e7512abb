"""A product as its shop offers it, checked: what does not hold here never reaches a card.

Money is integer KRW, which has no minor unit. Times are Unix microseconds.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.text import one_line, plain

KEY_LIMIT = 200
TITLE_LIMIT = 200
TEXT_LIMIT = 4000
"""Characters of a description that are kept: a card has no room for more."""
URL_LIMIT = 2000
MOST_VARIANTS = 200
MOST_WON = 10**12
MOST_STOCK = 10**9
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f]")
ID_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Of products' ids, in their order."""


class Flag(StrEnum):
    """What a card says about paying and buying."""

    ONNURI = "onnuri"
    """온누리상품권 is accepted; eligible product by product, checked again monthly."""
    NAVER_PAY = "naver_pay"
    KAKAO_PAY = "kakao_pay"
    SUBSCRIPTION = "subscription"
    FREE_SHIPPING = "free_shipping"


@dataclass(frozen=True, slots=True)
class Stock:
    """What the shop says it has. None: it does not say."""

    on_hand: int | None = None
    allocated: int = 0
    threshold: int = 0
    """Kept back: never sold below this many."""

    @property
    def saleable(self) -> int | None:
        """How many can be bought now; never below 0. None where the shop does not say."""
        return None if self.on_hand is None else max(0, self.on_hand - self.allocated - self.threshold)


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be bought: a size, a colour."""

    key: str
    """The shop's own id."""
    price: int
    """KRW that it costs now; above 0."""
    sku: str = ""
    title: str = ""
    list_price: int = 0
    """KRW before a reduction; 0 where there is none, else above `price`."""
    stock: Stock = Stock()


@dataclass(frozen=True, slots=True)
class Legal:
    """What Korean e-commerce law wants on a card. Empty where the shop does not tell it."""

    seller: str = ""
    """상호"""
    representative: str = ""
    """대표자"""
    address: str = ""
    phone: str = ""
    business_number: str = ""
    """사업자등록번호"""
    mail_order_number: str = ""
    """통신판매업신고번호"""
    shipping: str = ""
    """Costs and times of delivery."""
    withdrawal: str = ""
    """청약철회: how to return it."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Mandatory fields that are empty."""
        return tuple(name for name in MANDATORY if not getattr(self, name))


MANDATORY = (
    "seller", "representative", "address", "phone", "business_number", "mail_order_number", "shipping", "withdrawal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Product:
    """One product with at least one variant."""

    shop: str
    """Id of our shop record."""
    key: str
    """The shop's own id."""
    title: str
    variants: tuple[Variant, ...]
    url: str
    """Its page in the shop: http(s)."""
    image: str = ""
    """URL of its picture: http(s); empty where it has none."""
    description: str = ""
    category: str = ""
    brand: str = ""
    flags: frozenset[Flag] = frozenset()
    legal: Legal = field(default_factory=Legal)
    updated: int = 0
    """When the shop last changed it, by the shop; 0 where it does not say."""

    @property
    def id(self) -> str:
        """Ours, the same for ever: 16 digits made of shop and key."""
        return product_id(self.shop, self.key)

    @property
    def price(self) -> int:
        """The lowest price of a variant that can be bought, else of any."""
        able = [each.price for each in self.variants if each.stock.saleable != 0]
        return min(able or [each.price for each in self.variants])

    @property
    def list_price(self) -> int:
        """Of the variant whose price counts; 0 where it is not reduced."""
        price = self.price
        return max((each.list_price for each in self.variants if each.price == price), default=0)

    @property
    def saleable(self) -> int | None:
        """Of all variants together; None where one does not say."""
        counts = [each.stock.saleable for each in self.variants]
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)


def product_id(shop: str, key: str) -> str:
    """The id of a product: 80 bits of a hash, so that nothing need be looked up to name it."""
    number = int.from_bytes(hashlib.blake2b(f"{shop}\0{key}".encode(), digest_size=10).digest(), "big")
    return "".join(ID_DIGITS[number >> (5 * place) & 31] for place in range(15, -1, -1))


def checked_won(value: object, *, name: str = "price") -> int:
    """A price. Raises `InvalidError` where it is no whole number of won above 0."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidError(f"{value!r} is no whole number of won", field=name)
    if not 0 < value <= MOST_WON:
        raise InvalidError(f"a price of {value} won cannot be", field=name)
    return value


def checked_url(value: str, *, name: str) -> str:
    """An absolute http(s) address. Raises `InvalidError`: anything else may be a script."""
    value = value.strip()
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
    except ValueError:
        sound = False
    if not sound or len(value) > URL_LIMIT or _NOT_IN_A_URL.search(value):
        raise InvalidError(f"{value[:100]!r} is no http(s) address", field=name)
    return value


def checked_variant(variant: Variant) -> Variant:
    """The variant as it may be shown. Raises `InvalidError`.

    A list price that is no reduction is left out; stock below 0 counts as 0 (shops oversell).
    """
    stock = variant.stock
    for name in ("on_hand", "allocated", "threshold"):
        count = getattr(stock, name)
        if count is not None and not -MOST_STOCK <= count <= MOST_STOCK:
            raise InvalidError(f"a stock of {count} cannot be", field=name)
    price = checked_won(variant.price)
    return Variant(
        key=_checked_key(variant.key, "variant"),
        price=price,
        sku=one_line(plain(variant.sku), KEY_LIMIT),
        title=one_line(plain(variant.title), TITLE_LIMIT),
        list_price=variant.list_price if price < variant.list_price <= MOST_WON else 0,
        stock=Stock(
            None if stock.on_hand is None else max(0, stock.on_hand),
            max(0, stock.allocated),
            max(0, stock.threshold),
        ),
    )


def checked(product: Product) -> Product:
    """The product as it may be shown: text without markup and signs of control, cut to length. Raises `InvalidError`
    with the field at fault where it has no title, no sound address, no variant, or an impossible price.
    """
    title = one_line(plain(product.title), TITLE_LIMIT)
    if not title:
        raise InvalidError("a product needs a title", field="title")
    if not 1 <= len(product.variants) <= MOST_VARIANTS:
        raise InvalidError(f"{len(product.variants)} variants: 1 to {MOST_VARIANTS} can be", field="variants")
    variants = tuple(checked_variant(each) for each in product.variants)
    if len({each.key for each in variants}) < len(variants):
        raise InvalidError("two variants have the same id", field="variants")
    legal = Legal(**{name: one_line(plain(getattr(product.legal, name)), 500) for name in MANDATORY})
    return Product(
        shop=product.shop,
        key=_checked_key(product.key, "id"),
        title=title,
        variants=variants,
        url=checked_url(product.url, name="url"),
        image=checked_url(product.image, name="image") if product.image.strip() else "",
        description=plain(product.description)[:TEXT_LIMIT],
        category=one_line(plain(product.category), TITLE_LIMIT),
        brand=one_line(plain(product.brand), TITLE_LIMIT),
        flags=product.flags,
        legal=legal,
        updated=max(0, product.updated),
    )


def _checked_key(key: str, name: str) -> str:
    key = key.strip()
    if not key or len(key) > KEY_LIMIT or not key.isprintable():
        raise InvalidError(f"{key[:60]!r} cannot be an id", field=name)
    return key

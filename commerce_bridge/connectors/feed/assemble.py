"""Rows → checked products: a row is a product, or a variant of one where rows that follow each other say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from commerce_bridge.connectors.feed import grammar
from commerce_bridge.connectors.feed.columns import Field
from commerce_bridge.connectors.feed.rows import Row
from commerce_bridge.model.errors import InvalidError, ShopLiedError
from commerce_bridge.model.product import (
    MANDATORY,
    MOST_VARIANTS,
    Flag,
    Legal,
    Product,
    Stock,
    Variant,
    checked,
    checked_won,
)
from commerce_bridge.ports import BadRow

_OPTIONS = (Field.OPTION, Field.COLOR, Field.SIZE, Field.MATERIAL, Field.PATTERN)
_FLAGS = {
    Field.ONNURI: Flag.ONNURI,
    Field.NAVER_PAY: Flag.NAVER_PAY,
    Field.KAKAO_PAY: Flag.KAKAO_PAY,
    Field.SUBSCRIPTION: Flag.SUBSCRIPTION,
    Field.FREE_SHIPPING: Flag.FREE_SHIPPING,
}
_LEGAL = {
    Field.SELLER: "seller",
    Field.REPRESENTATIVE: "representative",
    Field.ADDRESS: "address",
    Field.PHONE: "phone",
    Field.BUSINESS_NUMBER: "business_number",
    Field.MAIL_ORDER_NUMBER: "mail_order_number",
    Field.SHIPPING: "shipping",
    Field.WITHDRAWAL: "withdrawal",
}
assert set(_LEGAL.values()) == set(MANDATORY)
_OF_THE_MODEL: dict[str, str] = {
    "url": Field.URL,
    "image": Field.IMAGE,
    "variant": Field.KEY,
    "on_hand": Field.QUANTITY,
}
"""Fields at fault by the model's names, where a feed calls them otherwise."""
MOST_PRODUCTS = 1_000_000
"""Five times the largest catalog of the plan."""
_NO_TEXT = "holds bytes that are no text in the feed's encoding"


def product_of(row: Row, shop: str, *, now: int) -> Product:
    """A row by itself, as a product of one variant. Raises `InvalidError` with the `Field` at fault.

    `now` (Unix microseconds) decides whether a sale price with a window counts.
    """
    texts = row.texts
    price, list_price = _prices(texts, now)
    key = texts.get(Field.KEY, "")
    return checked(
        Product(
            shop=shop,
            key=key,
            title=texts.get(Field.TITLE, ""),
            variants=(
                Variant(
                    key=key,
                    price=price,
                    sku=texts.get(Field.SKU, ""),
                    title=" / ".join(texts[field] for field in _OPTIONS if field in texts),
                    list_price=list_price,
                    stock=_stock(texts),
                ),
            ),
            url=texts.get(Field.URL, ""),
            image=texts.get(Field.IMAGE, ""),
            description=texts.get(Field.DESCRIPTION, ""),
            category=texts.get(Field.CATEGORY, ""),
            brand=texts.get(Field.BRAND, ""),
            flags=frozenset(
                flag
                for field, flag in _FLAGS.items()
                if field in texts and grammar.yes(texts[field], name=field)
            ),
            legal=Legal(**{name: texts[field] for field, name in _LEGAL.items() if field in texts}),
        )
    )


def _prices(texts: Mapping[Field, str], now: int) -> tuple[int, int]:
    """What it costs, and what it cost before (0: no less)."""
    if Field.PRICE not in texts:
        raise InvalidError("a product needs a price", field=Field.PRICE)
    price = grammar.won(texts[Field.PRICE], name=Field.PRICE)
    before = grammar.won(texts[Field.LIST_PRICE], name=Field.LIST_PRICE) if Field.LIST_PRICE in texts else 0
    if Field.SALE_PRICE in texts:
        sale = grammar.won(texts[Field.SALE_PRICE], name=Field.SALE_PRICE)
        since, until = 0, now + 1
        if Field.SALE_WINDOW in texts:
            since, until = grammar.window(texts[Field.SALE_WINDOW], name=Field.SALE_WINDOW)
        if since <= now < until:
            return checked_won(sale, name=Field.SALE_PRICE), max(price, before)
    return price, before


def _stock(texts: Mapping[Field, str]) -> Stock:
    left = grammar.count(texts[Field.QUANTITY], name=Field.QUANTITY) if Field.QUANTITY in texts else None
    if Field.AVAILABILITY in texts and not grammar.buyable(
        texts[Field.AVAILABILITY], name=Field.AVAILABILITY
    ):
        left = 0
    if Field.SOLD_OUT in texts and grammar.yes(texts[Field.SOLD_OUT], name=Field.SOLD_OUT):
        left = 0
    return Stock(left)


class Assembler:
    """Holds the product whose variants are read, and a number of every other one (8 MB of 100,000): to know a second of
    the same id.
    """

    def __init__(self, shop: str, *, now: int) -> None:
        self._shop = shop
        self._now = now
        self._open: Product | None = None
        self._group = ""
        """What the rows of `_open` have in common; empty where it has one row."""
        self._told: set[int] = set()
        self.counts = False
        """Whether a row told how many are left."""
        self.timed = False
        """Whether a price depends on the time: the same feed may mean other prices later."""

    def add(self, row: Row | BadRow) -> Iterator[Product | BadRow]:
        """What a row completes, or what is wrong with it. Raises `ShopLiedError` at `MOST_PRODUCTS`."""
        if isinstance(row, BadRow):
            yield row
            return
        self.counts = self.counts or Field.QUANTITY in row.texts
        self.timed = self.timed or Field.SALE_WINDOW in row.texts
        try:
            _check_text(row)
            product = product_of(row, self._shop, now=self._now)
            group = row.texts.get(Field.GROUP, "")
            if group and self._open is not None and group == self._group:
                self._join(product.variants[0])
                return
            yield from self.end()
            self._begin(product, group)
        except InvalidError as error:
            yield _bad(row, error)

    def end(self) -> Iterator[Product]:
        """The product that was open."""
        if self._open is not None:
            yield self._open
            self._open = None

    def _begin(self, product: Product, group: str) -> None:
        product = checked(replace(product, key=group)) if group else product
        known = hash(product.key)
        if known in self._told:
            if group:
                raise InvalidError("rows of one product must follow each other", field=Field.GROUP)
            raise InvalidError("a product of this id was told already", field=Field.KEY)
        if len(self._told) >= MOST_PRODUCTS:
            raise ShopLiedError(f"the feed has more than {MOST_PRODUCTS} products")
        self._told.add(known)
        self._open, self._group = product, group

    def _join(self, variant: Variant) -> None:
        assert self._open is not None
        variants = self._open.variants
        if any(each.key == variant.key for each in variants):
            raise InvalidError("a variant of this id was told already", field=Field.KEY)
        if len(variants) == MOST_VARIANTS:
            raise InvalidError(f"more than {MOST_VARIANTS} variants", field=Field.GROUP)
        self._open = replace(self._open, variants=(*variants, variant))


def _check_text(row: Row) -> None:
    try:
        "".join(row.texts.values()).encode()
    except UnicodeEncodeError:
        for field, text in row.texts.items():
            if any("\ud800" <= sign <= "\udfff" for sign in text):
                raise InvalidError(_NO_TEXT, field=field) from None


def _bad(row: Row, error: InvalidError) -> BadRow:
    at = _OF_THE_MODEL.get(error.field or "", error.field or "")
    name = next((name for field, name in row.names.items() if field == at), at)
    key = row.texts.get(Field.GROUP) or row.texts.get(Field.KEY, "")
    return BadRow(row.number, name, str(error), key[:200])

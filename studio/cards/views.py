"""Cards as others see them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commerce_bridge.cards.state import Cards, Facts, Sale, Source
from commerce_bridge.contracts.products import LegalView, ProductView
from commerce_bridge.model.product import MANDATORY
from studio.contracts.cards import CardsView, CardView, Moment, SaleView

MOST_BYTES = 700_000
"""A view fits one message of the bus with ease."""
TRIMS: tuple[tuple[int, int], ...] = ((4000, 200), (300, 20), (0, 0))
"""Characters of a description and variants that a card keeps: the first that fits all cards into a message counts."""


def bare(product: str, facts: Facts | None, source: Source | None, *, gone: bool = False) -> ProductView:
    """A product of which nothing is known but what was written down."""
    facts, source = facts or Facts(product, 0), source or Source()
    return ProductView(
        id=product,
        shop=source.shop,
        key="",
        title=facts.title,
        description="",
        url=source.url,
        image=source.image,
        category="",
        brand="",
        price=facts.price,
        list_price=facts.list_price,
        saleable=None,
        flags=[],
        variants=[],
        legal=LegalView(),
        missing=list(MANDATORY),
        seen=0,
        gone=gone,
    )


def known_of(view: ProductView) -> tuple[Facts, Source]:
    """What of a product is written down."""
    return Facts(view.title, view.price, view.list_price), Source(view.shop, view.url, view.image)


def view_of(
    show: str, cards: Cards, moments: Iterable[Moment], products: Mapping[str, ProductView]
) -> CardsView:
    """All cards, with products as they are known now, or else as they were when they were last written down."""
    told: CardsView | None = None
    for description, variants in TRIMS:
        told = CardsView(
            show=show,
            version=cards.lineup.version,
            cards=[
                CardView(
                    product=_trimmed(_product(cards, item.product, products), description, variants),
                    state=cards.state(item.product),
                    talking_points=item.talking_points,
                    sale_price=item.sale_price,
                    sale=_sale(cards.sales.get(item.product)),
                )
                for item in cards.lineup.items
            ],
            moments=list(moments),
        )
        if len(told.model_dump_json().encode()) < MOST_BYTES:
            break
    assert told is not None
    return told


def _product(cards: Cards, product: str, products: Mapping[str, ProductView]) -> ProductView:
    if view := products.get(product):
        return view
    return bare(product, cards.facts.get(product), cards.sources.get(product), gone=product in cards.gone)


def _trimmed(view: ProductView, description: int, variants: int) -> ProductView:
    if len(view.description) <= description and len(view.variants) <= variants:
        return view
    return view.model_copy(
        update={"description": view.description[:description], "variants": view.variants[:variants]}
    )


def _sale(sale: Sale | None) -> SaleView | None:
    if sale is None:
        return None
    return SaleView(
        id=sale.id,
        price=sale.price,
        started=sale.started,
        ends=sale.ends,
        quantity=sale.quantity,
        per_buyer=sale.per_buyer,
    )

"""Products as the contract tells them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from commerce_bridge.contracts.products import LegalView, ProductView, VariantView
from commerce_bridge.model.product import MANDATORY
from commerce_bridge.ports import Kept

MOST_BYTES = 900_000
"""Of the products of one answer: the bus takes a message of 1 MiB."""
SHORT_TEXT = 300
FEW_VARIANTS = 10


def view_of(kept: Kept) -> ProductView:
    """The product with its age."""
    product = kept.product
    return ProductView(
        id=product.id,
        shop=product.shop,
        key=product.key,
        title=product.title,
        description=product.description,
        url=product.url,
        image=product.image,
        category=product.category,
        brand=product.brand,
        price=product.price,
        list_price=product.list_price,
        saleable=product.saleable,
        flags=sorted(product.flags),
        variants=[
            VariantView(
                key=each.key,
                title=each.title,
                sku=each.sku,
                price=each.price,
                list_price=each.list_price,
                saleable=each.stock.saleable,
            )
            for each in product.variants
        ],
        legal=LegalView(**{name: getattr(product.legal, name) for name in MANDATORY}),
        missing=list(product.legal.missing),
        seen=kept.seen,
        gone=kept.gone,
    )


def size_of(view: ProductView) -> int:
    """Bytes that it takes in an answer."""
    return len(view.model_dump_json().encode())


def how_many_fit(views: Sequence[ProductView], most: int = MOST_BYTES) -> int:
    """How many of these, from the first on, go into one answer; one always does."""
    left = most
    for count, view in enumerate(views):
        left -= size_of(view)
        if left < 0:
            return max(1, count)
    return len(views)


def fitting(views: Sequence[ProductView], most: int = MOST_BYTES) -> list[ProductView]:
    """All of these, with shorter descriptions and, where that is not enough, fewer variants when they are too much for one answer."""
    shorter = list(views)
    if how_many_fit(shorter, most) < len(shorter):
        shorter = [view.model_copy(update={"description": view.description[:SHORT_TEXT]}) for view in shorter]
    if how_many_fit(shorter, most) < len(shorter):
        shorter = [view.model_copy(update={"variants": view.variants[:FEW_VARIANTS]}) for view in shorter]
    return shorter

"""Products over the wire."""

from __future__ import annotations

from commerce_bridge.contracts import products as contract
from commerce_bridge.model.picture import picture_path
from web.api import wire_commerce as wire
from web.api.wire import time_of


def product_of(view: contract.ProductView) -> wire.Product:
    """The wire form."""
    return wire.Product(
        id=view.id,
        shop=view.shop,
        title=view.title,
        description=view.description,
        url=view.url,
        picture=picture_path(view.id, view.image),
        category=view.category,
        brand=view.brand,
        price=view.price,
        list_price=view.list_price or None,
        saleable=view.saleable,
        flags=view.flags,
        variants=[
            wire.Variant(
                key=each.key,
                title=each.title,
                sku=each.sku,
                price=each.price,
                list_price=each.list_price or None,
                saleable=each.saleable,
            )
            for each in view.variants
        ],
        legal=wire.Legal.model_validate(view.legal.model_dump()),
        missing=view.missing,
        seen=time_of(view.seen),
        gone=view.gone,
    )

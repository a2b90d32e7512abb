"""Products for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commerce_bridge.model.product import Flag, Legal, Product, Stock, Variant, checked

LEGAL = Legal(
    seller="청송농원",
    representative="김청송",
    address="경북 청송군 청송읍 1",
    phone="054-000-0000",
    business_number="000-00-00000",
    mail_order_number="2026-청송-0001",
    shipping="3,000원, 이틀 안",
    withdrawal="받은 뒤 7일 안",
)


def product(number: int, title: str = "", *, shop: str = "mall", price: int = 10_000, **more: Any) -> Product:
    """A sound product; `stock` is how many there are of its one variant."""
    stock: int | None = more.pop("stock", 10)
    made = Product(
        shop=shop,
        key=f"p{number}",
        title=title or f"상품 {number}",
        variants=(Variant("v1", price, sku=f"SKU-{number}", list_price=2 * price, stock=Stock(stock)),),
        url=f"https://{shop}.example/p/{number}",
        image=f"https://{shop}.example/i/{number}.jpg",
        description="맛있습니다.\n오늘 땄습니다.",
        category="과일",
        brand="청송",
        flags=frozenset({Flag.ONNURI, Flag.FREE_SHIPPING}),
        legal=LEGAL,
        updated=1_000,
    )
    return checked(replace(made, **more))

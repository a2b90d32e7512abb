"""What the demo's shop sells: read from `seed.json`, and written as a feed for a demo without the shop. Pure but for the reading."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from commerce_bridge.model.product import MANDATORY, Flag

SEED = Path(__file__).parent / "seed.json"
LEGAL_HEADINGS = {
    "seller": "상호",
    "representative": "대표자",
    "address": "주소",
    "phone": "전화",
    "business_number": "사업자등록번호",
    "mail_order_number": "통신판매업신고번호",
    "shipping": "배송안내",
    "withdrawal": "청약철회",
}
FLAG_HEADINGS = {Flag.ONNURI: "온누리상품권", Flag.NAVER_PAY: "네이버페이"}
HEADINGS = (
    "id", "item_group_id", "title", "description", "link", "price", "sale_price", "availability", "quantity",
    "product_type", "option", *LEGAL_HEADINGS.values(), *FLAG_HEADINGS.values(),
)  # fmt: skip
"""Google's names where there are some, else those that Korean sellers write."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SeedSeller(_Part):
    """A small seller, made up."""

    id: str
    seller: str
    representative: str
    address: str
    phone: str
    business_number: str
    mail_order_number: str
    shipping: str
    withdrawal: str


class SeedPicture(_Part):
    """What `shop/pictures.mjs` draws."""

    shape: str
    colors: tuple[str, str] = Field(strict=False)


class SeedVariant(_Part):
    """One thing that can be bought. Money is KRW."""

    sku: str
    title: str
    price: int
    list_price: int
    stock: int


class SeedProduct(_Part):
    """A product of a seller."""

    slug: str
    title: str
    description: str
    category: str
    seller: str
    flags: frozenset[Flag] = Field(strict=False)
    picture: SeedPicture
    option: str | None
    """What its variants differ in; None where there is one."""
    variants: list[SeedVariant]


class Seed(_Part):
    """All that is sold, and by whom."""

    sellers: list[SeedSeller]
    products: list[SeedProduct]


def read_seed(path: Path = SEED) -> Seed:
    """The seed. Raises OSError, ValueError."""
    return Seed.model_validate_json(path.read_bytes())


def rows(seed: Seed, *, pages: str) -> Iterator[dict[str, str]]:
    """A row a variant, by `HEADINGS`; a product's page is its slug behind `pages`."""
    sellers = {seller.id: seller for seller in seed.sellers}
    for product in seed.products:
        seller = sellers[product.seller]
        for variant in product.variants:
            reduced = variant.list_price > variant.price
            yield {
                "id": variant.sku,
                "item_group_id": product.slug,
                "title": product.title,
                "description": product.description,
                "link": pages + product.slug,
                "price": f"{variant.list_price if reduced else variant.price} KRW",
                "sale_price": f"{variant.price} KRW" if reduced else "",
                "availability": "in_stock" if variant.stock else "out_of_stock",
                "quantity": str(variant.stock),
                "product_type": product.category,
                "option": variant.title,
                **{LEGAL_HEADINGS[name]: getattr(seller, name) for name in MANDATORY},
                **{text: "Y" if flag in product.flags else "N" for flag, text in FLAG_HEADINGS.items()},
            }


def feed(seed: Seed, *, pages: str) -> str:
    """The rows as CSV (RFC 4180)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADINGS)
    writer.writeheader()
    writer.writerows(rows(seed, pages=pages))
    return text.getvalue()

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from commerce_bridge.connectors.feed import open_shop
from commerce_bridge.connectors.feed.columns import field_of
from commerce_bridge.demoshop import install
from commerce_bridge.demoshop.seed import HEADINGS, feed, read_seed
from commerce_bridge.model.product import MANDATORY, Flag, Product

PAGES = "http://localhost:3900/store/p/"


def test_the_seed_can_be_sold() -> None:
    seed = read_seed()
    assert len(seed.products) == 24
    assert len({seller.id for seller in seed.sellers}) == len(seed.sellers) >= 5
    assert {product.seller for product in seed.products} == {seller.id for seller in seed.sellers}
    assert len({product.slug for product in seed.products}) == len(seed.products)
    variants = [variant for product in seed.products for variant in product.variants]
    assert len({variant.sku for variant in variants}) == len(variants)
    assert all(variant.price > 0 and variant.list_price != variant.price for variant in variants)
    assert any(variant.stock == 0 for variant in variants), "one is sold out"
    for product in seed.products:
        assert re.fullmatch(r"[a-z0-9-]{1,80}", product.slug), "as shop/store.mjs reads it"
        assert (product.option is None) == (len(product.variants) == 1)


def test_nobody_in_it_is_real() -> None:
    """No tax office's number begins with 000, and no exchange is 0000 of a number of 000."""
    for seller in read_seed().sellers:
        assert seller.business_number.startswith("000-")
        assert "-000-" in seller.phone
        assert not [name for name in MANDATORY if not getattr(seller, name)]


def test_every_picture_can_be_drawn() -> None:
    shapes = set(re.findall(r"^  (\w+): \(", (install.SOURCE / "pictures.mjs").read_text(), re.MULTILINE))
    for product in read_seed().products:
        assert product.picture.shape in shapes
        assert all(re.fullmatch(r"#[0-9a-f]{6}", color) for color in product.picture.colors)


async def test_the_feed_is_the_same_catalog(tmp_path: Path) -> None:
    seed = read_seed()
    text = feed(seed, pages=PAGES)
    assert tuple(next(csv.reader(io.StringIO(text)))) == HEADINGS
    assert all(field_of(heading) for heading in HEADINGS), "the connector knows them all"
    (tmp_path / "feed.csv").write_text(text, encoding="utf-8")
    shop = open_shop("demo", {"folder": str(tmp_path), "path": "feed.csv"})
    told: dict[str, Product] = {}
    async for batch in shop.everything():
        assert not batch.bad
        told |= {product.key: product for product in batch.products}
    await shop.close()
    sellers = {seller.id: seller for seller in seed.sellers}
    assert told.keys() == {product.slug for product in seed.products}
    for product in seed.products:
        got = told[product.slug]
        assert (got.title, got.category, got.url) == (product.title, product.category, PAGES + product.slug)
        assert (Flag.ONNURI in got.flags, Flag.NAVER_PAY in got.flags) == (
            Flag.ONNURI in product.flags,
            Flag.NAVER_PAY in product.flags,
        )
        assert got.legal.seller == sellers[product.seller].seller
        assert not got.legal.missing
        assert [(each.key, each.price, each.list_price, each.stock.saleable) for each in got.variants] == [
            (each.sku, each.price, each.list_price, each.stock) for each in product.variants
        ]

"""Rows → products: prices, variants, and what is at fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commerce_bridge.connectors.feed import assemble
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.model.product import MANDATORY, MOST_VARIANTS, Flag
from tests.support.feed_rows import NOW, read

HEAD = "id,title,link,price"


def table(headings: str, *lines: str) -> bytes:
    return "\n".join([f"{HEAD},{headings}", *lines, ""]).encode()


def test_a_row_of_a_korean_seller() -> None:
    text = (
        "상품번호,상품명,판매가,정가,재고,링크,이미지,브랜드,카테고리,옵션,상호,대표자,주소,전화,사업자번호,통신판매신고번호,배송,교환반품,온누리상품권,무료배송\n"
        '1001,청송 햇사과 5kg,"29,900원","￦35,000",12,https://a.kr/1001,https://a.kr/1.jpg,청송,식품>과일,특대,청송농원,홍길동,'
        '"경북 청송군 1, 2",054-1,123-45-67890,제2020-1호,무료배송,7일 이내,Y,N\n'
    )
    for encoding in ("utf-8-sig", "cp949"):
        (product,), bad = read(text.encode(encoding))
        assert not bad
        assert (product.price, product.list_price, product.saleable) == (29_900, 35_000, 12)
        assert product.variants[0].title == "특대"
        assert product.legal.missing == ()
        assert product.legal.address == "경북 청송군 1, 2"
        assert product.flags == {Flag.ONNURI}
        assert len(MANDATORY) == 8


@pytest.mark.parametrize(
    ("sale", "window", "price", "before"),
    [
        ("900", "", 900, 1000),
        ("", "", 1000, 0),
        ("1100", "", 1100, 0),
        ("900", "2026-05-01T00:00Z/2026-06-30T00:00Z", 900, 1000),
        ("900", "2026-05-01T00:00Z/2026-05-02T00:00Z", 1000, 0),
        ("900", "2027-05-01T00:00Z/2027-05-02T00:00Z", 1000, 0),
    ],
)
def test_a_sale_price_counts_within_its_window(sale: str, window: str, price: int, before: int) -> None:
    assert 1_777_593_600 < NOW / 1_000_000 < 1_782_777_600, "the windows are around it"
    (product,), _ = read(table("sale_price,sale_price_effective_date", f"1,a,http://a,1000,{sale},{window}"))
    assert (product.price, product.list_price) == (price, before)


@pytest.mark.parametrize(
    ("headings", "cells", "field"),
    [
        ("quantity", "많음", "quantity"), ("재고", "1.5", "재고"), ("sale_price", "0", "sale_price"), ("정가", "x", "정가"),
        ("sale_price,할인기간", "900,내일", "할인기간"), ("availability", "maybe", "availability"), ("온누리", "?", "온누리"),
        ("이미지", "javascript:alert(1)", "이미지"), ("재고", "9999999999", "재고"), ("품절여부", "글쎄", "품절여부"),
    ],
)  # fmt: skip
def test_what_is_at_fault_is_named_as_the_feed_names_it(headings: str, cells: str, field: str) -> None:
    products, bad = read(table(headings, f"1,a,http://a,1000,{cells}"))
    assert not products
    assert [(each.row, each.field, each.key) for each in bad] == [(1, field, "1")]
    assert bad[0].reason


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (",a,http://a,1000,", "상품번호"), ("1,,http://a,1000,", "상품명"), ("1,a,,1000,", "링크"), ("1,a,ftp://a,1000,", "링크"),
        ("1,a,http://a,,", "판매가"), ("1,a,http://a,0,", "판매가"), ("1,a,http://a,12.9,", "판매가"),
        ("1,<script>x</script>,http://a,1,", "상품명"), (f"{'1' * 201},a,http://a,1,", "상품번호"),
    ],
)  # fmt: skip
def test_what_every_product_needs(row: str, field: str) -> None:
    products, bad = read(f"상품번호,상품명,링크,판매가,옵션\n{row}\n".encode())
    assert not products
    assert [(each.row, each.field) for each in bad] == [(1, field)]


def test_stock_and_its_words() -> None:
    products, _ = read(
        table(
            "quantity,availability,품절여부",
            "1,a,http://a,1,5,in_stock,N", "2,a,http://a,1,5,out_of_stock,", "3,a,http://a,1,,판매중,", "4,a,http://a,1,-2,,",
            "5,a,http://a,1,5,,Y",
        )
    )  # fmt: skip
    assert [each.saleable for each in products] == [5, 0, None, 0, 0]


def test_rows_that_follow_each_other_are_variants() -> None:
    products, bad = read(
        table(
            "item_group_id,color,size,quantity",
            "a1,셔츠 빨강,http://a/1,1000,A,빨강,M,0",
            "a2,셔츠 빨강,http://a/2,1200,A,빨강,L,3",
            "b1,바지,http://a/3,2000,B,,,1",
            "c,양말,http://a/4,300,,,,",
            "d1,모자,http://a/5,400,D,,,",
            "d2,모자,http://a/5,oops,D,,,",
            "d3,모자,http://a/5,500,D,,,",
        )
    )
    assert [each.key for each in products] == ["A", "B", "c", "D"]
    shirt = products[0]
    assert shirt.url == "http://a/1"
    assert [(each.key, each.title, each.price) for each in shirt.variants] == [
        ("a1", "빨강 / M", 1000),
        ("a2", "빨강 / L", 1200),
    ]
    assert shirt.price == 1200, "the cheaper one is sold out"
    assert [each.key for each in products[3].variants] == ["d1", "d3"]
    assert [(each.row, each.field, each.key) for each in bad] == [(6, "price", "D")]


def test_rows_of_a_group_that_are_apart_are_bad() -> None:
    products, bad = read(
        table(
            "item_group_id",
            "1,a,http://a,1,A", "2,b,http://a,1,", "3,c,http://a,1,A", "4,d,http://a,1,A", "2,b,http://a,1,", "5,e,http://a,1,B",
            "5,e,http://a,1,B",
        )
    )  # fmt: skip
    assert [(each.key, len(each.variants)) for each in products] == [("A", 1), ("2", 1), ("B", 1)]
    assert [(each.row, each.field) for each in bad] == [
        (3, "item_group_id"), (4, "item_group_id"), (5, "id"), (7, "id"),
    ]  # fmt: skip
    assert "follow each other" in bad[0].reason
    assert all("told already" in each.reason for each in bad[2:])


def test_a_group_is_bounded() -> None:
    lines = [f"{n},a,http://a,1,A" for n in range(MOST_VARIANTS + 5)]
    (product,), bad = read(table("item_group_id", *lines))
    assert len(product.variants) == MOST_VARIANTS
    assert [each.row for each in bad] == [MOST_VARIANTS + n for n in range(1, 6)]
    assert replace(product, variants=product.variants[:1]) == read(table("item_group_id", lines[0]))[0][0]


def test_a_catalog_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "MOST_PRODUCTS", 3)
    assert len(read(table("brand", *(f"{n},a,http://a,1," for n in range(3))))[0]) == 3
    with pytest.raises(ShopLiedError, match="more than 3"):
        read(table("brand", *(f"{n},a,http://a,1," for n in range(4))))

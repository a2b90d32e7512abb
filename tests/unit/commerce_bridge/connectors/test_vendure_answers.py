from __future__ import annotations

import copy
from typing import Any

import pytest

from commerce_bridge.connectors.vendure import answers, queries
from commerce_bridge.connectors.vendure.options import read_options
from commerce_bridge.model.errors import InvalidError, ShopLiedError, ShopRefusedError
from commerce_bridge.model.product import Flag, Product

SETTINGS: dict[str, Any] = {
    "trackInventory": True,
    "outOfStockThreshold": 2,
    "serverConfig": {
        "moneyStrategyPrecision": 0,
        "entityCustomFields": [
            {"entityName": "Order", "customFields": [{"name": "lcClick", "type": "string"}]},
            {
                "entityName": "Product",
                "customFields": [
                    {"name": "seller", "type": "string"},
                    {"name": "businessNumber", "type": "string"},
                    {"name": "company", "type": "localeString"},
                    {"name": "onnuri", "type": "boolean"},
                    {"name": "naverPay", "type": "string"},
                ],
            },
            {"entityName": "ProductVariant", "customFields": [{"name": "listPrice", "type": "int"}]},
        ],
    },
}
VARIANT: dict[str, Any] = {
    "id": "1",
    "sku": "AP-3",
    "name": "꿀부사 사과 3kg",
    "enabled": True,
    "updatedAt": "2026-12-01T03:20:22.000Z",
    "priceWithTax": 23900,
    "currencyCode": "KRW",
    "options": [{"name": "3kg"}],
    "trackInventory": "TRUE",
    "outOfStockThreshold": 5,
    "useGlobalOutOfStockThreshold": False,
    "stockLevels": [{"stockOnHand": 40, "stockAllocated": 3}, {"stockOnHand": 2, "stockAllocated": 0}],
    "customFields": {"list_price": 29900},
}
PRODUCT: dict[str, Any] = {
    "id": "1",
    "name": "꿀부사 사과",
    "slug": "꿀부사-사과",
    "description": "<p>아침 이슬</p>",
    "updatedAt": "2026-12-01T03:20:20.500Z",
    "featuredAsset": {"preview": "http://shop.example/a.svg"},
    "collections": [{"name": "과일"}],
    "facetValues": [
        {"name": "봄", "facet": {"code": "season"}},
        {"name": "해남", "facet": {"code": "brand"}},
    ],
    "customFields": {"seller": "해남들녘농원", "business_number": None, "onnuri": True},
    "variants": [VARIANT],
}
RULES = answers.Rules(tracked=True, threshold=2, precision=0)


def read(
    change: dict[str, Any] | None = None, *variants: dict[str, Any], rules: answers.Rules = RULES
) -> Product | None:
    told = copy.deepcopy(PRODUCT) | (change or {})
    if variants:
        told["variants"] = [copy.deepcopy(VARIANT) | each for each in variants]
    answer = answers.read(answers.ProductAnswer, told)
    return answers.product("s", answer, rules, store="https://shop.example/p/")


def sound(*args: Any, **more: Any) -> Product:
    product = read(*args, **more)
    assert product is not None
    return product


def test_a_product_as_the_shop_tells_it() -> None:
    product = sound()
    assert (product.shop, product.key, product.title) == ("s", "1", "꿀부사 사과")
    assert product.url == "https://shop.example/p/%EA%BF%80%EB%B6%80%EC%82%AC-%EC%82%AC%EA%B3%BC"
    assert product.image == "http://shop.example/a.svg"
    assert (product.description, product.category, product.brand) == ("아침 이슬", "과일", "해남")
    assert product.legal.seller == "해남들녘농원"
    assert product.legal.business_number == ""
    assert product.flags == {Flag.ONNURI}
    assert product.updated == 1_796_095_222_000_000, "of the variant, which changed last"
    (variant,) = product.variants
    assert (variant.price, variant.list_price, variant.title, variant.sku) == (23900, 29900, "3kg", "AP-3")
    assert (variant.stock.on_hand, variant.stock.allocated, variant.stock.threshold) == (42, 3, 5)
    assert product.saleable == 34


@pytest.mark.parametrize(
    ("change", "tracked", "saleable"),
    [
        ({"useGlobalOutOfStockThreshold": True}, True, 37),
        ({"outOfStockThreshold": -10}, True, 49),
        ({"trackInventory": "FALSE"}, True, None),
        ({"trackInventory": "INHERIT"}, True, 34),
        ({"trackInventory": "INHERIT"}, False, None),
        ({"stockLevels": []}, True, 0),
        ({"stockLevels": [{"stockOnHand": 3, "stockAllocated": 9}]}, True, 0),
    ],
)
def test_what_can_be_sold(change: dict[str, Any], tracked: bool, saleable: int | None) -> None:
    rules = answers.Rules(tracked=tracked, threshold=2, precision=0)
    assert sound(None, change, rules=rules).saleable == saleable


def test_allocation_shows_though_the_time_of_change_stays() -> None:
    """Vendure leaves `updatedAt` as it was when an order allocates stock."""
    before, after = sound(), sound(None, {"stockLevels": [{"stockOnHand": 42, "stockAllocated": 4}]})
    assert after.updated == before.updated
    assert after.saleable == 33


def test_variants_that_are_not_on_sale_are_left_out() -> None:
    product = sound(None, {"id": "1"}, {"id": "2", "enabled": False})
    assert [each.key for each in product.variants] == ["1"]
    assert read(None, {"enabled": False}) is None


def test_a_variant_is_called_by_what_it_differs_in() -> None:
    assert sound(None, {"options": [], "name": "꿀부사 사과"}).variants[0].title == ""
    two = sound(None, {"id": "1", "options": []}, {"id": "2", "options": [{"name": "빨강"}, {"name": "L"}]})
    assert [each.title for each in two.variants] == ["꿀부사 사과 3kg", "빨강 / L"]


def test_money_has_the_decimals_that_the_shop_says() -> None:
    rules = answers.Rules(tracked=True, threshold=0, precision=2)
    product = sound(None, {"priceWithTax": 2_390_000, "customFields": {"list_price": 2_990_000}}, rules=rules)
    assert (product.price, product.list_price) == (23_900, 29_900)
    with pytest.raises(InvalidError, match="whole number"):
        read(None, {"priceWithTax": 2_390_050}, rules=rules)


@pytest.mark.parametrize(
    ("change", "variant", "field"),
    [
        ({}, {"priceWithTax": 0}, "price"),
        ({}, {"currencyCode": "USD"}, "currencyCode"),
        ({"name": " <b></b> "}, {}, "title"),
    ],
)
def test_what_cannot_be_a_product(change: dict[str, Any], variant: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as raised:
        read(change, variant)
    assert raised.value.field == field


def test_a_picture_that_is_no_address_costs_the_picture_alone() -> None:
    assert sound({"featuredAsset": {"preview": "javascript:alert(1)"}}).image == ""
    assert sound({"featuredAsset": None}).image == ""


@pytest.mark.parametrize(
    ("change", "variant"),
    [
        ({"id": 1}, {}),
        ({"name": None}, {}),
        ({"updatedAt": "yesterday"}, {}),
        ({"updatedAt": "2026-12-01T03:20:22.000"}, {}),
        ({"featuredAsset": "x"}, {}),
        ({}, {"priceWithTax": "23900"}),
        ({}, {"priceWithTax": 23900.5}),
        ({}, {"trackInventory": "MAYBE"}),
        ({}, {"stockLevels": [{"stockOnHand": True, "stockAllocated": 0}]}),
        ({}, {"stockLevels": None}),
    ],
)
def test_what_vendure_would_never_say(change: dict[str, Any], variant: dict[str, Any]) -> None:
    with pytest.raises(ShopLiedError) as raised:
        read(change, variant)
    assert raised.value.field


def test_the_custom_fields_that_there_are_are_asked_for() -> None:
    rules = answers.rules(answers.read(answers.GlobalSettings, SETTINGS), {})
    assert (rules.tracked, rules.threshold, rules.precision) == (True, 2, 0)
    assert rules.product_fields == {
        "seller": "seller",
        "business_number": "businessNumber",
        "onnuri": "onnuri",
    }
    assert rules.variant_fields == {"list_price": "listPrice"}
    query = queries.everything(rules)
    assert "customFields { seller: seller business_number: businessNumber onnuri: onnuri }" in query
    assert "collections { name }" in query
    assert "customFields" not in queries.everything(RULES)


def test_custom_fields_may_be_called_otherwise() -> None:
    settings = answers.read(answers.GlobalSettings, SETTINGS)
    assert answers.rules(settings, {"seller": "company"}).product_fields["seller"] == "company"
    for name, theirs in (("seller", "firm"), ("naver_pay", "naverPay")):
        with pytest.raises(ShopRefusedError, match=theirs):
            answers.rules(settings, {name: theirs})


OPTIONS = {"url": "https://shop.example/admin-api", "store": "https://shop.example/p/", "token": "t"}


def test_options() -> None:
    options = read_options(OPTIONS | {"fields": "seller=company, onnuri = takesOnnuri", "timeout": "3"})
    assert options.fields == {"seller": "company", "onnuri": "takesOnnuri"}
    assert options.timeout == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "ftp://shop.example"}, "url"),
        ({"store": ""}, "store"),
        ({"token": ""}, "token"),
        ({"token": "", "username": "u"}, "token"),
        ({"fields": "seller=a b"}, "fields"),
        ({"fields": "seller=x} }"}, "fields"),
        ({"fields": "colour=color"}, "fields"),
        ({"timeout": "0"}, "timeout"),
        ({"tokne": "x"}, "tokne"),
    ],
)
def test_options_that_cannot_be(change: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidError) as raised:
        read_options(OPTIONS | change)
    assert raised.value.field == field

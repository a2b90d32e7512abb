from __future__ import annotations

import contextlib
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.connectors.feed import grammar
from commerce_bridge.connectors.feed.columns import HEADINGS, Field, field_of
from commerce_bridge.model.errors import InvalidError


@pytest.mark.parametrize(
    "text",
    [
        "12900", "12,900", "12,900원", "12,900 원", "₩12,900", "￦12,900", "₩ 12900", "KRW 12900", "12900.00 KRW",
        "12,900.00 KRW", "12900 KRW", "12900krw", "12900.0", "  12900\u00a0",
    ],
)  # fmt: skip
def test_prices_that_can_be_read_in_one_way(text: str) -> None:
    assert grammar.won(text, name="price") == 12900


@pytest.mark.parametrize(
    "text",
    [
        "", "12.9", "12.900", "12.000", "12900.50", "12900.", "1,29", "12,90", "1,2900", ",900", "12,,900", "-12900", "+1",
        "1e4", "12900 USD", "$12", "USD 12900", "₩12,900원", "KRW 1 KRW", "만이천구백원", "12900~15000", "１２９００", "٣", "12 900",
        "0x10", "12900원부터", "원", "₩", "9" * 14, "1" * 5000, "NaN", "Infinity", "1,000\n2,000",
    ],
)  # fmt: skip
def test_prices_that_cannot(text: str) -> None:
    with pytest.raises(InvalidError) as raised:
        grammar.won(text, name="판매가")
    assert raised.value.field == "판매가"


@given(
    st.integers(0, 10**12),
    st.booleans(),
    st.sampled_from([("", ""), ("₩", ""), ("", "원"), ("", " KRW"), ("KRW ", "")]),
)
def test_every_amount_is_read_as_it_was_written(amount: int, commas: bool, sign: tuple[str, str]) -> None:
    text = f"{amount:,}" if commas else str(amount)
    assert grammar.won(f"{sign[0]}{text}{sign[1]}", name="price") == amount


@given(st.text(string.digits + ",.원₩ KRW-", max_size=12))
def test_what_is_read_has_the_digits_that_were_written(text: str) -> None:
    """Whatever the grammar accepts: nothing is dropped but signs, and zeros behind a point."""
    try:
        amount = grammar.won(text, name="price")
    except InvalidError:
        return
    whole, _, behind = text.partition(".")
    assert amount == int("".join(each for each in whole if each in string.digits))
    assert set(behind) <= set("0원 KRW")


@pytest.mark.parametrize(
    ("text", "left"),
    [("0", 0), ("7", 7), ("1,200", 1200), ("3개", 3), ("3 개", 3), ("-2", -2), ("5.0", 5), ("품절", 0)],
)
def test_stocks(text: str, left: int) -> None:
    assert grammar.count(text, name="quantity") == left


@pytest.mark.parametrize("text", ["", "많음", "1.5", "12,34", "+3", "3 box", "²"])
def test_what_is_no_stock(text: str) -> None:
    with pytest.raises(InvalidError):
        grammar.count(text, name="quantity")


def test_yes_no_and_availability() -> None:
    assert [grammar.yes(text, name="onnuri") for text in ("Y", "o", "가능", "TRUE", "예")] == [True] * 5
    assert [grammar.yes(text, name="onnuri") for text in ("N", "X", "불가", "false", "-")] == [False] * 5
    for text in ("in_stock", "in stock", "In Stock", "preorder", "판매중"):
        assert grammar.buyable(text, name="availability")
    for text in ("out_of_stock", "out of stock", "품절", "판매 중지"):
        assert not grammar.buyable(text, name="availability")
    for text in ("maybe", "", "Y"):
        with pytest.raises(InvalidError):
            grammar.buyable(text, name="availability")
    with pytest.raises(InvalidError):
        grammar.yes("maybe", name="onnuri")


def test_windows_are_seouls_where_they_have_no_zone() -> None:
    stated = grammar.window("2026-03-01T13:00+0900/2026-03-11T15:30+0900", name="w")
    assert stated == grammar.window("2026-03-01T13:00 / 2026-03-11T15:30", name="w")
    assert stated == grammar.window("2026-03-01T04:00Z/2026-03-11T06:30Z", name="w")
    assert stated[1] - stated[0] == (10 * 24 * 3600 + 9000) * 1_000_000
    for text in ("", "2026-03-01", "a/b", "2026-03-01/2026-03-02/2026-03-03", "2026-13-01/2026-13-02"):
        with pytest.raises(InvalidError):
            grammar.window(text, name="w")


@given(st.text(max_size=30))
def test_no_text_crashes_a_grammar(text: str) -> None:
    reads: list[Callable[..., object]] = [
        grammar.won,
        grammar.count,
        grammar.buyable,
        grammar.yes,
        grammar.window,
    ]
    for read in reads:
        with contextlib.suppress(InvalidError):
            read(text, name="x")


def test_headings_are_found_however_they_are_spaced() -> None:
    for field, headings in HEADINGS.items():
        for heading in headings:
            assert field_of(heading) is field
            assert field_of(f" {heading.upper()}\t") is field
    assert field_of("Image Link") is Field.IMAGE
    assert field_of("교환 · 반품") is Field.WITHDRAWAL
    assert field_of("\ufeff상품번호") is Field.KEY
    assert field_of("무엇") is None
    assert set(HEADINGS) == set(Field)


def test_no_heading_means_two_things() -> None:
    found = [field_of(heading) for headings in HEADINGS.values() for heading in headings]
    assert len(found) == sum(len(headings) for headings in HEADINGS.values())
    assert found == [field for field, headings in HEADINGS.items() for _ in headings]

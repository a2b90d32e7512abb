"""The rules of a show's cards."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest

from commerce_bridge.cards.happenings import Happening, Kind, apply
from commerce_bridge.cards.inputs import (
    Begin,
    ClockSet,
    Close,
    EndSale,
    Hide,
    Input,
    News,
    Pin,
    PutLineup,
    Show,
    StartSale,
    Tick,
    Unpin,
)
from commerce_bridge.cards.lines import from_data, to_data
from commerce_bridge.cards.machine import decide
from commerce_bridge.cards.state import Cards, Facts, Item, Lineup, Picture, Sale, Source, picture
from commerce_bridge.model.card import CardState
from commerce_bridge.model.errors import ConflictError, InvalidError

NOW = 1_795_000_000_000_000
SECOND = 1_000_000
FACTS = {"bread": Facts("빵", 10_000, 12_000), "rice": Facts("쌀", 30_000), "tea": Facts("차", 5_000)}


def begun() -> Cards:
    lineup = Lineup(tuple(Item(each) for each in FACTS), 1)
    known = {each: (facts, Source("demo")) for each, facts in FACTS.items()}
    return after(Cards(), Begin(lineup, known))


def after(cards: Cards, *asked: Input, now: int = NOW) -> Cards:
    return reduce(lambda each, one: decide(each, one, now)[0], asked, cards)


def kinds(cards: Cards, asked: Input, now: int = NOW) -> list[str]:
    return [each.kind for each in decide(cards, asked, now)[1]]


def sale(
    product: str = "bread", price: int = 8_000, *, quantity: int = 0, saleable: int | None = None
) -> StartSale:
    return StartSale("s1", product, price, 60, quantity, saleable=saleable)


def states(cards: Cards) -> list[str]:
    return [cards.state(each) for each in cards.products]


def test_one_is_shown_one_is_pinned_and_the_shown_one_is_the_picture() -> None:
    cards = begun()
    assert states(cards) == [CardState.QUEUED] * 3
    cards = after(cards, Pin("bread"))
    assert picture(cards) == Picture("bread", pinned=True, price=10_000, list_price=12_000)
    cards = after(cards, Show("rice"))
    assert states(cards) == ["pinned", "shown", "queued"]
    assert picture(cards) == Picture("rice", price=30_000)
    cards = after(cards, Show("tea"))
    assert states(cards) == ["pinned", "hidden", "shown"]
    cards = after(cards, Hide("tea"))
    assert picture(cards).product == "bread"
    cards = after(cards, Pin("rice"))
    assert states(cards) == ["hidden", "pinned", "hidden"]
    cards = after(cards, Unpin("rice"))
    assert picture(cards) == Picture()


def test_hiding_takes_a_card_off_the_picture_that_is_shown_and_pinned() -> None:
    cards = after(begun(), Pin("bread"), Show("bread"))
    assert kinds(cards, Hide("bread")) == ["card.hidden", "card.unpinned"]
    cards = after(cards, Hide("bread"))
    assert (picture(cards), kinds(cards, Hide("bread"))) == (Picture(), [])


def test_a_card_that_waits_behind_another_is_not_hidden_by_a_late_command() -> None:
    cards = after(begun(), Pin("bread"), Show("rice"))
    assert kinds(cards, Hide("bread")) == []
    assert kinds(cards, Unpin("tea")) == []


def test_what_is_not_of_the_show_cannot_be_shown_and_need_not_be_hidden() -> None:
    for asked in (Show("none"), Pin("none"), sale("none")):
        with pytest.raises(ConflictError, match="none of this show's products"):
            decide(begun(), asked, NOW)
    for late in (Hide("none"), Unpin("none"), EndSale("none")):
        assert kinds(begun(), late) == []


def test_a_sale_ends_by_time_and_changes_what_the_picture_says() -> None:
    cards = after(begun(), Show("bread"), sale())
    assert picture(cards) == Picture("bread", price=8_000, list_price=12_000)
    assert cards.sales["bread"] == Sale("s1", 8_000, NOW, NOW + 60 * SECOND, regular=10_000)
    assert kinds(cards, Tick(), NOW + 60 * SECOND - 1) == []
    (over,) = decide(cards, Tick(), NOW + 60 * SECOND)[1]
    assert (over.kind, over.cause, over.sale) == ("sale.ended", "time", cards.sales["bread"])
    assert picture(apply(cards, over)).price == 10_000


def test_a_sale_of_a_product_that_is_not_reduced_says_what_it_cost_before() -> None:
    cards = after(begun(), Show("rice"), sale("rice", 20_000))
    assert picture(cards).list_price == 30_000
    # The shop carries it out by lowering its own price.
    assert picture(after(cards, News("rice", Facts("쌀", 20_000)))).list_price == 30_000


def test_one_sale_of_a_product_at_a_time() -> None:
    cards = after(begun(), sale())
    assert kinds(cards, replace(sale(), id="s2"), NOW + 5) == []  # said twice
    with pytest.raises(ConflictError, match=r"“빵” runs"):
        decide(cards, sale(price=7_000), NOW)
    assert kinds(cards, sale("rice", 20_000)) == ["sale.started"]
    # Its time is over, and nobody has ended it yet.
    assert kinds(cards, sale(price=7_000), NOW + 60 * SECOND) == ["sale.ended", "sale.started"]


@pytest.mark.parametrize("price", [10_000, 10_001])
def test_a_sale_is_below_the_price(price: int) -> None:
    with pytest.raises(InvalidError) as error:
        decide(begun(), sale(price=price), NOW)
    assert error.value.field == "price"


def test_a_sale_by_quantity_ends_when_so_many_fewer_are_left() -> None:
    cards = after(begun(), sale(quantity=3, saleable=10))
    news = News("bread", FACTS["bread"], 8)
    assert kinds(cards, news) == []
    assert kinds(cards, replace(news, saleable=7)) == ["sale.ended"]
    assert kinds(cards, replace(news, saleable=None)) == []
    unknown = after(begun(), sale(quantity=3))
    assert kinds(unknown, news) == []


def test_by_hand_and_twice() -> None:
    cards = after(begun(), sale())
    assert kinds(cards, EndSale("bread")) == ["sale.ended"]
    assert kinds(after(cards, EndSale("bread")), EndSale("bread")) == []


def test_a_price_that_falls_below_the_sale_ends_it_and_one_at_it_does_not() -> None:
    cards = after(begun(), sale())
    assert kinds(cards, News("bread", Facts("빵", 8_000, 10_000))) == ["card.changed"]
    assert kinds(cards, News("bread", Facts("빵", 7_999))) == ["card.changed", "sale.ended"]
    assert kinds(cards, News("bread", Facts("빵", 15_000))) == ["card.changed"]


def test_sold_out_and_back() -> None:
    cards = after(begun(), Show("bread"))
    empty = News("bread", FACTS["bread"], 0)
    assert kinds(cards, empty) == ["card.sold_out"]
    cards = after(cards, empty)
    assert kinds(cards, empty) == []
    assert cards.state("bread") == CardState.SOLD_OUT
    assert picture(cards).product == "bread"  # it says so itself
    with pytest.raises(ConflictError, match="sold out"):
        decide(cards, sale(), NOW)
    cards = after(cards, replace(empty, saleable=1))
    assert cards.state("bread") == CardState.SHOWN


def test_what_its_shop_takes_away_leaves_the_picture_and_ends_its_sale() -> None:
    cards = after(begun(), Show("bread"), Pin("bread"), sale())
    gone = News("bread", FACTS["bread"], 5, gone=True)
    assert kinds(cards, gone) == ["card.sold_out", "sale.ended", "card.hidden", "card.unpinned"]
    cards = after(cards, gone)
    assert (picture(cards), kinds(cards, gone), cards.state("bread")) == (Picture(), [], "sold_out")
    for asked in (Show("bread"), Pin("bread"), sale()):
        with pytest.raises(ConflictError, match="no longer offered"):
            decide(cards, asked, NOW)
    cards = after(cards, replace(gone, gone=False))
    assert (cards.state("bread"), cards.gone) == ("hidden", frozenset())
    cards = after(cards, gone, replace(gone, gone=False, saleable=0))
    assert (cards.state("bread"), cards.gone) == ("sold_out", frozenset())


def test_lineups_have_versions() -> None:
    cards = begun()
    items = (Item("tea"), Item("bread", "새 말"))
    with pytest.raises(ConflictError) as error:
        decide(cards, PutLineup(items, version=4), NOW)
    assert error.value.field == "version"
    with pytest.raises(InvalidError):
        decide(cards, PutLineup((Item("tea"), Item("tea", "zwei"))), NOW)
    cards = after(cards, PutLineup(items, version=1))
    assert (cards.lineup.version, cards.products) == (2, ("tea", "bread"))
    assert set(cards.facts) == {"tea", "bread"}
    assert kinds(cards, PutLineup(items)) == []


def test_what_is_on_the_picture_or_on_sale_stays_in_the_lineup() -> None:
    without = PutLineup((Item("rice"), Item("tea")))
    for asked in (Show("bread"), Pin("bread"), sale()):
        with pytest.raises(ConflictError):
            decide(after(begun(), asked), without, NOW)
    assert kinds(after(begun(), Show("bread"), Hide("bread")), without) == ["card.lineup"]


def test_a_clock_that_is_set_moves_sales_along() -> None:
    cards = after(begun(), sale(), ClockSet(-3600 * SECOND))
    assert cards.sales["bread"].ends == NOW - 3540 * SECOND
    assert kinds(cards, replace(sale(), id="s2"), NOW - 3600 * SECOND) == []


def test_the_end_of_a_show_ends_its_sales() -> None:
    assert kinds(after(begun(), sale(), sale("rice", 1)), Close()) == ["sale.ended", "sale.ended"]


def test_what_is_no_happening_of_ours_is_passed_over() -> None:
    assert from_data("mark", {"label": "x"}) is None
    assert from_data("sale.started", {"product": "x", "sale": {"id": 1}}) is None
    assert from_data("card.lineup", {"items": [1]}) is None
    assert apply(begun(), Happening(Kind.SHOWN, "other")) == begun()


def test_an_address_that_is_too_long_is_not_in_the_log() -> None:
    long = Happening(
        Kind.LINEUP,
        lineup=Lineup((Item("a"),), 1),
        known={"a": (Facts("가", 1), Source("demo", "https://shop.example/", "x" * 501))},
    )
    read = from_data(long.kind, to_data(long))
    assert read is not None
    assert read.known["a"][1] == Source("demo", "https://shop.example/", "")

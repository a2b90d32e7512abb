"""What holds for a show's cards whatever is asked, in whatever order."""

from __future__ import annotations

import json
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.cards.happenings import Happening, apply
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
from commerce_bridge.cards.state import Cards, Facts, Item, Lineup, Source, picture
from commerce_bridge.model.card import CardState
from commerce_bridge.model.errors import BridgeError

PRODUCTS = ("a", "b", "c")
products = st.sampled_from((*PRODUCTS, "strange"))
prices = st.integers(1, 6)
facts = st.builds(Facts, st.sampled_from(("가", "나")), prices, st.sampled_from((0, 9)))
counts = st.one_of(st.none(), st.integers(0, 6))
items = st.lists(st.sampled_from(PRODUCTS), unique=True).map(lambda ids: tuple(Item(each) for each in ids))
asked = st.one_of(
    st.builds(PutLineup, items),
    st.builds(Show, products),
    st.builds(Hide, products),
    st.builds(Pin, products),
    st.builds(Unpin, products),
    st.builds(
        StartSale,
        st.just("s"),
        products,
        prices,
        st.integers(1, 5),
        st.integers(0, 3),
        st.just(0),
        counts,
    ),
    st.builds(EndSale, products),
    st.builds(News, products, facts, counts, st.booleans()),
    st.just(Tick()),
    st.just(Close()),
)
steps = st.lists(st.tuples(asked, st.integers(0, 3_000_000)), max_size=30)
START = Begin(
    Lineup(tuple(Item(each) for each in PRODUCTS), 1),
    {each: (Facts("가", 5), Source("demo", "https://shop.example/" + each)) for each in PRODUCTS},
)


def played(steps: list[tuple[Input, int]], *, twice: bool = False) -> tuple[list[Cards], list[Happening]]:
    """All states and all that happened; with `twice` each input is said once more at once."""
    cards, told = decide(Cards(), START, 0)
    states, happened, now = [cards], list(told), 0
    for each, later in steps:
        now += later
        for _ in range(1 + twice):
            try:
                cards, told = decide(cards, each, now)
            except BridgeError:
                continue
            states.append(cards)
            happened += told
    return states, happened


@given(steps)
def test_the_picture_has_one_card_at_most_and_it_is_one_of_the_show(steps: list[tuple[Input, int]]) -> None:
    for cards in played(steps)[0]:
        states = [cards.state(each) for each in cards.products]
        assert states.count(CardState.SHOWN) <= 1
        assert states.count(CardState.PINNED) <= 1
        on = picture(cards)
        assert on.product in {"", *cards.products}
        assert on.product not in cards.gone
        assert not on.price or on.price in {
            cards.facts[on.product].price,
            *(s.price for s in cards.sales.values()),
        }
        kept = set(cards.products)
        assert kept >= cards.sales.keys() | cards.facts.keys() | cards.sold_out | cards.seen
        assert cards.gone <= cards.sold_out
        assert not cards.gone & cards.sales.keys()


@given(steps)
def test_what_happened_written_and_read_again_is_the_state(steps: list[tuple[Input, int]]) -> None:
    states, happened = played(steps)
    read = [from_data(each.kind, json.loads(json.dumps(to_data(each)))) for each in happened]
    assert read == happened
    assert reduce(apply, happened, Cards()) == states[-1]


@given(steps)
def test_what_is_said_twice_happens_once(steps: list[tuple[Input, int]]) -> None:
    once, twice = played(steps), played(steps, twice=True)
    assert twice[0][-1] == once[0][-1]
    assert twice[1] == once[1]


@given(steps, st.randoms(use_true_random=False))
def test_repeats_may_come_in_any_order(steps: list[tuple[Input, int]], chance: object) -> None:
    """Commands of two hosts, each said again in whatever order before anything else happens: the same picture as once."""
    cards = played(steps)[0][-1]
    pairs: list[tuple[Input, Input]] = [
        (Show("a"), Pin("b")),
        (Hide("a"), Unpin("b")),
        (Pin("a"), EndSale("b")),
    ]
    for pair in pairs:
        try:
            for each in pair:
                cards, _ = decide(cards, each, 0)
        except BridgeError:
            continue
        again = list(pair) * 2
        chance.shuffle(again)  # type: ignore[attr-defined]  # hypothesis gives a `random.Random`
        repeated = reduce(lambda state, each: decide(state, each, 0)[0], again, cards)
        assert picture(repeated) == picture(cards)


@given(steps, st.integers(-10, 10).map(lambda hours: hours * 3_600_000_000))
def test_a_clock_that_is_set_changes_when_sales_end_in_no_other_way(
    steps: list[tuple[Input, int]], by: int
) -> None:
    cards = played(steps)[0][-1]
    now = 90_000_000
    moved, _ = decide(cards, ClockSet(by), now)
    for later in (0, 1_000_000, 5_000_000):
        ends = {each.product for each in decide(cards, Tick(), now + later)[1]}
        assert ends == {each.product for each in decide(moved, Tick(), now + by + later)[1]}

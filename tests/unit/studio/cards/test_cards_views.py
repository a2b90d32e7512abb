from __future__ import annotations

from commerce_bridge.cards.happenings import Happening, Kind
from commerce_bridge.cards.inputs import Begin
from commerce_bridge.cards.machine import decide
from commerce_bridge.cards.state import Cards, Facts, Item, Lineup, Source
from commerce_bridge.contracts.products import VariantView
from commerce_bridge.model.product import MANDATORY
from studio.cards.timeline import MOST_MOMENTS, Timeline
from studio.cards.views import MOST_BYTES, known_of, view_of
from studio.contracts.cards import MOST_CARDS
from studio.contracts.shows import LogEntry
from tests.support.product_owner import product


def test_a_hundred_long_products_fit_a_message_of_the_bus() -> None:
    variants = [
        VariantView(key=f"{n}", title="색", sku=f"sku-{n}", price=1, list_price=0, saleable=1)
        for n in range(200)
    ]
    names = [f"p{number}" for number in range(MOST_CARDS)]
    products = {name: product(name, description="가" * 4000, variants=variants) for name in names}
    cards = Cards(lineup=Lineup(tuple(Item(name) for name in names), 1))
    view = view_of("s", cards, (), products)
    assert len(view.model_dump_json().encode()) < MOST_BYTES
    assert len(view.cards[0].product.variants) == 20
    few = view_of("s", Cards(lineup=Lineup((Item("p0"),), 1)), (), products)
    assert few.cards[0].product == products["p0"]


def test_a_product_that_nobody_tells_of_is_as_it_was_written_down() -> None:
    lineup = Lineup((Item("a"), Item("b")), 1)
    known = {
        "a": (
            Facts("빵", 9_000, 10_000),
            Source("demo", "https://shop.example/a", "https://shop.example/a.png"),
        )
    }
    cards, _ = decide(Cards(), Begin(lineup, known), 0)
    first, second = view_of("s", cards, (), {}).cards
    assert known_of(first.product) == known["a"]
    assert first.product.missing == list(MANDATORY)
    assert (second.product.title, second.product.price) == ("b", 0)


def happening(kind: Kind, name: str = "a", price: int = 10) -> Happening:
    return Happening(kind, name, facts=Facts("빵", price))


def begun() -> Timeline:
    timeline = Timeline()
    _, (lineup,) = decide(Cards(), Begin(Lineup((Item("a"), Item("b")), 1)), 0)
    timeline.take(1, 1, lineup)
    return timeline


def test_what_happens_at_one_time_is_one_moment() -> None:
    timeline = begun()
    timeline.take(2, 5, happening(Kind.SHOWN))
    timeline.take(3, 9, happening(Kind.HIDDEN))
    timeline.take(4, 9, happening(Kind.SHOWN))
    assert [each.seq for each in timeline.moments] == [2]
    timeline.take(5, 9, happening(Kind.SHOWN, "b"))
    assert [(each.seq, each.product) for each in timeline.moments] == [(2, "a"), (5, "b")]


def test_only_what_is_on_the_picture_makes_moments_and_a_new_price_does() -> None:
    timeline = begun()
    timeline.take(2, 2, happening(Kind.CHANGED, "b", 7))
    timeline.take(3, 3, happening(Kind.PINNED))
    timeline.take(4, 4, happening(Kind.CHANGED, "a", 8))
    assert [(each.seq, each.price) for each in timeline.moments] == [(3, 10), (4, 8)]


def test_the_newest_moments_are_kept() -> None:
    timeline = begun()
    for number in range(MOST_MOMENTS + 10):
        timeline.take(number, number + 2, happening(Kind.SHOWN, "ab"[number % 2]))
    assert len(timeline.moments) == MOST_MOMENTS
    assert timeline.newest is not None
    assert timeline.newest.seq == MOST_MOMENTS + 9


def test_other_entries_of_a_log_are_passed_over() -> None:
    timeline = begun()
    timeline.read(
        [
            LogEntry(seq=2, at=1, time=2, type="mark", data={"label": "x"}),
            LogEntry(
                seq=3, at=1, time=3, type="card.shown", data={"product": "a", "cause": "", "price": "ten"}
            ),
            LogEntry(
                seq=4,
                at=1,
                time=4,
                type="card.shown",
                data={"product": "a", "cause": "", "title": "빵", "price": 5, "list_price": 0},
            ),
        ]
    )
    assert [(each.seq, each.price) for each in timeline.moments] == [(4, 5)]

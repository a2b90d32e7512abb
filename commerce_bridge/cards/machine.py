"""The rules of a show's cards: (state, input, now) → (state, happenings). Pure.

One card is shown at most, and one pinned at most; the picture has the shown one, else the pinned one. What is said twice happens
once. A command that comes too late either finds that things are so already, or is told in a sentence why it cannot be.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

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
from commerce_bridge.cards.state import Cards, Lineup, Sale
from commerce_bridge.model.errors import ConflictError, InvalidError

SECOND = 1_000_000


def decide(cards: Cards, asked: Input, now: int) -> tuple[Cards, tuple[Happening, ...]]:
    """What comes of it. `now` is Unix microseconds. Raises `InvalidError` and `ConflictError`: nothing happens then."""
    happenings = tuple(_happenings(cards, asked, now))
    return reduce(apply, happenings, cards), happenings


def _happenings(cards: Cards, asked: Input, now: int) -> list[Happening]:  # noqa: C901, PLR0911 - one line an input
    match asked:
        case Begin():
            return [Happening(Kind.LINEUP, cause=asked.cause, lineup=asked.lineup, known=asked.known)]
        case PutLineup():
            return _put_lineup(cards, asked)
        case Show():
            _offered(cards, asked.product)
            return (
                [] if cards.shown == asked.product else [_note(cards, Kind.SHOWN, asked.product, asked.cause)]
            )
        case Hide():
            return _off_the_picture(cards, asked.product, asked.cause)
        case Pin():
            _offered(cards, asked.product)
            return (
                []
                if cards.pinned == asked.product
                else [_note(cards, Kind.PINNED, asked.product, asked.cause)]
            )
        case Unpin():
            return (
                [_note(cards, Kind.UNPINNED, asked.product, asked.cause)]
                if cards.pinned == asked.product
                else []
            )
        case StartSale():
            return _start_sale(cards, asked, now)
        case EndSale():
            return [_end_sale(cards, asked.product, asked.cause)] if asked.product in cards.sales else []
        case News():
            return _news(cards, asked)
        case Tick():
            return [_end_sale(cards, each, "time") for each, sale in cards.sales.items() if sale.ends <= now]
        case ClockSet():
            return [
                replace(_note(cards, Kind.SALE_MOVED, each, "clock"), sale=_moved(sale, asked.by))
                for each, sale in cards.sales.items()
            ]
        case Close():
            return [_end_sale(cards, each, "show ended") for each in cards.sales]


def _note(cards: Cards, kind: Kind, product: str, cause: str) -> Happening:
    return Happening(kind, product, cause, cards.facts.get(product))


def _name(cards: Cards, product: str) -> str:
    facts = cards.facts.get(product)
    return f"“{facts.title}”" if facts else product


def _offered(cards: Cards, product: str) -> None:
    if not cards.has(product):
        raise ConflictError(f"{product} is none of this show's products", field="product")
    if product in cards.gone:
        raise ConflictError(f"{_name(cards, product)} is no longer offered by its shop", field="product")


def _off_the_picture(cards: Cards, product: str, cause: str) -> list[Happening]:
    """Both ways at once: otherwise hiding a card twice that is shown and pinned would do more than hiding it once."""
    if product != (cards.shown or cards.pinned):
        return []
    kinds = [Kind.HIDDEN] if cards.shown == product else []
    if cards.pinned == product:
        kinds.append(Kind.UNPINNED)
    return [_note(cards, kind, product, cause) for kind in kinds]


def _put_lineup(cards: Cards, asked: PutLineup) -> list[Happening]:
    was = cards.lineup
    if asked.version is not None and asked.version != was.version:
        raise ConflictError(f"the lineup was changed meanwhile (version {was.version})", field="version")
    products = [item.product for item in asked.items]
    if len(set(products)) < len(products):
        raise InvalidError("a product stands in a lineup once", field="items")
    if asked.items == was.items:
        return []
    for each in (cards.shown, cards.pinned):
        if each and each not in products:
            raise ConflictError(f"{_name(cards, each)} is shown or pinned: hide it first", field="items")
    for each in cards.sales:
        if each not in products:
            raise ConflictError(f"a time sale of {_name(cards, each)} runs: end it first", field="items")
    lineup = Lineup(asked.items, was.version + 1)
    return [Happening(Kind.LINEUP, cause=asked.cause, lineup=lineup, known=asked.known)]


def _start_sale(cards: Cards, asked: StartSale, now: int) -> list[Happening]:
    _offered(cards, asked.product)
    name = _name(cards, asked.product)
    runs = cards.sales.get(asked.product)
    if runs is not None and runs.ends > now:
        length = asked.seconds * SECOND
        same = (asked.price, asked.quantity, asked.per_buyer, length)
        if same == (runs.price, runs.quantity, runs.per_buyer, runs.ends - runs.started):
            return []
        raise ConflictError(f"a time sale of {name} runs: end it first", field="product")
    if asked.product in cards.sold_out:
        raise ConflictError(f"{name} is sold out", field="product")
    facts = cards.facts.get(asked.product)
    if facts is None:
        raise ConflictError(f"what {name} costs is not known", field="product")
    if asked.price >= facts.price:
        raise InvalidError(f"a sale is below the price, which is {facts.price} won", field="price")
    sale = Sale(
        id=asked.id,
        price=asked.price,
        started=now,
        ends=now + asked.seconds * SECOND,
        quantity=asked.quantity,
        per_buyer=asked.per_buyer,
        stock=asked.saleable,
        regular=facts.price,
    )
    # One whose time is over and that nobody ended yet gives way, with an end of its own.
    over = [] if runs is None else [_end_sale(cards, asked.product, "time")]
    return [*over, Happening(Kind.SALE_STARTED, asked.product, asked.cause, facts, sale)]


def _end_sale(cards: Cards, product: str, cause: str) -> Happening:
    return replace(_note(cards, Kind.SALE_ENDED, product, cause), sale=cards.sales[product])


def _moved(sale: Sale, by: int) -> Sale:
    return replace(sale, started=sale.started + by, ends=sale.ends + by)


def _news(cards: Cards, asked: News) -> list[Happening]:
    product = asked.product
    if not cards.has(product):
        return []
    told: list[Happening] = []
    if cards.facts.get(product) != asked.facts:
        told.append(Happening(Kind.CHANGED, product, "shop", asked.facts))
    empty = asked.gone or asked.saleable == 0
    if empty and (product not in cards.sold_out or asked.gone != (product in cards.gone)):
        told.append(
            Happening(Kind.SOLD_OUT, product, "gone" if asked.gone else "shop", asked.facts, gone=asked.gone)
        )
    elif not empty and product in cards.sold_out:
        told.append(Happening(Kind.BACK, product, "shop", asked.facts))
    if (sale := cards.sales.get(product)) and (why := _sale_over(sale, asked)):
        told.append(Happening(Kind.SALE_ENDED, product, why, asked.facts, sale))
    if asked.gone:
        # A product that cannot be bought any more must not stand there; one that is sold out may come back, and says so.
        kinds = [Kind.HIDDEN] if cards.shown == product else []
        if cards.pinned == product:
            kinds.append(Kind.UNPINNED)
        told += [Happening(kind, product, "gone", asked.facts) for kind in kinds]
    return told


def _sale_over(sale: Sale, news: News) -> str:
    """Why the news end a sale; empty where they do not."""
    if news.gone:
        return "gone"
    # The shop may carry the sale out by lowering its own price to that of the sale; below it the sale is none any more.
    if news.facts.price < sale.price:
        return "price"
    # What the shop puts on sale anew meanwhile counts as not sold: the sale lasts longer then, and the shop holds the limit.
    if sale.quantity and sale.stock is not None and news.saleable is not None:
        return "quantity" if sale.stock - news.saleable >= sale.quantity else ""
    return ""

"""What can happen to a show's cards, and what each does. The state is what these add up to, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from commerce_bridge.cards.state import Cards, Facts, Lineup, Sale, Source


class Kind(StrEnum):
    """Types of entries in a show's log."""

    LINEUP = "card.lineup"
    SHOWN = "card.shown"
    """What was shown before it is not any more."""
    HIDDEN = "card.hidden"
    PINNED = "card.pinned"
    """What was pinned before it is not any more."""
    UNPINNED = "card.unpinned"
    SOLD_OUT = "card.sold_out"
    BACK = "card.back"
    CHANGED = "card.changed"
    """Its shop tells another title or price."""
    SALE_STARTED = "sale.started"
    SALE_MOVED = "sale.moved"
    """The server's clock was set: the sale ends at another time of it, which is as far away as before."""
    SALE_ENDED = "sale.ended"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened."""

    kind: Kind
    product: str = ""
    """Id; empty with `LINEUP`."""
    cause: str = ""
    """Who did it, or which rule: `time`, `quantity`, `price`, `gone`, `shop`, `clock`, `show ended`."""
    facts: Facts | None = None
    """Of the product, then; None where nothing is known."""
    sale: Sale | None = None
    """With `SALE_STARTED` and `SALE_MOVED`: how it is now; with `SALE_ENDED`: how it was."""
    gone: bool = False
    """With `SOLD_OUT`: its shop does not offer it at all."""
    lineup: Lineup = field(default_factory=Lineup)
    """With `LINEUP`."""
    known: Mapping[str, tuple[Facts, Source]] = field(default_factory=dict)
    """With `LINEUP`: of each product that something is known of."""


def apply(cards: Cards, happening: Happening) -> Cards:
    """The state after it. What is told of a product that is not of the show changes nothing."""
    product = happening.product
    if happening.kind is Kind.LINEUP:
        after = _lined_up(cards, happening)
    elif not cards.has(product):
        return cards
    else:
        after = _happened(_known(cards, happening), happening)
    on = after.shown or after.pinned
    return after if not on or on in after.seen else replace(after, seen=after.seen | {on})


def _known(cards: Cards, happening: Happening) -> Cards:
    if happening.facts is None or cards.facts.get(happening.product) == happening.facts:
        return cards
    return replace(cards, facts={**cards.facts, happening.product: happening.facts})


def _happened(cards: Cards, happening: Happening) -> Cards:
    product = happening.product
    changes: dict[str, Any] = {}
    match happening.kind:
        case Kind.SHOWN:
            changes = {"shown": product}
        case Kind.HIDDEN if cards.shown == product:
            changes = {"shown": ""}
        case Kind.PINNED:
            changes = {"pinned": product}
        case Kind.UNPINNED if cards.pinned == product:
            changes = {"pinned": ""}
        case Kind.SOLD_OUT:
            gone = cards.gone | {product} if happening.gone else cards.gone - {product}
            changes = {"sold_out": cards.sold_out | {product}, "gone": gone}
        case Kind.BACK:
            changes = {"sold_out": cards.sold_out - {product}, "gone": cards.gone - {product}}
        case Kind.SALE_STARTED | Kind.SALE_MOVED if happening.sale is not None:
            changes = {"sales": {**cards.sales, product: happening.sale}}
        case Kind.SALE_ENDED:
            changes = {"sales": {each: sale for each, sale in cards.sales.items() if each != product}}
        case _:
            pass
    return replace(cards, **changes)


def _lined_up(cards: Cards, happening: Happening) -> Cards:
    products = frozenset(item.product for item in happening.lineup.items)
    facts = {**cards.facts, **{each: facts for each, (facts, _) in happening.known.items()}}
    sources = {**cards.sources, **{each: source for each, (_, source) in happening.known.items()}}
    return Cards(
        lineup=happening.lineup,
        facts={each: value for each, value in facts.items() if each in products},
        sources={each: value for each, value in sources.items() if each in products},
        seen=cards.seen & products,
        sold_out=cards.sold_out & products,
        gone=cards.gone & products,
        shown=cards.shown if cards.shown in products else "",
        pinned=cards.pinned if cards.pinned in products else "",
        sales={each: sale for each, sale in cards.sales.items() if each in products},
    )

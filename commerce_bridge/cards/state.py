"""A show's cards as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from commerce_bridge.model.card import CardState


@dataclass(frozen=True, slots=True)
class Item:
    """A product of a show."""

    product: str
    """Id."""
    talking_points: str = ""
    """For the host's eyes."""
    sale_price: int = 0
    """KRW that it is to cost in this show's time sale; 0: none is planned."""


@dataclass(frozen=True, slots=True)
class Lineup:
    """The products of a show, in the order in which the host means to talk of them."""

    items: tuple[Item, ...] = ()
    version: int = 0
    """Rises by one with each change; 0: there never was one."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a product was called and cost when it was last written down. KRW; `list_price` 0 where it is not reduced."""

    title: str
    price: int
    list_price: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where a product comes from: enough to draw its card while nobody can be asked for more."""

    shop: str = ""
    url: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """A time sale that runs. Times are Unix microseconds of the server's clock."""

    id: str
    price: int
    started: int
    ends: int
    quantity: int = 0
    """How many it is for; 0: as many as there are."""
    per_buyer: int = 0
    stock: int | None = None
    """How many could be bought when it started; None where the shop does not say."""
    regular: int = 0
    """KRW that it cost before: a shop may carry a sale out by lowering its own price."""


@dataclass(frozen=True, slots=True)
class Cards:
    """All that is known of a show's cards. Changed by `commerce_bridge.cards.happenings.apply` alone.

    Sets and mappings have products of the lineup alone.
    """

    lineup: Lineup = field(default_factory=Lineup)
    facts: Mapping[str, Facts] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    """Have been on the picture."""
    sold_out: frozenset[str] = frozenset()
    """Nothing is left of them; the gone ones too."""
    gone: frozenset[str] = frozenset()
    """Their shop no longer offers them."""
    shown: str = ""
    """The one that was put on the picture; empty: none."""
    pinned: str = ""
    """The one that stands there while none is shown; may be the shown one too."""
    sales: Mapping[str, Sale] = field(default_factory=dict)

    @property
    def products(self) -> tuple[str, ...]:
        """Ids, in the order of the lineup."""
        return tuple(item.product for item in self.lineup.items)

    def has(self, product: str) -> bool:
        """Whether it is a product of the show."""
        return any(item.product == product for item in self.lineup.items)

    def state(self, product: str) -> CardState:
        """What its card is now."""
        if product in self.sold_out:
            return CardState.SOLD_OUT
        if product == self.shown:
            return CardState.SHOWN
        if product == self.pinned:
            return CardState.PINNED
        return CardState.HIDDEN if product in self.seen else CardState.QUEUED


@dataclass(frozen=True, slots=True)
class Picture:
    """The card on the picture, and what it says of money."""

    product: str = ""
    """Id; empty: no card."""
    pinned: bool = False
    price: int = 0
    """KRW that it costs: in a time sale, that sale's; 0 where it is not known."""
    list_price: int = 0
    """KRW before the reduction; 0 where there is none."""


def picture(cards: Cards) -> Picture:
    """What is on the picture: the shown one, else the pinned one."""
    product = cards.shown or cards.pinned
    if not product:
        return Picture()
    facts = cards.facts.get(product, Facts("", 0))
    price, list_price = facts.price, facts.list_price
    if sale := cards.sales.get(product):
        price, list_price = sale.price, list_price or max(sale.regular, price)
    return Picture(product, product == cards.pinned, price, list_price)

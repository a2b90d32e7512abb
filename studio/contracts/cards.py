"""A show's products and their cards: owned by the studio process.

What is on the picture is told as *moments* on programme time: a player chooses by its own picture's time, so that a card comes with
what the host says, however late that picture is. Price, stock and the ends of sales count at once, for everybody.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from commerce_bridge.contracts.products import ProductView
from commerce_bridge.model.card import CardState as CardState  # noqa: PLC0414 - part of this contract: readers import it here
from runtime.bus.contract import Command, Event, Value

MOST_CARDS = 100


class LineupItem(Value):
    """A product of a show, in the order in which the host means to talk of it."""

    product: str
    talking_points: str = Field(default="", max_length=2000)
    """For the host's eyes."""
    sale_price: int = Field(default=0, ge=0)
    """KRW that it is to cost in this show's time sale; 0: none is planned."""


class SaleView(Value):
    """A time sale. It ends by the server's clock, or with its quantity."""

    id: str
    price: int
    started: int
    """Unix microseconds."""
    ends: int
    """Unix microseconds."""
    quantity: int
    """How many it is for; 0: as many as there are."""
    per_buyer: int
    """How many one buyer may have; 0: no limit. Enforced by the shop."""


class CardView(Value):
    """A product in a show."""

    product: ProductView
    state: CardState
    talking_points: str
    sale_price: int
    sale: SaleView | None = None
    """The one that runs."""


class Moment(Value):
    """From `time` on, this is on the picture."""

    seq: int
    """Of the log's entry."""
    time: int
    """Programme time, microseconds."""
    product: str
    """Id; empty: none."""
    pinned: bool
    price: int
    """What it cost then: KRW, 0 where there is none."""
    list_price: int


class CardsView(Value):
    """All cards of a show. `moments` in order of time: of a show that is over all of them (2,000 at most), of a live one the newest
    500.
    """

    show: str
    version: int
    """Rises with each change of the lineup, not with those of products and moments."""
    cards: list[CardView]
    moments: list[Moment]


class GetCards(Command[CardsView]):
    """The cards of a show; none of one that sells nothing."""

    topic: ClassVar[str] = "studio.cards.get"
    asks = True
    reply = CardsView
    show: str


class PutLineup(Command[CardsView]):
    """Replace the products of a show. A stale `version` is a conflict; so is taking out, while live, what is shown, pinned
    or on sale.
    """

    topic: ClassVar[str] = "studio.cards.lineup"
    reply = CardsView
    show: str
    version: int | None = None
    items: list[LineupItem] = Field(max_length=MOST_CARDS)


class ShowCard(Command[CardsView]):
    """Put a card on the picture, of a live show. What was there goes; idempotent."""

    topic: ClassVar[str] = "studio.cards.show"
    reply = CardsView
    show: str
    product: str


class HideCard(Command[CardsView]):
    """Take a card off the picture, where it is shown or stands there as the pinned one, which it then is no longer; another that is
    pinned comes back. Idempotent.
    """

    topic: ClassVar[str] = "studio.cards.hide"
    reply = CardsView
    show: str
    product: str


class PinCard(Command[CardsView]):
    """Make a card the one that stands on the picture while no other is shown. Idempotent."""

    topic: ClassVar[str] = "studio.cards.pin"
    reply = CardsView
    show: str
    product: str


class UnpinCard(Command[CardsView]):
    """Let it stand no longer. Idempotent."""

    topic: ClassVar[str] = "studio.cards.unpin"
    reply = CardsView
    show: str
    product: str


class StartSale(Command[CardsView]):
    """Start a time sale of a live show's product, at a price below what it costs. One at a time for a product."""

    topic: ClassVar[str] = "studio.cards.sale.start"
    reply = CardsView
    show: str
    product: str
    price: int = Field(gt=0)
    seconds: int = Field(ge=10, le=3600)
    quantity: int = Field(default=0, ge=0, le=1_000_000)
    per_buyer: int = Field(default=0, ge=0, le=1000)


class EndSale(Command[CardsView]):
    """End a product's time sale now. Idempotent."""

    topic: ClassVar[str] = "studio.cards.sale.end"
    reply = CardsView
    show: str
    product: str


class CardsChanged(Event):
    """Something of a show's cards changed: lineup, picture, price, stock, a sale. Several changes of 50 ms may come as one."""

    topic: ClassVar[str] = "studio.cards.changed"
    cards: CardsView

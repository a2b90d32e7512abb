"""What can be asked of a show's cards, or told of their products. `cause` says by whom, for the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from commerce_bridge.cards.state import Facts, Item, Lineup, Source

Known: TypeAlias = Mapping[str, tuple[Facts, Source]]


@dataclass(frozen=True, slots=True)
class Begin:
    """The show starts with these products."""

    lineup: Lineup
    known: Known = field(default_factory=dict)
    cause: str = ""


@dataclass(frozen=True, slots=True)
class PutLineup:
    """Replace the products."""

    items: tuple[Item, ...]
    version: int | None = None
    """The one that is replaced; None: whichever."""
    known: Known = field(default_factory=dict)
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Show:
    """Put a card on the picture."""

    product: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Hide:
    """Take a card off the picture, as shown and as pinned one."""

    product: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """Let a card stand on the picture while no other is shown."""

    product: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Unpin:
    """Let it stand no longer."""

    product: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class StartSale:
    """Start a time sale."""

    id: str
    product: str
    price: int
    seconds: int
    quantity: int = 0
    per_buyer: int = 0
    saleable: int | None = None
    """How many can be bought now; None where the shop does not say."""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class EndSale:
    """End a time sale by hand."""

    product: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """What a shop tells of a product."""

    product: str
    facts: Facts
    saleable: int | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on."""


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The server's clock was set, by so many microseconds."""

    by: int


@dataclass(frozen=True, slots=True)
class Close:
    """The show ends."""


Input: TypeAlias = (
    Begin | PutLineup | Show | Hide | Pin | Unpin | StartSale | EndSale | News | Tick | ClockSet | Close
)

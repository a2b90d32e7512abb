"""What the bridge's domain needs from the outside: shops, and a place to keep what they told. Connectors are in
`commerce_bridge.connectors`, adapters in `commerce_bridge.adapters`; one contract suite per port runs on each (tests/contract).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from commerce_bridge.model.capability import Capability as Capability  # noqa: PLC0414 - part of the port `Shop`: its users import it here
from commerce_bridge.model.product import Product


@dataclass(frozen=True, slots=True)
class BadRow:
    """Something of a catalog that cannot be used; the rest can."""

    row: int
    """1 is the first product of the catalog."""
    field: str
    """Column or field at fault."""
    reason: str
    key: str = ""
    """The shop's id of the product, where that could be read."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of a catalog, in its order. Bounded: a few hundred products."""

    products: Sequence[Product]
    bad: Sequence[BadRow] = ()
    total: int | None = None
    """Products of the whole catalog, where it is known."""
    done: float | None = None
    """How much of the whole was read by now, 0 to 1, where that is known."""
    cursor: str = ""
    """Of `Shop.changes`: what to ask from next time."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A webhook that is the shop's own. It says what to look at again, and is believed in nothing else."""

    event: str
    """The shop's id of the event: one that comes twice is looked at once."""
    products: Sequence[str] = ()
    """The shop's ids of products; empty: anything may have changed."""


class Shop(Protocol):
    """One shop, spoken to by a connector. Every method but `hint` may raise `ShopDownError`, `ShopRefusedError` and
    `ShopLiedError`, takes a bounded time, and holds a bounded piece of a catalog in memory.

    Products come checked (`commerce_bridge.model.product.checked`).
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        ...

    def everything(self) -> AsyncIterator[Batch]:
        """The whole catalog. A piece that cannot be read is a `BadRow`; a catalog that breaks off raises, so that nobody takes
        the products behind the break for deleted.

        Raises `ShopUnchangedError`, before it tells any, where the shop says that nothing changed since all was last told: since
        the batch after the last one was asked for. What was told then still holds, and has been seen again.
        """
        ...

    def changes(self, cursor: str) -> AsyncIterator[Batch]:
        """What changed since `cursor` (empty: since now; nothing is told but a cursor). With `CHANGES` alone."""
        ...

    async def products(self, keys: Collection[str]) -> Mapping[str, Product | None]:
        """Products as they are now, by the shop's ids, 100 at most; None for one that is no longer offered. With `FETCH` alone.

        One that cannot be used (a price of 0) raises `ShopLiedError` where it is the only one asked for, else it is left out.
        """
        ...

    def hint(self, headers: Mapping[str, str], body: bytes, *, now: int) -> Hint:
        """Read a webhook. `headers` have lower-case names, `now` is Unix microseconds. Pure. With `WEBHOOKS` alone.

        Raises `ForgedError` where the signature is wrong or its time is more than five minutes away.
        """
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A product with what we know of its freshness."""

    product: Product
    seen: int
    """When the shop last told us of it, Unix microseconds."""
    gone: bool = False
    """The shop no longer offers it; it is kept for the shows that it was in."""


class CatalogStore(Protocol):
    """Products at rest. Every method raises `StoreError` when the database cannot be used."""

    async def put(self, products: Sequence[Product], *, seen: int) -> Sequence[str]:
        """Keep what a shop told at `seen`; returns the ids of those that are new or differ from before.

        What is kept already with a later `seen`, or a later `updated`, stays as it is: hints overtake lists. (With a later
        `updated` it is seen all the same: an old list still says that it is offered.)
        """
        ...

    async def get(self, ids: Sequence[str]) -> Mapping[str, Kept]:
        """By id, those that there are; gone ones too. At most 200."""
        ...

    async def gone(self, shop: str, *, keys: Sequence[str] | None, before: int) -> Sequence[str]:
        """Mark as gone: those of `keys`, or with None all of the shop, that were not seen since `before`. Returns their ids. That
        they are gone counts as seen then: a list that is older brings none of them back.
        """
        ...

    async def seen_again(self, shop: str, *, seen: int) -> None:
        """All products of a shop that are not gone were seen, as they are. What has a later `seen` keeps it."""
        ...

    def texts(self) -> AsyncIterator[Sequence[tuple[str, str, str]]]:
        """Id, shop and what it is found by (`catalog.lines.told_of`: a line) of all that are not gone, in pieces."""
        ...

    async def count(self, shop: str) -> int:
        """How many products of a shop there are, without the gone ones."""
        ...

    async def get_state(self, shop: str) -> Mapping[str, str]:
        """What the sync of a shop noted for itself (a cursor, an ETag)."""
        ...

    async def put_state(self, shop: str, state: Mapping[str, str]) -> None:
        """Replace it."""
        ...

    async def first_time(self, shop: str, event: str, *, at: int) -> bool:
        """Note a webhook's event id; False where it was noted before. Those older than a week may be forgotten."""
        ...

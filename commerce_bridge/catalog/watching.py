"""The products whose changes matter within seconds. Pure; time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

KEPT = 75.0
"""Seconds that a product is watched after it was last asked for: who wants it says so each minute."""
LIMIT = 2000
"""Products at once: what was asked for longest ago makes room."""


class Watched:
    """Products by id, with their shop and the shop's own id, in order of their last asking."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._until: OrderedDict[str, tuple[float, str, str]] = OrderedDict()

    def add(self, product: str, shop: str, key: str, now: float) -> None:
        """Watch a product from `now` on."""
        self._until[product] = (now + KEPT, shop, key)
        self._until.move_to_end(product)
        while len(self._until) > self._limit:
            self._until.popitem(last=False)

    def keys(self, shop: str, now: float) -> list[str]:
        """A shop's watched products, by the shop's ids."""
        self._forget(now)
        return [key for _, its_shop, key in self._until.values() if its_shop == shop]

    def of(self, products: Iterable[str], now: float) -> list[str]:
        """Those of these that are watched."""
        self._forget(now)
        return [product for product in products if product in self._until]

    def count(self, now: float) -> int:
        """How many there are."""
        self._forget(now)
        return len(self._until)

    def _forget(self, now: float) -> None:
        while self._until and next(iter(self._until.values()))[0] <= now:
            self._until.popitem(last=False)

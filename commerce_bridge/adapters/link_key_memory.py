"""`LinkKeyStore` in memory: for tests, and the second witness of the port's contract."""

from __future__ import annotations

from collections.abc import Sequence

from commerce_bridge.links.tokens import LinkKey


class MemoryLinkKeys:
    """Keeps the keys as long as it lives."""

    def __init__(self) -> None:
        self._keys: list[LinkKey] = []

    def load(self) -> list[LinkKey]:
        """See `LinkKeyStore`."""
        return list(self._keys)

    def save(self, keys: Sequence[LinkKey]) -> None:
        """See `LinkKeyStore`."""
        self._keys = list(keys)

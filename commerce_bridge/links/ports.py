"""What purchase links need from the outside. Adapters are in `commerce_bridge.adapters` (tests/contract has their suite)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from commerce_bridge.links.tokens import LinkKey


class LinkKeyStore(Protocol):
    """The keys at rest, readable by us alone. Called in a thread; every method raises `StoreError`."""

    def load(self) -> Sequence[LinkKey]:
        """All keys, the newest last; none before the first `save`. What cannot be read is a `StoreError`, never "none": new keys
        in their place would end every link that was ever printed.
        """
        ...

    def save(self, keys: Sequence[LinkKey]) -> None:
        """Replace them, all or nothing, durable when it returns."""
        ...

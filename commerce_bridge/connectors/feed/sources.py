"""Where a feed's bytes come from: what files and servers have in common."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

CHUNK = 1 << 16
"""Bytes that are read and parsed at a time: some 200 products, 20 ms of computing."""


class Reading(Protocol):
    """A feed that is being read."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole, where they are known."""
        ...

    async def read(self) -> bytes:
        """The next `CHUNK` bytes; fewer at the end alone, and empty behind it. Raises what `Shop` may."""
        ...

    def told(self) -> None:
        """All of it was used: where it is the same next time, it need not be read again."""
        ...


class Source(Protocol):
    """A feed's place."""

    def open(self) -> AbstractAsyncContextManager[Reading]:
        """Begin to read. Raises what `Shop` may, and `ShopUnchangedError`."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...

"""A shop that tells its catalog as a feed: a file, or an address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import NoReturn

from commerce_bridge.connectors.feed.assemble import Assembler
from commerce_bridge.connectors.feed.files import FileSource
from commerce_bridge.connectors.feed.formats import reader_of
from commerce_bridge.connectors.feed.options import FeedOptions
from commerce_bridge.connectors.feed.rows import Reader
from commerce_bridge.connectors.feed.sources import Source
from commerce_bridge.connectors.feed.urls import UrlSource
from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.product import Product
from commerce_bridge.ports import BadRow, Batch, Capability, Hint

BATCH = 200
"""Products and bad rows of one batch."""


def _unix() -> int:
    return time.time_ns() // 1000


class FeedShop:
    """`Shop` over a feed. It can tell all of it, and nothing else."""

    def __init__(
        self,
        shop: str,
        options: FeedOptions,
        *,
        wall: Callable[[], int] = _unix,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wall` is Unix microseconds: sale prices have windows, and servers name dates."""
        self._shop = shop
        self._options = options
        self._wall = wall
        self._source: Source
        if options.path is not None:
            self._source = FileSource(options.folder, options.path, limit=options.limit)
        else:
            self._source = UrlSource(
                options.url, limit=options.limit, timeout=options.timeout, monotonic=monotonic, wall=wall
            )
        self._counts = False

    @property
    def capabilities(self) -> frozenset[Capability]:
        """`STOCK` once a row told how many are left: before, nobody knows."""
        return frozenset({Capability.STOCK}) if self._counts else frozenset()

    async def everything(self) -> AsyncIterator[Batch]:
        """As `Shop.everything`."""
        reader = _Parser(self._shop, self._options, now=self._wall())
        ready: list[Product | BadRow] = []
        async with self._source.open() as reading:
            read = 0
            while data := await reading.read():
                # Parsing takes longer than the loop may stand still.
                ready += await asyncio.to_thread(reader.feed, data)
                self._counts = self._counts or reader.counts
                read += len(data)
                while len(ready) >= BATCH:
                    yield _batch(ready[:BATCH], read / reading.size if reading.size else None)
                    del ready[:BATCH]
            ready += await asyncio.to_thread(reader.end)
            self._counts = reader.counts
            while ready:
                yield _batch(ready[:BATCH], 1.0)
                del ready[:BATCH]
            if not reader.timed:
                reading.told()

    def changes(self, cursor: str) -> AsyncIterator[Batch]:  # noqa: ARG002 - a feed does without, here and below
        """A feed tells no changes: raises `InvalidError`."""
        _cannot(Capability.CHANGES)

    async def products(self, keys: Collection[str]) -> Mapping[str, Product | None]:  # noqa: ARG002
        """A feed tells no single products: raises `InvalidError`."""
        _cannot(Capability.FETCH)

    def hint(self, headers: Mapping[str, str], body: bytes, *, now: int) -> Hint:  # noqa: ARG002
        """A feed sends no webhooks: raises `InvalidError`."""
        _cannot(Capability.WEBHOOKS)

    async def close(self) -> None:
        """As `Shop.close`."""
        await self._source.close()


class _Parser:
    """Bytes → products, for a thread: one call at a time."""

    def __init__(self, shop: str, options: FeedOptions, *, now: int) -> None:
        self._options = options
        self._assembler = Assembler(shop, now=now)
        self._reader: Reader | None = None

    @property
    def counts(self) -> bool:
        """Whether a row told how many are left."""
        return self._assembler.counts

    @property
    def timed(self) -> bool:
        """Whether the same bytes may mean other prices later."""
        return self._assembler.timed

    def feed(self, data: bytes) -> list[Product | BadRow]:
        """What `data` completes."""
        if self._reader is None:
            self._reader = reader_of(data, self._options.format, self._options.encoding)
        return [told for row in self._reader.feed(data) for told in self._assembler.add(row)]

    def end(self) -> list[Product | BadRow]:
        """What the feed's end completes."""
        reader = self._reader or reader_of(b"", self._options.format, self._options.encoding)
        return [*(told for row in reader.end() for told in self._assembler.add(row)), *self._assembler.end()]


def _batch(told: list[Product | BadRow], done: float | None) -> Batch:
    return Batch(
        [each for each in told if isinstance(each, Product)],
        [each for each in told if isinstance(each, BadRow)],
        done=None if done is None else min(1.0, done),
    )


def _cannot(capability: Capability) -> NoReturn:
    raise InvalidError(f"a feed cannot do this: {capability}", field="capabilities")

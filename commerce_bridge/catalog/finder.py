"""The search's index beside the store: read at the start, told of each change, kept in few pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from commerce_bridge.catalog.lines import told_of
from commerce_bridge.catalog.pieces import Entry, Piece, merged, piece_of
from commerce_bridge.catalog.search import CatalogIndex, Found
from commerce_bridge.model.errors import InvalidError, StoreError
from commerce_bridge.model.product import Product
from commerce_bridge.ports import CatalogStore
from runtime import logs
from runtime.clock import Clock

log = logs.get("bridge.finder")

PIECE = 50_000
"""Lines that are read into one piece at the start."""
QUIET = 5.0
"""Seconds without a change after which all is made one piece."""
AGAIN = 1.0
"""Seconds until a store that cannot be read is tried again."""
PATIENCE = 4.0
"""Seconds that a search waits for the index at a start."""


class Finder:
    """`run` reads the store and tidies up; the rest is for whoever searches or changes products."""

    def __init__(self, store: CatalogStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._index = CatalogIndex()
        self._changed = asyncio.Event()
        self.loaded = asyncio.Event()
        """Set once all products are in the index. Nothing may be changed before."""

    def put(self, products: Iterable[Product]) -> None:
        """New or changed products."""
        self._index.put(Entry.of(each.id, each.shop, told_of(each)) for each in products)
        self._changed.set()

    def drop(self, ids: Iterable[str]) -> None:
        """Products that are gone."""
        self._index.drop(ids)
        self._changed.set()

    async def search(self, text: str, *, shop: str | None, limit: int, cursor: str) -> Found:
        """A page. Raises `InvalidError` for a cursor that is none of ours, `StoreError` where the index is not there yet."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.loaded.wait()
        except TimeoutError as error:
            raise StoreError("the catalog is being read; try again soon") from error
        try:
            return self._index.search(text, shop=shop, limit=limit, cursor=cursor)
        except ValueError as error:
            raise InvalidError(str(error), field="cursor") from error

    async def run(self) -> None:
        """Until cancelled."""
        while not self.loaded.is_set():
            try:
                await self._load()
            except StoreError as error:
                log.warning("the catalog could not be read", error=str(error))
                await self._clock.sleep(AGAIN)
        while True:
            quiet = False
            try:
                async with asyncio.timeout(QUIET if self._index.pieces > 1 else None):
                    await self._changed.wait()
            except TimeoutError:
                quiet = True
            self._changed.clear()
            await self._tidy(quiet=quiet)

    async def _load(self) -> None:
        index, lines = CatalogIndex(), list[tuple[str, str, str]]()
        async for page in self._store.texts():
            lines += page
            if len(lines) >= PIECE:
                index.load(await asyncio.to_thread(_read, index, lines))
                lines = []
        if lines:
            index.load(await asyncio.to_thread(_read, index, lines))
        self._index = index
        await self._tidy(quiet=True)
        self.loaded.set()

    async def _tidy(self, *, quiet: bool) -> None:
        while (due := self._index.due(quiet=quiet)) is not None:
            older, newer, oldest = due
            # In a thread: with 200,000 products it takes some tenths of a second, in which others are answered.
            one = await asyncio.to_thread(merged, older, newer, oldest=oldest)
            self._index.replace(older, newer, one)


def _read(index: CatalogIndex, lines: Sequence[tuple[str, str, str]]) -> Piece:
    return piece_of((Entry.of(*line) for line in lines), (), index.number)

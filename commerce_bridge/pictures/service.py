"""Answers `GetPicture`: from the disk, else from the shop, once for all who ask."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from commerce_bridge.contracts.pictures import GetPicture, Picture
from commerce_bridge.model.errors import BridgeError, ShopError, StoreError
from commerce_bridge.model.picture import picture_hash
from commerce_bridge.pictures.ports import PictureFetcher, PictureShrinker, PictureStore
from commerce_bridge.ports import CatalogStore
from runtime import logs
from runtime.bus.calls import Handler
from runtime.bus.contract import Command, CommandError, Fault
from runtime.cache import Flights, TooManyFlightsError

log = logs.get("bridge.pictures")

MOST_FETCHED = 8
"""Pictures fetched at once."""
MOST_WANTED = 32
"""Pictures that are being made or wait for it: half of the commands that the bridge works on at once, so that prices do not wait
for pictures.
"""
FAILED_SECONDS = 60.0
"""For so long a shop is not asked again for what it did not give."""
MOST_FAILED = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """Where a product's picture is."""

    url: str
    private: bool = False
    """Its shop may be within our own network."""


FindSource = Callable[[str], Awaitable[Source | None]]
"""By the product's id; None where there is no such product, or no picture of it. Raises `StoreError`."""


def catalog_source(store: CatalogStore, private: Callable[[str], bool]) -> FindSource:
    """Sources out of the catalog; of products that are gone too, for replays. `private`: by the shop's id."""

    async def find(product: str) -> Source | None:
        kept = (await store.get([product])).get(product)
        if kept is None or not kept.product.image:
            return None
        return Source(kept.product.image, private(kept.product.shop))

    return find


@dataclass(slots=True)
class PictureFigures:
    """Counts since the start, for metrics."""

    kept: int = 0
    """Answered from the disk."""
    made: int = 0
    failed: int = 0
    """The shop gave none that can be shown."""
    refused: int = 0
    """Too many were being made."""


class Pictures:
    """The handler. Close it at the end."""

    def __init__(
        self,
        find: FindSource,
        fetcher: PictureFetcher,
        shrinker: PictureShrinker,
        store: PictureStore,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._find = find
        self._fetcher = fetcher
        self._shrinker = shrinker
        self._store = store
        self._clock = clock
        self._flights: Flights[bytes] = Flights(MOST_WANTED)
        self._fetching = asyncio.Semaphore(MOST_FETCHED)
        self._failed: OrderedDict[str, float] = OrderedDict()
        """By name: until when it is not asked for again."""
        self.figures = PictureFigures()

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        """What the bridge process answers about pictures."""
        return {GetPicture: self.tell}

    async def tell(self, command: GetPicture) -> Picture:
        """Answer the command."""
        try:
            source = await self._find(command.product)
            if source is None or picture_hash(source.url) != command.hash:
                raise CommandError(Fault.NOT_FOUND, "there is no such picture")
            jpeg = await self._picture(f"{command.product}-{command.hash}", source)
        except TooManyFlightsError as error:
            self.figures.refused += 1
            raise CommandError(Fault.UNAVAILABLE, f"{MOST_WANTED} pictures are being made already") from error
        except ShopError as error:
            raise CommandError(Fault.NOT_FOUND, f"the shop gives no picture: {error}") from error
        except BridgeError as error:
            raise CommandError(Fault.UNAVAILABLE, str(error)) from error
        return Picture(jpeg=base64.b64encode(jpeg).decode())

    async def close(self) -> None:
        """End what is being made."""
        await self._flights.close()

    async def _picture(self, name: str, source: Source) -> bytes:
        kept = await self._kept(name)
        if kept is not None:
            self.figures.kept += 1
            return kept
        until = self._failed.get(name)
        if until is not None:
            if self._clock() < until:
                raise ShopError("it gave none a moment ago")
            del self._failed[name]
        return await self._flights.join(name, lambda: self._made(name, source))

    async def _made(self, name: str, source: Source) -> bytes:
        try:
            async with self._fetching:
                fetched = await self._fetcher.fetch(source.url, private=source.private)
                jpeg = await self._shrinker.shrink(fetched)
        except ShopError as error:
            log.info("a product has no picture to show", picture=name, error=str(error))
            self.figures.failed += 1
            self._failed[name] = self._clock() + FAILED_SECONDS
            while len(self._failed) > MOST_FAILED:
                self._failed.popitem(last=False)
            raise
        self.figures.made += 1
        try:
            await asyncio.to_thread(self._store.put, name, jpeg)
        except StoreError as error:
            log.warning("a picture was not kept", picture=name, error=str(error))
        return jpeg

    async def _kept(self, name: str) -> bytes | None:
        try:
            return await asyncio.to_thread(self._store.get, name)
        except StoreError as error:
            log.warning("a kept picture cannot be read", picture=name, error=str(error))
            return None

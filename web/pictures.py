"""``/pictures/{product}/{hash}.jpg``: pictures of products, as the bridge fetched them.

The name is that of the picture's address in its shop, so that a new picture has a new path, and a path one picture for ever.
"""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass

from aiohttp import web

from commerce_bridge.contracts.pictures import GetPicture
from runtime.bus.contract import CommandError, Fault
from runtime.cache import BytesCache, Flights, TooManyFlightsError
from web.ports import Ask
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command

ANSWER_SECONDS = 15.0
"""What the bridge has to answer: it fetches for five seconds, after those that came before."""
CACHE_BYTES = 32 << 20
"""Some thousand pictures."""
MOST_ASKED = 8
"""Pictures asked of the bridge at once; others wait their turn."""
MOST_WANTED = 256
"""Pictures that are asked for or wait; more are told to come again."""
_PRODUCT = re.compile(r"[0-9a-z]{1,40}", re.ASCII)
_FILE = re.compile(r"([0-9a-f]{12})\.jpg", re.ASCII)
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class _Kept:
    jpeg: bytes

    @property
    def cost(self) -> int:
        """See `runtime.cache.Sized`; with what the tables take."""
        return len(self.jpeg) + 300


class ProductPictures:
    """The handler."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._kept: BytesCache[_Kept] = BytesCache(CACHE_BYTES)
        self._flights: Flights[_Kept] = Flights(MOST_WANTED)
        self._asking = asyncio.Semaphore(MOST_ASKED)

    def add_to(self, app: web.Application) -> None:
        """Register the path."""
        app.router.add_get("/pictures/{product}/{file}", self.picture)

    async def close(self) -> None:
        """End what is being asked."""
        await self._flights.close()

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """The JPEG, or 404 where the product's picture is none or another one."""
        product, file = request.match_info["product"], _FILE.fullmatch(request.match_info["file"])
        if file is None or not _PRODUCT.fullmatch(product):
            return ProblemError(catalogue.NOT_FOUND).response(request)
        try:
            kept = await self._get(product, file[1])
        except CommandError as error:
            return from_command(error).response(request)
        return web.Response(body=kept.jpeg, content_type="image/jpeg", headers=_HEADERS)

    async def _get(self, product: str, hash_: str) -> _Kept:
        name = f"{product}/{hash_}"
        kept = self._kept.get(name)
        if kept is not None:
            return kept

        async def flight() -> _Kept:
            async with self._asking:
                answer = await self._ask(GetPicture(product=product, hash=hash_, cause="web.pictures"))
            made = _Kept(base64.b64decode(answer.jpeg))
            self._kept.put(name, made)
            return made

        try:
            return await self._flights.join(name, flight)
        except TooManyFlightsError as error:
            raise CommandError(Fault.UNAVAILABLE, f"{MOST_WANTED} pictures are being asked for") from error

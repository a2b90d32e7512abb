"""``/go/{token}``: purchase links. Each leads to the product's own page in its shop, and tells the studio that somebody followed it.

A link must work while the bridge does not answer: keys and addresses that were heard once are kept and used on.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from commerce_bridge.contracts.links import GetLinkKeys, LinkClicked
from commerce_bridge.contracts.products import GetProducts
from commerce_bridge.links.destinations import Attribution, destination
from commerce_bridge.links.fetchers import is_program
from commerce_bridge.links.keys import keys_of
from commerce_bridge.links.tokens import Link, LinkKey, by_id, checked_origin, read, sign
from commerce_bridge.model.errors import InvalidError, LinkError, UnknownKeyError
from runtime import ids, logs
from runtime.bus.announcer import Announcer
from runtime.bus.contract import CommandError, Fault
from runtime.cache import BytesCache, Flights, TooManyFlightsError
from runtime.figures import counter
from web.pages import friendly
from web.ports import Ask
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command

log = logs.get("web.links")

ANSWER_SECONDS = 2.0
"""What the bridge has to answer: somebody waits for the shop's page."""
KEYS_SECONDS = 60.0
"""As often the keys are asked for."""
RETRY_SECONDS = 5.0
"""As often while the bridge does not answer; and how soon a key that is not known makes us ask again."""
FRESH_SECONDS = 60.0
"""How old a product's address may be."""
CACHE_BYTES = 8 << 20
"""Some ten thousand addresses."""
MOST_ASKED = 64
"""Products asked for at once."""
CAUSE = "web.links"
_TIME = re.compile(r"[0-9]{1,18}")
_HEADERS = {
    "Cache-Control": "no-store",
    # The shop may learn which site the buyer came from, never which page.
    "Referrer-Policy": "strict-origin",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A product's page in its shop."""

    url: str
    """Empty: there is no such product, or the shop offers it no more."""
    fresh_until: float

    @property
    def cost(self) -> int:
        """See `runtime.cache.Sized`; with what the tables take."""
        return len(self.url) + 400


class LinkFigures(Collector):
    """What became of requests for links, read off plain numbers when somebody asks: a click costs no lock."""

    def __init__(self, announcer: Announcer, registry: CollectorRegistry) -> None:
        self.results: Counter[str] = Counter(
            dict.fromkeys(("person", "program", "refused", "missing", "away"), 0)
        )
        self._announcer = announcer
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The values of now."""
        yield counter(
            "gachi_link_requests_total",
            "Requests for purchase links: of persons and programs that were led on; refused tokens; products that are "
            "missing; and those for which the bridge was away.",
            {(result,): count for result, count in self.results.items()},
            "result",
        )
        yield counter(
            "gachi_link_clicks_dropped_total", "Clicks that nobody was told.", self._announcer.dropped
        )


class Links:
    """Makes and reads purchase links, and knows where they lead."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._keys: dict[int, LinkKey] = {}
        self._newest: LinkKey | None = None
        self._asked = -KEYS_SECONDS
        self._addresses: BytesCache[Address] = BytesCache(CACHE_BYTES)
        self._asking: Flights[None] = Flights(1)
        self._looking: Flights[Address] = Flights(MOST_ASKED)

    def path(self, show: str, product: str, origin: str = "page") -> str:
        """Path of the link to a product. `show` may be empty; `origin` says where the link is put.

        Raises `CommandError`: unavailable before the bridge gave its keys, invalid for what cannot be in a link.
        """
        if self._newest is None:
            raise CommandError(Fault.UNAVAILABLE, "the bridge has not given the keys of links yet")
        try:
            return f"/go/{sign(Link(product, show, origin), self._newest)}"
        except InvalidError as error:
            raise CommandError(Fault.INVALID, str(error), field=error.field) from error

    def buy(self, show: str, product: str) -> str | None:
        """As `path`, of a card on the show's own page; None before the bridge gave its keys."""
        return self.path(show, product) if self._newest else None

    async def link(self, token: str) -> Link:
        """What a token says. Raises `LinkError` where we did not sign it, `CommandError` where we cannot know."""
        if not self._keys:
            await self.refresh()
        try:
            return read(token, self._keys)
        except UnknownKeyError:
            # Another web process may have heard of a new key first; forgeries must not ask the bridge each time.
            if self._clock() - self._asked < RETRY_SECONDS:
                raise
        await self.refresh()
        return read(token, self._keys)

    async def address(self, product: str) -> str:
        """Where the product is sold; empty where it is not. Raises `CommandError` where that was never heard."""
        kept = self._addresses.get(product)
        if kept is not None and self._clock() < kept.fresh_until:
            return kept.url
        try:
            return (await self._looking.join(product, lambda: self._look(product))).url
        except (CommandError, TooManyFlightsError) as error:
            if kept is None:
                raise _unavailable(error) from error
            # Let those who come next not wait for what does not answer.
            self._addresses.put(product, replace(kept, fresh_until=self._clock() + RETRY_SECONDS))
            return kept.url

    async def refresh(self) -> None:
        """Ask for the keys. Raises `CommandError`."""
        await self._asking.join("keys", self._ask_keys)

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        answered = True
        while True:
            try:
                await self.refresh()
            except CommandError as error:
                if answered:
                    log.warning("the bridge does not give the keys of links", error=str(error))
                answered = False
            else:
                answered = True
            await asyncio.sleep(KEYS_SECONDS if answered else RETRY_SECONDS)

    async def close(self) -> None:
        """End what is being asked."""
        await self._asking.close()
        await self._looking.close()

    async def _ask_keys(self) -> None:
        self._asked = self._clock()
        keys = keys_of(await self._ask(GetLinkKeys(cause=CAUSE)))
        if keys:
            self._keys, self._newest = by_id(keys), keys[-1]

    async def _look(self, product: str) -> Address:
        found = (await self._ask(GetProducts(ids=[product], cause=CAUSE))).products
        url = next((view.url for view in found if view.id == product and not view.gone), "")
        address = Address(url, self._clock() + FRESH_SECONDS)
        self._addresses.put(product, address)
        return address


class Go:
    """The handler."""

    def __init__(self, links: Links, announcer: Announcer, figures: LinkFigures) -> None:
        self._links = links
        self._announcer = announcer
        self._results = figures.results

    def add_to(self, app: web.Application) -> None:
        """Register the path."""
        app.router.add_get("/go/{token}", self.go)

    async def go(self, request: web.Request) -> web.StreamResponse:
        """Lead on to the shop."""
        try:
            link = await self._links.link(request.match_info["token"])
            url = await self._links.address(link.product)
            if not url:
                return self._nothing(request, "missing")
            return self._led(request, link, url)
        except LinkError:
            return self._nothing(request, "refused")
        except InvalidError:
            return self._nothing(request, "missing")
        except CommandError as error:
            self._results["away"] += 1
            return friendly(from_command(error), request)

    def _led(self, request: web.Request, link: Link, url: str) -> web.Response:
        # A partner's page has a word of its own put behind the link that its frame shows (`/embed/…?ch=`); others are passed over.
        word = request.query.get("ch", "") if request.query_string else ""
        with contextlib.suppress(InvalidError):
            link = replace(link, origin=checked_origin(word))
        person = not is_program(request.method, request.headers)
        # A program gets no click's id: what it shows to others would make one click of all of theirs.
        click = ids.new() if person else ""
        there = destination(url, Attribution(click, link.product, link.origin, link.show))
        if person:
            told = request.query.get("t", "") if request.query_string else ""
            picture = int(told) if _TIME.fullmatch(told) else None
            self._announcer.tell(
                LinkClicked(
                    click=click, product=link.product, show=link.show, origin=link.origin, time=picture
                )
            )
        self._results["person" if person else "program"] += 1
        return web.Response(status=302, headers={**_HEADERS, hdrs.LOCATION: there})

    def _nothing(self, request: web.Request, result: str) -> web.StreamResponse:
        self._results[result] += 1
        return friendly(ProblemError(catalogue.NO_LINK), request)


def _unavailable(error: CommandError | TooManyFlightsError) -> CommandError:
    if isinstance(error, CommandError):
        return error
    return CommandError(Fault.UNAVAILABLE, "too many products are being asked for")

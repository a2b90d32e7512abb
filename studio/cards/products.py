"""What the bridge tells of products, kept as it was last told: a bridge that does not answer takes no card away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from commerce_bridge.contracts.products import GetProducts, ProductList, ProductView, WatchProducts
from runtime import logs
from runtime.bus.calls import call
from runtime.bus.contract import CommandError
from runtime.bus.port import Bus

log = logs.get("studio.cards")

KEPT = 2000
"""Products remembered; the one not told of for longest goes first."""
AT_ONCE = 20
"""Products in one command: a hundred long ones would not fit one message of the bus."""
FRESH = 5.0
"""Seconds for which an answer is good enough for shows that are not live: replays are looked at by many."""
AWAY = 2.0
"""Seconds after a silence in which nobody waits for the bridge again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What came of asking."""

    views: dict[str, ProductView]
    """By id, as they are or were last known."""
    answered: bool
    """The bridge told of all of them now: one that is missing does not exist."""


class ProductDesk:
    """The studio's side of the bridge's products. Never raises for a bridge that is away."""

    def __init__(self, bus: Bus, *, clock: Callable[[], float], timeout: float = 1.5) -> None:
        self._bus = bus
        self._clock = clock
        self._timeout = timeout
        self._known: OrderedDict[str, ProductView] = OrderedDict()
        self._told: dict[str, float] = {}
        """When each was told last; `clock` seconds."""
        self._seen: dict[str, int] = {}
        """The newest `seen` of each: news overtake answers."""
        self._away_until = 0.0
        self._away = False

    def known(self, product: str) -> ProductView | None:
        """As it was last told."""
        return self._known.get(product)

    def learn(self, view: ProductView) -> bool:
        """Take a view in; whether it tells anything new. One that differs in `seen` alone does not: it would be a patch to everybody."""
        if view.seen < self._seen.get(view.id, 0):
            return False
        before = self._known.get(view.id)
        self._seen[view.id] = view.seen
        self._told[view.id] = self._clock()
        news = before is None or before.model_copy(update={"seen": view.seen}) != view
        if news:
            self._known[view.id] = view
        self._known.move_to_end(view.id)
        while len(self._known) > KEPT:
            old, _ = self._known.popitem(last=False)
            self._told.pop(old, None)
            self._seen.pop(old, None)
        return news

    async def look(self, ids: Sequence[str], *, fresh: bool = False) -> Look:
        """Products by id. With `fresh` always asked for; otherwise what was told within `FRESH` seconds will do."""
        now = self._clock()
        wanted = [each for each in ids if fresh or now - self._told.get(each, -FRESH) >= FRESH]
        answered = not wanted
        if wanted and (fresh or now >= self._away_until):
            answered = await self._ask(
                GetProducts(ids=wanted[i : i + AT_ONCE], cause="cards") for i in _steps(wanted)
            )
        return Look({each: view for each in ids if (view := self._known.get(each))}, answered)

    async def watch(self, ids: Sequence[str]) -> bool:
        """Have the bridge look after these for the next minute, and tell how they are; False where it does not answer."""
        return await self._ask(WatchProducts(ids=ids[i : i + AT_ONCE], cause="cards") for i in _steps(ids))

    async def _ask(self, commands: Iterable[GetProducts | WatchProducts]) -> bool:
        try:
            answers = await asyncio.gather(*(self._call(command) for command in commands))
        except CommandError as error:
            self._away_until = self._clock() + AWAY
            if not self._away:
                log.warning("the bridge does not tell of products", error=str(error))
            self._away = True
            return False
        if self._away:
            log.info("the bridge tells of products again")
        self._away, self._away_until = False, 0.0
        for answer in answers:
            for view in answer.products:
                self.learn(view)
        return True

    async def _call(self, command: GetProducts | WatchProducts) -> ProductList:
        return await call(self._bus, command, timeout=self._timeout)


def _steps(ids: Sequence[str]) -> range:
    return range(0, len(ids), AT_ONCE)

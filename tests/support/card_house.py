"""A studio with a media and a bridge that behave, in memory, for stories about cards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from media.contracts.channels import DateRange, Program
from runtime.bus.calls import call
from runtime.bus.contract import Command, CommandError
from runtime.bus.local import LocalBus
from runtime.clock import SystemClock
from runtime.database import Database
from studio import compose
from studio.adapters.logfile import FileShowLogs
from studio.adapters.sql import SqlShowStore
from studio.adapters.sql_lineups import SqlLineupStore
from studio.contracts.cards import CardsView, CardView, GetCards, LineupItem, PutLineup
from studio.contracts.shows import CreateShow, LogEntry, ReadLog, ShowView, StartShow
from studio.settings import StudioSettings
from tests.support.media_owner import MediaOwner
from tests.support.product_owner import ProductOwner, product

DEADLINE = 10.0


class SetClock(SystemClock):
    """The machine's clocks, the wall's one of which can be set, and both of which can run on."""

    def __init__(self) -> None:
        self.by = 0
        """Microseconds that somebody has set the wall's clock by."""
        self._on = 0
        self.free = asyncio.Event()
        """Cleared: who sleeps goes on sleeping."""
        self.free.set()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self.free.wait()

    def run_on(self, seconds: int) -> None:
        """So much time is over."""
        self._on += seconds

    def monotonic(self) -> float:
        return super().monotonic() + self._on

    def wall(self) -> int:
        return super().wall() + self._on * 1_000_000 + self.by


class CardHouse:
    """A studio that can be stopped and started anew, on a bus that stays."""

    def __init__(self, bus: LocalBus, database: Database, root: Path) -> None:
        self.bus = bus
        self.clock = SetClock()
        # Programme time runs on with the clock that nobody sets, as a worker's does.
        self.media = MediaOwner(bus, SystemClock())
        self.media.add_channel("main", Program())
        self.shop = ProductOwner(bus)
        self.shop.put(product("bread"), product("rice", 30_000, list_price=40_000), product("tea", 5_000))
        self._stores = SqlShowStore(database), FileShowLogs(root / "shows"), SqlLineupStore(database)

    @asynccontextmanager
    async def studio(self, *, crash: bool = False, media_timeout: float = 0.3) -> AsyncIterator[None]:
        """A studio process; `crash` ends it without a word at the end of the block."""
        ready, stop = asyncio.Event(), asyncio.Event()

        async def stopping() -> None:
            await stop.wait()

        running = asyncio.create_task(
            compose.run(
                self.bus,
                *self._stores,
                settings=StudioSettings(media_timeout=media_timeout, upkeep_interval=0.05),
                clock=self.clock,
                ready=ready.set,
                stopping=stopping,
            )
        )
        try:
            async with asyncio.timeout(DEADLINE):
                await ready.wait()
            yield
        finally:
            if crash:
                running.cancel()
            stop.set()
            await asyncio.wait([running], timeout=DEADLINE)
            if not running.cancelled():
                running.result()

    async def ask(self, command: Command[Any]) -> Any:
        return await call(self.bus, command)

    async def planned(self, *products: str, **more: Any) -> str:
        show = await call(self.bus, CreateShow(title="장날", channel="main"))
        if products:
            items = [LineupItem(product=each, **more) for each in products]
            await call(self.bus, PutLineup(show=show.id, items=items))
        return show.id

    async def live(self, *products: str) -> ShowView:
        return await call(self.bus, StartShow(show=await self.planned(*products), cause="button"))

    async def cards(self, show: str) -> CardsView:
        return await call(self.bus, GetCards(show=show))

    async def until(self, show: str, holds: Callable[[CardsView], bool]) -> CardsView:
        """The cards, once something holds of them."""
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    if holds(view := await self.cards(show)):
                        return view
                except CommandError:
                    pass
                await asyncio.sleep(0.01)

    async def entries(self, show: str) -> list[LogEntry]:
        """Those about cards."""
        found = (await call(self.bus, ReadLog(show=show))).entries
        return [each for each in found if each.type.startswith(("card.", "sale."))]

    async def types(self, show: str, count: int) -> list[str]:
        """Types of the entries about cards, once there are so many."""
        async with asyncio.timeout(DEADLINE):
            while len(found := await self.entries(show)) < count:
                await asyncio.sleep(0.01)
        return [each.type for each in found]

    async def ranges(self, count: int) -> list[DateRange]:
        """What the playlists were told, once it is so much."""
        async with asyncio.timeout(DEADLINE):
            while len(found := self.media.ranges.get("main", [])) < count:
                await asyncio.sleep(0.01)
        return found


async def refused(house: CardHouse, command: Command[Any]) -> CommandError:
    with pytest.raises(CommandError) as error:
        await house.ask(command)
    return error.value


def card(view: CardsView, name: str) -> CardView:
    return next(each for each in view.cards if each.product.id == name)


def on_picture(view: CardsView) -> str:
    return view.moments[-1].product if view.moments else ""

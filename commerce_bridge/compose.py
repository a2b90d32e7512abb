"""The bridge's parts, put together over a bus, a store and the shops of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from commerce_bridge import connectors
from commerce_bridge.catalog.desk import ConnectedShop, Desk
from commerce_bridge.catalog.finder import Finder
from commerce_bridge.catalog.ledger import Ledger
from commerce_bridge.catalog.sync import ShopSync, SyncPlan
from commerce_bridge.catalog.watching import Watched
from commerce_bridge.contracts import products as contract
from commerce_bridge.contracts.products import ShopChanged
from commerce_bridge.metrics import SEARCH_SECONDS, figures
from commerce_bridge.model.errors import (
    BridgeError,
    ConflictError,
    InvalidError,
    NotFoundError,
    StoreError,
)
from commerce_bridge.ports import CatalogStore
from commerce_bridge.settings import BridgeSettings, ShopSeed
from runtime import logs
from runtime.bus.announcer import Announcer
from runtime.bus.calls import Handler, serve
from runtime.bus.contract import Command, CommandError, Fault, Value
from runtime.bus.port import Bus
from runtime.clock import Clock
from runtime.figures import watched as telling_figures
from runtime.telemetry import serve_metrics

log = logs.get("bridge")

TOLD_EVERY = 0.5
"""Seconds between two events of one shop."""
FAULTS: dict[type[BridgeError], Fault] = {
    InvalidError: Fault.INVALID,
    NotFoundError: Fault.NOT_FOUND,
    ConflictError: Fault.CONFLICT,
    StoreError: Fault.UNAVAILABLE,
}


def fault_of(error: BridgeError) -> Fault:
    """Whose fault an error of ours is, in the words of the bus."""
    return next((fault for kind, fault in FAULTS.items() if isinstance(error, kind)), Fault.INTERNAL)


def _answering(handler: Handler) -> Handler:
    async def answer(command: Command[Any]) -> Value:
        try:
            return await handler(command)
        except BridgeError as error:
            raise CommandError(fault_of(error), str(error), field=error.field) from error

    return answer


def handlers(desk: Desk) -> dict[type[Command[Any]], Handler]:
    """Every command of `commerce_bridge.contracts.products` with who answers it."""

    async def search(command: contract.SearchProducts) -> Value:
        with SEARCH_SECONDS.time():
            return await desk.search(command)

    answers: dict[type[Command[Any]], Handler] = {
        contract.SearchProducts: search,
        contract.GetProducts: desk.get,
        contract.WatchProducts: desk.watch,
        contract.ListShops: desk.list,
        contract.SyncShop: desk.sync,
        contract.HearWebhook: desk.hear,
    }
    return {command: _answering(handler) for command, handler in answers.items()}


class _News:
    """Which shops there is something new of, told by whoever knows, twice a second at most."""

    def __init__(self) -> None:
        self._of: set[str] = set()
        self._there = asyncio.Event()

    def of(self, shop: str) -> Callable[[], None]:
        """To be called when there is."""

        def tell() -> None:
            self._of.add(shop)
            self._there.set()

        return tell

    async def tell(self, shops: Mapping[str, ConnectedShop], desk: Desk, announcer: Announcer) -> None:
        """Until cancelled."""
        while True:
            await self._there.wait()
            self._there.clear()
            names, self._of = self._of, set()
            try:
                for name in sorted(names):
                    announcer.tell(ShopChanged(shop=await desk.view(shops[name])))
            except StoreError as error:
                log.warning("a shop's products could not be counted", error=str(error))
            await asyncio.sleep(TOLD_EVERY)


def _connected(seed: ShopSeed, build: Callable[..., ShopSync]) -> ConnectedShop:
    """A shop whose settings cannot be used is told as such; the others have nothing to do with it."""
    name = seed.name or seed.id
    try:
        options = {key: value.get_secret_value() for key, value in seed.options.items()}
        shop = connectors.open_shop(seed.kind, seed.id, options)
    except BridgeError as error:
        reason = f"bridge.shops: options.{error.field}: {error}" if error.field else str(error)
        log.warning("a shop's settings cannot be used", shop=seed.id, error=reason)
        return ConnectedShop(seed.id, seed.kind, name, None, reason)
    return ConnectedShop(seed.id, seed.kind, name, build(seed.id, shop))


async def run(
    bus: Bus,
    store: CatalogStore,
    *,
    settings: BridgeSettings,
    clock: Clock,
    beside: Mapping[type[Command[Any]], Handler],
    ready: Callable[[], None],
    stopping: Callable[[], Awaitable[None]],
) -> None:
    """Be the bridge until `stopping` returns, and answer the commands `beside` products' too. Raises what a part failed with: then
    the process ends and is restarted.

    It is ready before any shop was asked anything: what was told before is there, with its age.
    """
    announcer, news, watched = Announcer(bus), _News(), Watched()
    finder = Finder(store, clock)
    ledger = Ledger(store, finder, watched, announcer.tell, clock)
    plan = SyncPlan(
        night=settings.night,
        reread=settings.reread_interval,
        changes=settings.changes_interval,
        watch=settings.watch_interval,
        timeout=settings.shop_timeout,
    )

    def build(name: str, shop: Any) -> ShopSync:  # noqa: ANN401 - the connector's own class
        return ShopSync(name, shop, ledger, watched, plan, clock=clock, changed=news.of(name))

    shops = {seed.id: _connected(seed, build) for seed in settings.shops}
    desk = Desk(shops, store, finder, watched, clock)

    async def synced(sync: ShopSync) -> None:
        await finder.loaded.wait()  # what changes goes into an index that has what was there before
        await sync.run()

    read = figures(shops, desk, watched, announcer, clock)
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(announcer.run(), name="bridge announcer")
        async with serve(bus, {**handlers(desk), **beside}), serve_metrics(bus, "bridge"):
            with telling_figures(read):
                aside = [
                    tasks.create_task(finder.run(), name="bridge finder"),
                    tasks.create_task(news.tell(shops, desk, announcer), name="bridge news"),
                    *(
                        tasks.create_task(synced(shop.sync), name=f"bridge sync {shop.id}")
                        for shop in shops.values()
                        if shop.sync is not None
                    ),
                ]
                ready()
                await stopping()
        for task in aside:
            task.cancel()
        await asyncio.wait(aside)
        await announcer.drain(1.0)
        telling.cancel()

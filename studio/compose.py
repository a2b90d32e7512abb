"""The studio's parts, put together over a bus, a store and a log store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from commerce_bridge.contracts.links import LinkClicked
from commerce_bridge.contracts.products import ProductChanged
from commerce_bridge.model import errors as bridge
from media.contracts.channels import WorkerStarted
from runtime import ids, logs
from runtime.bus.announcer import Announcer
from runtime.bus.calls import EventStream, Handler, events, serve
from runtime.bus.contract import Command, CommandError, Event, Fault, Value
from runtime.bus.port import Bus
from runtime.clock import Clock
from runtime.telemetry import serve_metrics
from studio.cards.products import ProductDesk
from studio.cards.ranges import Ranges
from studio.cards.service import CardsService
from studio.cards.upkeep import CardsUpkeep
from studio.contracts import cards as cards_contract
from studio.contracts import shows as contract
from studio.contracts.shows import LogAppended, LogEntry
from studio.metrics import watch
from studio.model.errors import ConflictError, InvalidError, NotFoundError, StoreError, StudioError
from studio.ports import LineupStore, ShowLogStore, ShowStore
from studio.settings import StudioSettings
from studio.showlog.journals import Journals
from studio.showlog.programme import ProgrammeTimes
from studio.showlog.witness import WATCHED
from studio.shows.clicks import Clicks
from studio.shows.locks import NamedLocks
from studio.shows.media import MediaDesk
from studio.shows.newsroom import Newsroom
from studio.shows.service import ShowService

log = logs.get("studio")

PATIENCE = 10.0
"""Seconds after a start in which the media is given time to come up too."""
FAULTS: dict[type[StudioError | bridge.BridgeError], Fault] = {
    InvalidError: Fault.INVALID,
    NotFoundError: Fault.NOT_FOUND,
    ConflictError: Fault.CONFLICT,
    StoreError: Fault.UNAVAILABLE,
    bridge.InvalidError: Fault.INVALID,
    bridge.ConflictError: Fault.CONFLICT,
}
"""Of the bridge's errors, those of its rules for cards, which are ours to apply."""


def fault_of(error: StudioError | bridge.BridgeError) -> Fault:
    """Whose fault an error is, in the words of the bus."""
    return next((fault for kind, fault in FAULTS.items() if isinstance(error, kind)), Fault.INTERNAL)


def _answering(handler: Handler) -> Handler:
    async def answer(command: Command[Any]) -> Value:
        try:
            return await handler(command)
        except (StudioError, bridge.BridgeError) as error:
            raise CommandError(fault_of(error), str(error), field=error.field) from error

    return answer


def handlers(service: ShowService, cards: CardsService) -> dict[type[Command[Any]], Handler]:
    """Every command of `studio.contracts.shows` and `.cards` with who answers it."""
    answers: dict[type[Command[Any]], Handler] = {
        contract.CreateShow: service.create,
        contract.UpdateShow: service.update,
        contract.StartShow: service.start,
        contract.StopShow: service.stop,
        contract.DeleteShow: service.delete,
        contract.GetShow: service.get,
        contract.ListShows: service.list,
        contract.ReadLog: service.read_log,
        contract.AddMark: service.mark,
        cards_contract.GetCards: cards.get,
        cards_contract.PutLineup: cards.put_lineup,
        cards_contract.ShowCard: cards.show,
        cards_contract.HideCard: cards.hide,
        cards_contract.PinCard: cards.pin,
        cards_contract.UnpinCard: cards.unpin,
        cards_contract.StartSale: cards.start_sale,
        cards_contract.EndSale: cards.end_sale,
    }
    return {command: _answering(handler) for command, handler in answers.items()}


class _Upkeep:
    """What is looked after every few seconds, and at once when something hints that it is worth it."""

    def __init__(
        self,
        service: ShowService,
        newsroom: Newsroom,
        media: MediaDesk,
        cards: CardsService,
        *,
        clock: Clock,
        interval: float,
    ) -> None:
        self._service = service
        self._cards = cards
        self._newsroom = newsroom
        self._media = media
        self._clock = clock
        self._interval = interval
        self._hint = asyncio.Event()
        self._compared: tuple[int, int] | None = None

    async def listen(self, stream: EventStream[Event]) -> None:
        """Hear events until the bus closes."""
        async for event in stream:
            self._newsroom.hear(event)
            if isinstance(event, WorkerStarted):
                self._hint.set()  # a new anchor: compare clocks now
                self._cards.worker_started(event.channel)

    async def run(self, stream: EventStream[Event]) -> None:
        """Until cancelled."""
        started = self._clock.monotonic()
        while True:
            await self._once(stream, patient=self._clock.monotonic() - started < PATIENCE)
            self._hint.clear()
            try:
                async with asyncio.timeout(self._interval):
                    await self._hint.wait()
            except TimeoutError:
                continue

    async def _once(self, stream: EventStream[Event], *, patient: bool) -> None:
        losses = (stream.dropped, stream.interruptions)
        try:
            if losses != self._compared:  # at the start, and whenever events may have been missed
                self._newsroom.compare(*await self._media.everything())
                self._compared = losses
        except CommandError as error:
            log.warning("the media does not tell what is on", error=str(error))
        try:
            await self._service.resume(patient=patient)
        except StudioError as error:
            log.warning("unfinished shows could not be looked for", error=str(error))
        for channel in self._newsroom.channels:
            await self._media.sample_time(channel)


async def run(
    bus: Bus,
    store: ShowStore,
    log_store: ShowLogStore,
    lineups: LineupStore,
    *,
    settings: StudioSettings,
    clock: Clock,
    ready: Callable[[], None],
    stopping: Callable[[], Awaitable[None]],
) -> None:
    """Be the studio until `stopping` returns. Raises what a part failed with: then the process ends and is restarted."""
    announcer = Announcer(bus)
    times = ProgrammeTimes()
    newsroom = Newsroom(times)
    clicks = Clicks(newsroom, times)
    media = MediaDesk(bus, times, now=clock.wall, timeout=settings.media_timeout)

    def written(show: str, entry: LogEntry) -> None:
        announcer.tell(LogAppended(show=show, entry=entry))

    products = ProductDesk(bus, clock=clock.monotonic)
    ranges = Ranges(media.add_range)
    locks = NamedLocks()

    async with (
        events(bus, *WATCHED, size=1024) as stream,
        # Apart: a storm of clicks must not push the media's news out of a queue.
        events(bus, LinkClicked, size=1024) as clicked,
        events(bus, ProductChanged, size=1024) as product_news,
        asyncio.TaskGroup() as tasks,
    ):
        journals = Journals(
            log_store, tasks, written=written, clock=clock.monotonic, buffer_bytes=settings.log_buffer
        )
        cards = CardsService(
            shows=store,
            lineups=lineups,
            journals=journals,
            products=products,
            media=media,
            ranges=ranges,
            times=times,
            locks=locks,
            tell=announcer.tell,
            clock=clock,
            new_id=ids.new,
        )
        service = ShowService(
            store=store,
            journals=journals,
            newsroom=newsroom,
            media=media,
            times=times,
            following=cards,
            locks=locks,
            tell=announcer.tell,
            now=clock.wall,
            new_id=ids.new,
        )
        upkeep = _Upkeep(service, newsroom, media, cards, clock=clock, interval=settings.upkeep_interval)
        telling = tasks.create_task(announcer.run(), name="studio announcer")
        async with (
            serve(bus, handlers(service, cards)),
            watch(journals, announcer, clicks),
            serve_metrics(bus, "studio"),
        ):
            aside = [
                tasks.create_task(upkeep.listen(stream), name="studio events"),
                tasks.create_task(upkeep.run(stream), name="studio upkeep"),
                tasks.create_task(clicks.listen(clicked), name="studio clicks"),
                *CardsUpkeep(cards, products, ranges, clock).start(tasks, product_news),
            ]
            ready()
            await stopping()
        for task in aside:
            task.cancel()
        await journals.close_all()
        await announcer.drain(1.0)
        telling.cancel()

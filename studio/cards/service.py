"""What each command on cards means, and what a show's start and end mean to them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from commerce_bridge.cards import inputs
from commerce_bridge.cards.machine import decide
from commerce_bridge.cards.state import Cards, Item, Lineup
from commerce_bridge.contracts.products import ProductView
from runtime import logs
from runtime.bus.contract import CommandError, Event, Fault
from runtime.clock import Clock
from studio.cards.live import LiveCards
from studio.cards.products import Look, ProductDesk
from studio.cards.ranges import Ranges
from studio.cards.steps import Steps
from studio.cards.timeline import LIVE_MOMENTS, Timeline
from studio.cards.views import known_of, view_of
from studio.contracts.cards import (
    CardsChanged,
    CardsView,
    EndSale,
    GetCards,
    HideCard,
    LineupItem,
    PinCard,
    PutLineup,
    ShowCard,
    StartSale,
    UnpinCard,
)
from studio.model.errors import ConflictError, InvalidError, StoreError
from studio.model.show import Show, ShowState
from studio.ports import LineupStore, ShowStore
from studio.showlog.journals import Journal, Journals
from studio.showlog.programme import ProgrammeTimes
from studio.shows.locks import NamedLocks
from studio.shows.media import MediaDesk

log = logs.get("studio.cards")

TEXT_BYTES = 300_000
"""Of all talking points of a show together, in UTF-8: a lineup is one entry of the log, which must fit a message of the bus."""
PAST_KEPT = 16
"""Shows that are over whose cards are kept in memory; others are read from their log."""
PAGE = 2000


class CardsService:
    """Handlers of all commands of `studio.contracts.cards`, and what follows shows. Raises `StudioError`, `BridgeError` and
    `CommandError`.

    A command on a live show happens between two turns of the event loop: nobody else's can come in between, whoever asks at once.
    """

    def __init__(
        self,
        *,
        shows: ShowStore,
        lineups: LineupStore,
        journals: Journals,
        products: ProductDesk,
        media: MediaDesk,
        ranges: Ranges,
        times: ProgrammeTimes,
        locks: NamedLocks,
        tell: Callable[[Event], None],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._shows = shows
        self._lineups = lineups
        self._journals = journals
        self._products = products
        self._media = media
        self._ranges = ranges
        self._times = times
        self._locks = locks
        self._tell = tell
        self._clock = clock
        self._new_id = new_id
        self._steps = Steps(clock)
        self._steadying = asyncio.Lock()
        self._live: dict[str, LiveCards] = {}
        self._past: OrderedDict[str, Timeline] = OrderedDict()
        self._untold: set[str] = set()
        self.changed = asyncio.Event()
        """Somebody is to be told of something."""
        self.wanted = asyncio.Event()
        """Products came to be watched."""
        self.sales = asyncio.Event()
        """A sale may have started."""

    # --- commands ----------------------------------------------------------------------------------------------------

    async def get(self, command: GetCards) -> CardsView:
        """The cards of a show."""
        if live := self._live.get(command.show):
            return self._view(command.show, live)
        show = await self._shows.get(command.show)
        if show.state is ShowState.DRAFT:
            lineup = await self._lineups.get(show.id)
            return await self._asked(show.id, Cards(lineup=lineup), Timeline())
        if show.state is ShowState.ENDED:
            timeline = await self._of_the_past(show.id)
        else:  # it is being opened, after a restart: what was written can be read all the same
            timeline = await self._read(show.id)
        return await self._asked(show.id, timeline.cards, timeline)

    async def put_lineup(self, command: PutLineup) -> CardsView:
        """Replace the products of a show: of a planned one in the database, of a live one in its log."""
        items = _items(command.items)
        await self._steady()
        async with self._locks.hold(f"show/{command.show}"):  # so that it does not start meanwhile
            show = await self._shows.get(command.show)
            if show.state is ShowState.ENDED:
                raise ConflictError("the show has ended")
            look = await self._products.look([item.product for item in items])
            _exist(items, look)
            if show.state is ShowState.LIVE:
                return self._put_live(command, items, look)
            was = await self._lineups.get(show.id)
            cards, happenings = decide(Cards(lineup=was), _put(command, items, look), self._clock.wall())
            if happenings:
                await self._lineups.put(show.id, cards.lineup, was=was.version)
            return view_of(show.id, cards, (), look.views)

    def _put_live(self, command: PutLineup, items: tuple[Item, ...], look: Look) -> CardsView:
        live = self._live.get(command.show)
        if live is None:
            raise _being_opened()
        new = [item.product for item in items if not live.timeline.cards.has(item.product)]
        _sellable(new, look, "the lineup was not changed")
        live.carry_out(_put(command, items, look))
        for view in look.views.values():
            live.hear(view)
        self.wanted.set()
        return self._view(command.show, live)

    async def show(self, command: ShowCard) -> CardsView:
        """Put a card on the picture."""
        return await self._carry_out(command.show, inputs.Show(command.product, command.cause))

    async def hide(self, command: HideCard) -> CardsView:
        """Take a card off the picture."""
        return await self._carry_out(command.show, inputs.Hide(command.product, command.cause))

    async def pin(self, command: PinCard) -> CardsView:
        """Let a card stand while no other is shown."""
        return await self._carry_out(command.show, inputs.Pin(command.product, command.cause))

    async def unpin(self, command: UnpinCard) -> CardsView:
        """Let it stand no longer."""
        return await self._carry_out(command.show, inputs.Unpin(command.product, command.cause))

    async def start_sale(self, command: StartSale) -> CardsView:
        """Start a time sale."""
        known = self._products.known(command.product)
        asked = inputs.StartSale(
            self._new_id(),
            command.product,
            command.price,
            command.seconds,
            command.quantity,
            command.per_buyer,
            known.saleable if known else None,
            command.cause,
        )
        view = await self._carry_out(command.show, asked)
        self.sales.set()
        return view

    async def end_sale(self, command: EndSale) -> CardsView:
        """End a time sale."""
        return await self._carry_out(command.show, inputs.EndSale(command.product, command.cause))

    async def _carry_out(self, name: str, asked: inputs.Input) -> CardsView:
        await self._steady()
        live = self._live.get(name)
        if live is None:
            show = await self._shows.get(name)
            if show.state is ShowState.LIVE:
                raise _being_opened()
            over = show.state is ShowState.ENDED
            raise ConflictError("the show has ended" if over else "the show has not started")
        live.carry_out(asked)
        return self._view(name, live)

    # --- a show's life (`studio.shows.following.Following`) ----------------------------------------------------------

    async def may_start(self, show: Show) -> None:
        """Nothing is sold without what the law wants to be said of it."""
        lineup = await self._lineups.get(show.id)
        if lineup.items:
            products = [item.product for item in lineup.items]
            _sellable(products, await self._products.look(products, fresh=True), "the show was not started")

    async def began(self, show: Show, journal: Journal) -> None:
        """Follow a live show: what its log says already, else what was planned."""
        if show.id in self._live:
            return
        timeline = await self._read(show.id)
        lineup = Lineup() if timeline.cards.lineup.version else await self._lineups.get(show.id)
        live = LiveCards(
            show.channel,
            journal,
            timeline,
            since=show.started,
            times=self._times,
            ranges=self._ranges,
            now=self._clock.wall,
            changed=self._note_change,
        )
        if lineup.version:
            known = self._known(item.product for item in lineup.items)
            live.carry_out(inputs.Begin(lineup, {each: known_of(view) for each, view in known.items()}))
        self._live[show.id] = live
        for view in self._known(timeline.cards.products).values():
            live.hear(view)
        live.tell_range()
        self.wanted.set()
        self.sales.set()
        self._note_change(show.id)

    def ended(self, show: Show, *, time: int) -> None:
        """Sales end with it, and nothing is on the picture any more."""
        if live := self._live.pop(show.id, None):
            live.note(inputs.Close(), time=time)
            live.end_range(time)
            self._remember(show.id, live.timeline)
        self._untold.discard(show.id)

    async def deleted(self, show: str) -> None:
        """Nothing of it is kept."""
        self._past.pop(show, None)
        await self._lineups.delete(show)

    # --- what time and shops bring -----------------------------------------------------------------------------------

    @property
    def watched(self) -> list[str]:
        """Products of live shows."""
        products = (each for live in self._live.values() for each in live.timeline.cards.products)
        return list(dict.fromkeys(products))

    @property
    def next_end(self) -> int | None:
        """When the next sale ends, Unix microseconds; None where none runs."""
        sales = (sale.ends for live in self._live.values() for sale in live.timeline.cards.sales.values())
        return min(sales, default=None)

    async def tick(self) -> bool:
        """End the sales whose time is over; False where a log does not take it."""
        await self._steady()
        told = [live.note(inputs.Tick()) for live in self._live.values()]
        return all(told)

    async def heard(self, view: ProductView) -> None:
        """A shop tells something new of a product: what matters goes into the logs, and all of it to those who look."""
        await self._steady()
        self._hear(view, news=True)

    async def look_after(self) -> None:
        """Have the bridge watch the products of live shows, and take in how they are: events may be lost."""
        if watched := self.watched:
            before = self._known(watched)
            await self._products.watch(watched)
            await self._steady()
            for product, view in self._known(watched).items():
                self._hear(view, news=view is not before.get(product))

    def _hear(self, view: ProductView, *, news: bool) -> None:
        for show, live in self._live.items():
            if live.timeline.cards.has(view.id):
                live.hear(view)
                if news:
                    self._note_change(show)

    def worker_started(self, channel: str) -> None:
        """Its playlists are new ones."""
        for live in self._live.values():
            if live.channel == channel:
                live.tell_range()

    def tell(self) -> None:
        """Tell everybody of what changed since the last time."""
        for show in sorted(self._untold):
            if live := self._live.get(show):
                self._tell(CardsChanged(cards=self._view(show, live)))
        self._untold.clear()

    def _note_change(self, show: str) -> None:
        if show in self._live:
            self._untold.add(show)
            self.changed.set()

    async def _steady(self) -> None:
        """Where the server's clock was set, sales and programme times are set with it, before anything else is decided."""
        async with self._steadying:
            if not (by := self._steps.taken()):
                return
            log.warning("the clock of this machine was set", seconds=by / 1_000_000)
            for channel in {live.channel for live in self._live.values()}:
                await self._media.sample_time(channel)
            for live in self._live.values():
                live.note(inputs.ClockSet(by))

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, show: str) -> Timeline:
        timeline, after = Timeline(), 0
        while entries := await self._journals.read(show, after=after, limit=PAGE):
            timeline.read(entries)
            after = entries[-1].seq
        return timeline

    async def _of_the_past(self, show: str) -> Timeline:
        async with self._locks.hold(f"past/{show}"):  # many ask at once
            timeline = self._past.get(show) or await self._read(show)
            self._remember(show, timeline)
            return timeline

    def _remember(self, show: str, timeline: Timeline) -> None:
        self._past[show] = timeline
        self._past.move_to_end(show)
        while len(self._past) > PAST_KEPT:
            self._past.popitem(last=False)

    async def _asked(self, show: str, cards: Cards, timeline: Timeline) -> CardsView:
        look = await self._products.look(cards.products)
        return view_of(show, cards, timeline.moments, look.views)

    def _known(self, products: Iterable[str]) -> Mapping[str, ProductView]:
        return {each: view for each in products if (view := self._products.known(each))}

    def _view(self, show: str, live: LiveCards) -> CardsView:
        moments = list(live.timeline.moments)[-LIVE_MOMENTS:]
        return view_of(show, live.timeline.cards, moments, self._known(live.timeline.cards.products))


def _being_opened() -> StoreError:
    return StoreError("the log is being opened; try again in a moment")


def _items(items: Sequence[LineupItem]) -> tuple[Item, ...]:
    if sum(len(item.talking_points.encode()) for item in items) > TEXT_BYTES:
        raise InvalidError("all talking points together are too long", field="items")
    return tuple(Item(item.product, item.talking_points, item.sale_price) for item in items)


def _put(command: PutLineup, items: tuple[Item, ...], look: Look) -> inputs.PutLineup:
    known = {each: known_of(view) for each, view in look.views.items()}
    return inputs.PutLineup(items, command.version, known, command.cause)


def _exist(items: Sequence[Item], look: Look) -> None:
    for place, item in enumerate(items):
        if look.answered and item.product not in look.views:
            raise InvalidError(f"there is no product {item.product}", field=f"items.{place}.product")


def _sellable(products: Sequence[str], look: Look, otherwise: str) -> None:
    """Raises `ConflictError` that names each product which may not be sold, and why."""
    wrong = []
    for product in products:
        view = look.views.get(product)
        if view is None and not look.answered:
            raise CommandError(
                Fault.UNAVAILABLE,
                f"{otherwise}: the shops' products cannot be looked at now",
                field="products",
            )
        if view is None:
            wrong.append(f"there is no product {product}")
        elif view.gone:
            wrong.append(f"“{view.title}” is no longer offered by its shop")
        elif view.missing:
            wrong.append(f"“{view.title}” lacks {', '.join(view.missing)}")
    if wrong:
        raise ConflictError(f"{otherwise}: {'; '.join(wrong)}", field="products")

"""Where the state comes from: the owners' events, and their lists at the start, after a loss, and now and then.

Events may be lost, so the lists are what counts: each is asked for again every few seconds, and whatever differs is a
patch like any other. What an event told while a list was on its way is newer than the list.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

from media.contracts.channels import ChannelView
from media.contracts.feeds import FeedChanged, FeedDeleted, FeedView, ListFeeds
from media.contracts.isos import IsoChanged, IsoDeleted, IsoView, ListIsos
from media.contracts.jobs import JobChanged, JobState, JobView, ListJobs
from runtime import logs
from runtime.bus.calls import events
from runtime.bus.contract import CommandError, Event
from runtime.bus.port import Bus
from studio.contracts.cards import CardsChanged, CardsView, GetCards
from studio.contracts.shows import ListShows, ShowChanged, ShowDeleted, ShowState, ShowView
from web.playback.board import Board
from web.ports import Ask
from web.realtime.hub import Hub
from web.realtime.topics import Topic

log = logs.get("web.realtime")

REFRESH_SECONDS = 10.0
"""As often the lists are asked for: what a lost event may cost."""
RETRY_SECONDS = 1.0
"""As often while their owner does not answer."""
EVENTS = 1024
"""Events that may wait; each one is handled in microseconds."""
ENDED_KEPT = 50
"""Ended shows that are told of, the newest: older ones are a matter of paging, by the REST API."""
FINISHED_KEPT = 50
"""Finished jobs that are told of."""
ISOS_KEPT = 50
"""Ended recordings of feeds that are told of, the newest."""
MOST_SHOWS = 200
"""Live and planned shows that are told of: what one command lists at most."""
CAUSE = "web.realtime"

ViewT = TypeVar("ViewT")
Told = tuple[str, ViewT | None]
"""Key of what an event is about, with how it is now; None when it is no more."""


class Followed(Generic[ViewT]):
    """One topic, kept like its owner has it."""

    def __init__(
        self,
        hub: Hub,
        topic: Topic[ViewT],
        ask: Callable[[], Awaitable[Mapping[str, ViewT]]],
        told: Callable[[Event], Told[ViewT] | None],
        surplus: Callable[[Mapping[str, ViewT]], Iterable[str]] = lambda _: (),
    ) -> None:
        self._hub = hub
        self._topic = topic
        self._ask = ask
        self._told = told
        self._surplus = surplus
        self._views: dict[str, ViewT] = {}
        self._heard: set[str] = set()
        self._lost = asyncio.Event()

    async def run(self, bus: Bus, *kinds: type[Event]) -> None:
        """Follow until cancelled or the bus closes."""
        async with events(bus, *kinds, size=EVENTS) as stream, asyncio.TaskGroup() as tasks:
            refreshing = tasks.create_task(self._refresh_for_ever(), name=f"realtime.{self._topic.name}")
            losses = 0
            async for event in stream:
                self.hear(event)
                if losses != (losses := stream.dropped + stream.interruptions):
                    self._lost.set()
            refreshing.cancel()

    def hear(self, event: Event) -> None:
        """Take an event in."""
        if (told := self._told(event)) is None:
            return
        key, view = told
        self._heard.add(key)
        self._put(key, view)

    async def refresh(self) -> bool:
        """Ask for everything; False when nobody answered."""
        self._heard.clear()
        try:
            found = await self._ask()
        except CommandError as error:
            log.debug("a list was not told", topic=self._topic.name, error=str(error))
            self._hub.know(self._topic, fresh=False)
            return False
        # Those that `_put` would take away again are not told at all: each would be a patch to everybody.
        old = set(self._surplus(found))
        found = {key: view for key, view in found.items() if key not in old}
        for key in self._views.keys() - found.keys() - self._heard:
            self._put(key, None)
        for key, view in found.items():
            if key not in self._heard:
                self._put(key, view)
        self._hub.know(self._topic, fresh=True)
        return True

    def _put(self, key: str, view: ViewT | None) -> None:
        if view is None:
            self._views.pop(key, None)
            self._hub.remove(self._topic, key)
            return
        self._views[key] = view
        self._hub.put(self._topic, key, view)
        for old in list(self._surplus(self._views)):
            self._put(old, None)

    async def _refresh_for_ever(self) -> None:
        while True:
            self._lost.clear()
            told = await self.refresh()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS if told else RETRY_SECONDS):
                    await self._lost.wait()


class Source:
    """All topics, from their owners to the hub."""

    def __init__(self, hub: Hub, bus: Bus, ask: Ask, channels: Board) -> None:
        topics = hub.topics
        self._hub = hub
        self._bus = bus
        self._ask = ask
        self._channels = channels
        channels.watch(self._hear_channel)
        self._feeds = Followed(hub, topics.feeds, self._list_feeds, _feed_told)
        self._isos = Followed(hub, topics.isos, self._list_isos, _iso_told, _old_isos)
        self._shows = Followed(hub, topics.shows, self._list_shows, _show_told, _old_shows)
        self._cards = Followed(hub, topics.cards, self._list_cards, _cards_told)
        self._jobs = Followed(hub, topics.jobs, self._list_jobs, _job_told, _old_jobs)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feeds.run(self._bus, FeedChanged, FeedDeleted), name="realtime.feeds")
            tasks.create_task(self._isos.run(self._bus, IsoChanged, IsoDeleted), name="realtime.isos")
            tasks.create_task(self._shows.run(self._bus, ShowChanged, ShowDeleted), name="realtime.shows")
            tasks.create_task(
                self._cards.run(self._bus, CardsChanged, ShowChanged, ShowDeleted), name="realtime.cards"
            )
            tasks.create_task(self._jobs.run(self._bus, JobChanged), name="realtime.jobs")

    def _hear_channel(self, channel: str, view: ChannelView | None) -> None:
        topic = self._hub.topics.channels
        if view is not None:
            self._hub.put(topic, channel, view)
        elif channel:
            self._hub.remove(topic, channel)
        if self._channels.known:
            self._hub.know(topic, fresh=self._channels.fresh)

    async def _list_feeds(self) -> Mapping[str, FeedView]:
        return {view.id: view for view in (await self._ask(ListFeeds(cause=CAUSE))).feeds}

    async def _list_isos(self) -> Mapping[str, IsoView]:
        return {view.id: view for view in (await self._ask(ListIsos(cause=CAUSE))).isos}

    async def _list_shows(self) -> Mapping[str, ShowView]:
        found: dict[str, ShowView] = {}
        # The ended ones first: a show that ends meanwhile is then told as live, and once more, rather than missed.
        for state, limit in (
            (ShowState.ENDED, ENDED_KEPT),
            (ShowState.DRAFT, MOST_SHOWS),
            (ShowState.LIVE, MOST_SHOWS),
        ):
            listed = await self._ask(ListShows(state=state, limit=limit, cause=CAUSE))
            found |= {view.id: view for view in listed.shows}
        return found

    async def _list_cards(self) -> Mapping[str, CardsView]:
        live = await self._ask(ListShows(state=ShowState.LIVE, limit=MOST_SHOWS, cause=CAUSE))
        return {show.id: await self._ask(GetCards(show=show.id, cause=CAUSE)) for show in live.shows}

    async def _list_jobs(self) -> Mapping[str, JobView]:
        return {view.id: view for view in (await self._ask(ListJobs(cause=CAUSE))).jobs}


def _feed_told(event: Event) -> Told[FeedView]:
    if isinstance(event, FeedChanged):
        return event.feed.id, event.feed
    assert isinstance(event, FeedDeleted)
    return event.feed, None


def _iso_told(event: Event) -> Told[IsoView]:
    if isinstance(event, IsoChanged):
        return event.iso.id, event.iso
    assert isinstance(event, IsoDeleted)
    return event.iso, None


def _old_isos(views: Mapping[str, IsoView]) -> Iterable[str]:
    ended = sorted(
        (view for view in views.values() if view.ended), key=lambda view: view.started, reverse=True
    )
    return [view.id for view in ended[ISOS_KEPT:]]


def _show_told(event: Event) -> Told[ShowView]:
    if isinstance(event, ShowChanged):
        return event.show.id, event.show
    assert isinstance(event, ShowDeleted)
    return event.show, None


def _cards_told(event: Event) -> Told[CardsView] | None:
    """Those of live shows."""
    if isinstance(event, CardsChanged):
        return event.cards.show, event.cards
    if isinstance(event, ShowDeleted):
        return event.show, None
    assert isinstance(event, ShowChanged)
    return (event.show.id, None) if event.show.state is ShowState.ENDED else None


def _job_told(event: Event) -> Told[JobView]:
    assert isinstance(event, JobChanged)
    return event.job.id, event.job


def _old_shows(views: Mapping[str, ShowView]) -> Iterable[str]:
    ended = [view for view in views.values() if view.state is ShowState.ENDED]
    ended.sort(key=lambda view: view.created, reverse=True)
    return [view.id for view in ended[ENDED_KEPT:]]


def _old_jobs(views: Mapping[str, JobView]) -> Iterable[str]:
    # In the order in which they were made known: the first is the oldest.
    finished = [view.id for view in views.values() if view.state in {JobState.DONE, JobState.FAILED}]
    return finished[:-FINISHED_KEPT]

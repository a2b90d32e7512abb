"""The live board: which channels there are and where their origins are, followed by events and asked for now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from media.contracts.channels import ChannelChanged, ChannelDeleted, ChannelView, ListChannels
from runtime import logs
from runtime.bus.calls import events
from runtime.bus.contract import CommandError, Event
from runtime.bus.port import Bus
from web.ports import Ask

log = logs.get("web.board")

REFRESH_SECONDS = 3.0
"""Events may be lost; the list is asked for this often, so that a miss costs seconds."""
FIRST_RETRY_SECONDS = 0.3


Watcher = Callable[[str, ChannelView | None], None]
"""Is told a channel's id and how it is now (None: it is gone); an empty id when `known` or `fresh` changed."""


class Board:
    """Channels by id, with a way to wait for news."""

    def __init__(self, bus: Bus, ask: Ask) -> None:
        self._bus = bus
        self._ask = ask
        self._channels: dict[str, ChannelView] = {}
        self._news = asyncio.Event()
        self._watchers: list[Watcher] = []
        self._heard: set[str] = set()
        """Channels that events told of since the list was asked for: at most as many as there are channels."""
        self.known = False
        """Whether the list was ever told: until then an unknown channel may exist."""
        self.fresh = False
        """Whether the last request for the list was answered."""

    def get(self, channel: str) -> ChannelView | None:
        """The channel as last heard."""
        return self._channels.get(channel)

    def all(self) -> Sequence[ChannelView]:
        """All channels."""
        return list(self._channels.values())

    def watch(self, watcher: Watcher) -> None:
        """Tell all changes from now on, figures too."""
        self._watchers.append(watcher)

    async def until(self, arrived: Callable[[], bool], timeout: float) -> bool:
        """Wait for `arrived` to hold, looking at each news; False when it did not in time."""
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                while not arrived():
                    await self._news.wait()
                return True
        except TimeoutError:
            return arrived()

    async def run(self) -> None:
        """Follow until cancelled or the bus closes."""
        async with events(self._bus, ChannelChanged, ChannelDeleted) as stream, asyncio.TaskGroup() as tasks:
            refreshing = tasks.create_task(self._refresh_for_ever(), name="web.board.refresh")
            async for event in stream:
                self.hear(event)
            refreshing.cancel()

    def hear(self, event: Event) -> None:
        """Take an event in."""
        if isinstance(event, ChannelChanged):
            self._heard.add(event.channel.id)
            self._put(event.channel)
        elif isinstance(event, ChannelDeleted):
            self._heard.add(event.channel)
            if self._channels.pop(event.channel, None) is not None:
                self._watched(event.channel, None)
                self._tell()

    async def refresh(self) -> bool:
        """Ask for the whole list; False when nobody answered.

        What an event told while the list was on its way stays: the list may be the older of the two, and if it is not, the
        next one puts that right.
        """
        self._heard.clear()
        try:
            found = await self._ask(ListChannels(cause="web.board"))
        except CommandError as error:
            log.debug("the list of channels was not told", error=str(error))
            self._answered(fresh=False)
            return False
        for view in found.channels:
            if view.id not in self._heard:
                self._put(view)
        kept = {view.id for view in found.channels} | self._heard
        gone = [channel for channel in self._channels if channel not in kept]
        for channel in gone:
            del self._channels[channel]
            self._watched(channel, None)
        if gone or not self.known:
            self.known = True
            self._tell()
        self._answered(fresh=True)
        return True

    async def _refresh_for_ever(self) -> None:
        while True:
            told = await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS if told or self.known else FIRST_RETRY_SECONDS)

    def _put(self, view: ChannelView) -> None:
        before = self._channels.get(view.id)
        self._channels[view.id] = view
        if view != before:
            self._watched(view.id, view)
        # Figures change every two seconds; those who wait for an origin need not look each time.
        if before is None or (before.origin, before.epoch, before.wanted, before.idle) != (
            view.origin,
            view.epoch,
            view.wanted,
            view.idle,
        ):
            self._tell()

    def _answered(self, *, fresh: bool) -> None:
        if fresh != self.fresh:
            self.fresh = fresh
            self._watched("", None)

    def _watched(self, channel: str, view: ChannelView | None) -> None:
        for watcher in self._watchers:
            watcher(channel, view)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

"""Clicks on purchase links, in the log of the show that is live."""

from __future__ import annotations

from collections import Counter

from commerce_bridge.contracts.links import LinkClicked
from runtime.bus.calls import EventStream
from studio.showlog.programme import ProgrammeTimes
from studio.shows.newsroom import Newsroom

AHEAD = 10_000_000
"""Microseconds: a player's clock may be a little ahead."""
MOST_PER_SECOND = 100
"""Entries of a show's log in one second: links are public, and whoever calls one in a loop must not fill the disk. More than a
crowd of a hundred thousand clicks in the busiest minutes of a show.
"""


class Clicks:
    """Writes clicks down. Called from one event loop; never waits."""

    def __init__(self, newsroom: Newsroom, times: ProgrammeTimes) -> None:
        self._newsroom = newsroom
        self._times = times
        self._second = 0
        self._written: Counter[str] = Counter()
        """By show, in this second."""
        self.results: Counter[str] = Counter(dict.fromkeys(("logged", "beyond", "not_live", "program"), 0))
        """`logged`; `beyond` what a log takes in a second; of a show that is `not_live`; of a `program`."""

    async def listen(self, stream: EventStream[LinkClicked]) -> None:
        """Hear clicks until the bus closes."""
        async for event in stream:
            self.hear(event)

    def hear(self, event: LinkClicked) -> None:
        """Note one."""
        self.results[self._hear(event)] += 1

    def _hear(self, event: LinkClicked) -> str:
        if event.bot:
            return "program"
        live = self._newsroom.live(event.show)
        if live is None:
            return "not_live"
        if event.at // 1_000_000 != self._second:
            self._second = event.at // 1_000_000
            self._written.clear()
        if self._written[event.show] >= MOST_PER_SECOND:
            return "beyond"
        self._written[event.show] += 1
        here = self._times.at(live.channel, event.at)
        time = event.time if event.time is not None else here
        live.journal.note(
            "click",
            at=event.at,
            # A time that cannot be is somebody's joke: then it is a click of now.
            time=time if live.since <= time <= here + AHEAD else here,
            data={"click": event.click, "product": event.product, "origin": event.origin},
        )
        return "logged"

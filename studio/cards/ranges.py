"""What is on the picture, as date ranges of the live playlists: for players that know nothing of us."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from media.contracts.channels import DateRange
from runtime import logs
from runtime.bus.contract import CommandError
from studio.contracts.cards import Moment

log = logs.get("studio.cards")

CLASS = "kr.gachi.card"
WAITING = 64
"""Ranges that may wait for the media; the oldest gives way. Each is told within a time-out, so that this is minutes of a media that
does not answer.
"""
_UNQUOTABLE = str.maketrans({'"': "”", "\n": " ", "\r": " "})
"""What a playlist's quoted string cannot hold (RFC 8216bis §4.2)."""


def range_of(show: str, moment: Moment, title: str, *, ends: int | None = None) -> DateRange:
    """The range of a moment, open-ended, or until the programme time `ends`. The id is the same both times."""
    return DateRange(
        id=f"card-{show}-{moment.seq}",
        starts=moment.time,
        duration=None if ends is None else max(0, ends - moment.time) / 1_000_000,
        class_=CLASS,
        attributes={
            "X-PRODUCT": moment.product.translate(_UNQUOTABLE),
            "X-TITLE": title.translate(_UNQUOTABLE),
            "X-PRICE": str(moment.price),
        },
    )


class Ranges:
    """Tells the media, one after the other, behind everybody's back: nobody waits for it."""

    def __init__(self, add: Callable[[str, DateRange], Awaitable[None]]) -> None:
        self._add = add
        self._waiting: OrderedDict[tuple[str, str], DateRange] = OrderedDict()
        self._news = asyncio.Event()
        self.untold = 0
        """Ranges that gave way, or that the media did not take."""

    def put(self, channel: str, item: DateRange) -> None:
        """Have it written. What waits under the same id need not be told any more."""
        self._waiting.pop((channel, item.id), None)
        self._waiting[channel, item.id] = item
        while len(self._waiting) > WAITING:
            self._waiting.popitem(last=False)
            self.untold += 1
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                (channel, _), item = self._waiting.popitem(last=False)
                try:
                    await self._add(channel, item)
                except CommandError as error:
                    self.untold += 1
                    log.warning(
                        "a card is not in the playlists", channel=channel, range=item.id, error=str(error)
                    )

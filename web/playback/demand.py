"""Tells the node which on-demand channels are wanted: by the playlists that viewers ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media.contracts.channels import WatchChannel
from runtime import logs
from runtime.bus.contract import CommandError
from web.playback.board import Board
from web.ports import Ask

log = logs.get("web.demand")

TELL_EVERY = 2.0
"""Seconds between words to the node for one channel: less than half of the shortest `idle_seconds`."""


class ChannelStartingError(Exception):
    """The channel rested and is being started: the viewer asks again in a moment."""


class Demand:
    """Viewers' wish to see on-demand channels. Their ids come off the board, so the table cannot grow past its channels."""

    def __init__(self, board: Board, ask: Ask, clock: Callable[[], float]) -> None:
        self._board = board
        self._ask = ask
        self._clock = clock
        self._told: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._news = asyncio.Event()

    def viewer(self, channel: str) -> None:
        """Somebody asks for a playlist of the channel. Raises `ChannelStartingError` while it has no worker."""
        view = self._board.get(channel)
        if view is None or not view.settings.on_demand or not view.wanted:
            return
        if self._clock() - self._told.get(channel, -TELL_EVERY) >= TELL_EVERY:
            self._told[channel] = self._clock()
            self._wanted.add(channel)
            self._news.set()
        if view.idle:
            raise ChannelStartingError

    async def run(self) -> None:
        """Tell the node until cancelled. What it refuses or does not answer is asked again by the next viewer."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._wanted:
                channel = self._wanted.pop()
                try:
                    await self._ask(WatchChannel(channel=channel, cause="web.viewer"))
                except CommandError as error:
                    log.info("a channel that is wanted does not start", channel=channel, why=str(error))

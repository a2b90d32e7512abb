"""On-demand channels over time: a show keeps its channel on air, or puts it there; one that nobody asks for rests."""

from __future__ import annotations

import asyncio

from media.contracts.channels import WatchChannel
from media.model.errors import MediaError
from media.node.channels import Channels
from media.node.recordings import Recordings
from runtime import logs

log = logs.get("media.node.demand")

LOOK_EVERY = 2.0
"""Seconds: by so much more than `idle_seconds` a channel may run on."""


async def tend(channels: Channels, recordings: Recordings) -> None:
    """Look until cancelled. A show that was live when the node ended has its channel back with the first look."""
    while True:
        for channel in channels.on_demand():
            try:
                if await recordings.running(channel):
                    await channels.watch(WatchChannel(channel=channel))
                else:
                    await channels.rest(channel)
            except MediaError as error:
                log.warning("an on-demand channel was not looked after", channel=channel, error=str(error))
        await asyncio.sleep(LOOK_EVERY)

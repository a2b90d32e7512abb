"""The ingest process and the HTTP of WebRTC senders before it, in one process and on free ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from media.contracts.feeds import FeedView, GetFeed
from media.ingest.store import MemoryFeedStore
from media.model.feed import FeedPhase
from runtime.bus.calls import call
from runtime.bus.local import LocalBus
from runtime.settings import Settings
from tests.support.ingest import ingest, settings
from tests.support.whip_sender import KEY
from web.compose import asking
from web.metrics import WebMetrics
from web.settings import AuthSettings, HttpSettings
from web.whip import ANSWER_SECONDS, Whip

SEEDS = (
    f'[{{id="phone", kind="whip", stream_key="{KEY}"}}, '
    '{id="shared", kind="whip", stream_key="whip-key-2", second_publisher="take_over"}, '
    '{id="obs", kind="rtmp", stream_key="rtmp-key-1"}]'
)
DIRECT = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/sdp"}


@dataclass
class House:
    """The two processes in one."""

    settings: Settings
    bus: LocalBus
    base: str
    http: aiohttp.ClientSession

    def endpoint(self, feed: str = "phone") -> str:
        return f"{self.base}/whip/{feed}"

    async def feed(self, feed: str = "phone") -> FeedView:
        return await call(self.bus, GetFeed(feed=feed))

    async def phase(self, *wanted: FeedPhase, feed: str = "phone", within: float = 20.0) -> FeedView:
        async with asyncio.timeout(within):
            while (view := await self.feed(feed)).phase not in wanted:
                await asyncio.sleep(0.05)
        return view


@contextlib.asynccontextmanager
async def a_house(tmp_path: Path, **extra: str) -> AsyncIterator[House]:
    more = {"GACHI_FEEDS__SEED": SEEDS, "GACHI_INGEST__WEBRTC_HOST": "127.0.0.1", **extra}
    made, bus = settings(tmp_path, **more), LocalBus()
    app = web.Application()
    limits = AuthSettings(address_rate=1000, failure_burst=1000)
    Whip(asking(bus, ANSWER_SECONDS), HttpSettings(), limits, WebMetrics(CollectorRegistry())).add_to(app)
    runner = web.AppRunner(app)
    async with ingest(made, bus, MemoryFeedStore()), aiohttp.ClientSession() as http:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        try:
            yield House(made, bus, f"http://127.0.0.1:{runner.addresses[0][1]}", http)
        finally:
            await runner.cleanup()

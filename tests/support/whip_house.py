"""The ingest process and the HTTP of WebRTC senders before it, in one process and on free ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry

from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.adapters.feed_tap import SocketFeedTap
from media.contracts.feeds import FeedView, GetFeed
from media.ingest.store import MemoryFeedStore
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.bus.calls import call
from runtime.bus.local import LocalBus
from runtime.settings import Settings
from tests.support.ingest import ingest, settings
from tests.support.whip_sender import CLIP, KEY, originals, picture_hash
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
async def a_house(tmp_path: Path, *, address: str = "127.0.0.1", **extra: str) -> AsyncIterator[House]:
    more = {"GACHI_FEEDS__SEED": SEEDS, "GACHI_INGEST__WEBRTC_HOST": address, **extra}
    made, bus = settings(tmp_path, **more), LocalBus()
    app = web.Application()
    limits = AuthSettings(address_rate=1000, failure_burst=1000)
    Whip(asking(bus, ANSWER_SECONDS), HttpSettings(), limits, WebMetrics(CollectorRegistry())).add_to(app)
    runner = web.AppRunner(app)
    async with ingest(made, bus, MemoryFeedStore()), aiohttp.ClientSession() as http:
        await runner.setup()
        site = web.TCPSite(runner, address, 0)
        await site.start()
        assert runner.addresses
        try:
            yield House(made, bus, f"http://{address}:{runner.addresses[0][1]}", http)
        finally:
            await runner.cleanup()


@dataclass
class Watched:
    """What a worker gets of a feed, decoded."""

    phases: list[FeedPhase] = field(default_factory=list)
    headers: list[TrackHeader] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    times: dict[MediaKind, list[int]] = field(default_factory=lambda: {kind: [] for kind in MediaKind})
    errors: int = 0
    sounds: int = 0

    async def take(self, tap: SocketFeedTap) -> None:
        decoders: dict[MediaKind, VideoDecoder | AudioDecoder] = {}
        async for item in tap:
            if isinstance(item, TrackHeader):
                self.headers.append(item)
                video = item.kind is MediaKind.VIDEO
                decoders[item.kind] = VideoDecoder(item) if video else AudioDecoder(item)
            elif isinstance(item, EncodedPacket):
                self.times[item.kind].append(item.pts)
                decoder = decoders[item.kind]
                if isinstance(decoder, VideoDecoder):
                    self.pictures += [picture_hash(each.frame) for each in decoder.decode(item)]
                else:
                    self.sounds += len(decoder.decode(item))
                self.errors = sum(each.errors for each in decoders.values())
            else:
                assert isinstance(item, FeedStatus)
                self.phases.append(item.phase)


@contextlib.asynccontextmanager
async def watching(house: House, feed: str = "phone") -> AsyncIterator[Watched]:
    """Take a feed as a worker does, and decode it."""
    watched = Watched()
    task = asyncio.create_task(watched.take(SocketFeedTap(house.settings.socket("feeds"), feed)))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def until(holds: Callable[[], bool], within: float, what: str) -> None:
    """Wait until something holds. Raises AssertionError."""
    try:
        async with asyncio.timeout(within):
            while not holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {within:g} s for {what}") from None


def known(codec: str) -> set[str]:
    """Hashes of all pictures that a `WhipSender` sends, undamaged."""
    return set(originals(codec, CLIP))


def figure(name: str) -> float:
    """A figure of the ingest process."""
    value = REGISTRY.get_sample_value(name)
    assert value is not None, name
    return value

"""Pictures of feeds from the real ingest process: they are fresh, renewed, and gone when the feed is."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.adapters.feed_tap import SocketFeedTap
from media.adapters.picture_child import PictureChild
from media.contracts.faults import guarded
from media.contracts.feeds import CreateFeed, FeedView, GetFeed
from media.contracts.jobs import FeedPicture, GetFeedPicture
from media.ingest.store import MemoryFeedStore
from media.jobs.pictures import Items, Pictures
from media.mix import timecode
from media.model.feed import FeedKind, FeedPhase
from runtime.bus.calls import call, serve
from runtime.bus.contract import CommandError, Fault
from runtime.bus.local import LocalBus
from runtime.settings import Settings
from tests.support.ingest import arrives, ingest, settings
from tests.support.media import ClipSpec, clip_file

KEEP = 1.0
GOP = 1.0
"""Seconds between keyframes of the test pattern."""
SLACK = 1.0
"""Seconds for a machine that others use as well."""


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[LocalBus]:
    """Ingest and the part of the jobs process that makes pictures."""
    config: Settings = settings(tmp_path)
    bus = LocalBus()

    async def look(feed: str) -> FeedView:
        return await call(bus, GetFeed(feed=feed))

    def tap(feed: str) -> Items:
        return aiter(SocketFeedTap(config.socket("feeds"), feed))

    async with (
        ingest(config, bus, MemoryFeedStore()),
        aclosing(PictureChild()) as child,
        aclosing(Pictures(look, tap, child.draw, keep=KEEP, within=20.0)) as pictures,
        serve(bus, guarded({GetFeedPicture: pictures.get})),
    ):
        yield bus


async def picture(bus: LocalBus, feed: str) -> FeedPicture:
    return await call(bus, GetFeedPicture(feed=feed), timeout=25.0)


async def refusal(bus: LocalBus, feed: str) -> Fault:
    with pytest.raises(CommandError) as refused:
        await picture(bus, feed)
    return refused.value.fault


def clock(shown: FeedPicture) -> float:
    """Unix seconds burned into the picture."""
    luma = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.jpeg))).convert("L"))
    read = timecode.read(luma, timecode.ROW_FEED_CLOCK)
    assert read is not None
    around = 1 << timecode.VALUE_BITS
    return (time.time_ns() // 1_000_000 // around * around + read) / 1000


async def test_the_picture_is_of_now_and_is_renewed(tmp_path: Path) -> None:
    async with house(tmp_path) as bus:
        await call(bus, CreateFeed(feed="test", kind=FeedKind.TEST))
        await arrives(bus, "test", FeedPhase.LIVE)
        await picture(bus, "test")  # the child's imports are not what is measured
        seen: list[float] = []
        asked = time.time()
        while time.time() < asked + 3 * KEEP:
            shown = await picture(bus, "test")
            burned = clock(shown)
            assert -0.1 < time.time() - burned <= GOP + KEEP + SLACK
            assert abs(shown.taken / 1e6 - burned) < SLACK
            if not seen or burned != seen[-1]:
                seen.append(burned)
            await asyncio.sleep(0.02)
        assert 2 <= len(seen) <= 3 * KEEP + 1, "renewed, and once a turn however often it is asked for"
        assert seen == sorted(seen)


async def test_a_lost_feed_and_one_that_never_was_show_nothing(tmp_path: Path) -> None:
    clip = clip_file(ClipSpec(2.0))
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    sound = clip_file(ClipSpec(30.0, video=False), "mp4")
    (tmp_path / "sound.mp4").write_bytes(sound.read_bytes())
    async with house(tmp_path) as bus:
        for feed in ("clip", "sound"):
            options = {"path": f"{feed}.mp4", "loop": "false"}
            await call(bus, CreateFeed(feed=feed, kind=FeedKind.FILE, options=options))
        await arrives(bus, "sound", FeedPhase.LIVE)
        assert await refusal(bus, "sound") is Fault.CONFLICT
        await arrives(bus, "clip", FeedPhase.LOST)
        assert await refusal(bus, "clip") is Fault.CONFLICT
        await call(bus, CreateFeed(feed="cam", kind=FeedKind.RTMP))
        assert await refusal(bus, "cam") is Fault.CONFLICT
        assert await refusal(bus, "nobody") is Fault.NOT_FOUND

"""The ingest process inside the test's own, on a bus and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from media.adapters.feed_tap import SocketFeedTap
from media.contracts.feeds import CreateFeed, FeedChanged, FeedView, GetFeed
from media.ingest.process import run
from media.ingest.settings import FeedsSettings, IngestSettings
from media.ingest.store import FeedStore
from media.model.feed import FeedKind, FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.bus.calls import call, events
from runtime.bus.local import LocalBus
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline

SECOND = 1_000_000


def settings(folder: Path, **extra: str) -> Settings:
    environment = {
        "GACHI_DATA": str(folder / "data"),
        "GACHI_INGEST__RTMP_PORT": "0",
        "GACHI_INGEST__HOST": "127.0.0.1",
        "GACHI_INGEST__MEDIA_DIR": str(folder),
        **extra,
    }
    return Settings.load(env=environment, sections=[IngestSettings, FeedsSettings], defaults=None)


class Ready(Lifeline):
    """A lifeline that tells us when the process is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.up = asyncio.Event()

    def ready(self, **info: object) -> None:
        self.up.set()


@asynccontextmanager
async def ingest(settings: Settings, bus: LocalBus, store: FeedStore) -> AsyncIterator[None]:
    lifeline = Ready()
    task = asyncio.create_task(run(settings, lifeline, bus, store))
    up = asyncio.create_task(lifeline.up.wait())
    try:
        await asyncio.wait([task, up], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield
    finally:
        up.cancel()
        lifeline.stop()
        async with asyncio.timeout(15):
            await asyncio.wait([task, up])
    await task


async def collect(settings: Settings, feed: str, until: int) -> list[TrackHeader | EncodedPacket]:
    """What a tap gets until `until` microseconds of picture have passed."""
    got: list[TrackHeader | EncodedPacket] = []
    first: int | None = None
    async with asyncio.timeout(until / SECOND * 3 + 15):
        async for value in SocketFeedTap(settings.socket("feeds"), feed):
            if isinstance(value, FeedStatus):
                continue
            got.append(value)
            if isinstance(value, EncodedPacket) and value.kind is MediaKind.VIDEO:
                first = value.dts if first is None else first
                if value.dts - first >= until:
                    return got
    raise AssertionError("a tap never ends by itself")


async def arrives(
    bus: LocalBus, feed: str, phase: FeedPhase, reason: str = "", within: float = 30.0
) -> FeedView:
    """Wait until a feed is in a phase, with words of its reason. Raises AssertionError."""

    def right(view: FeedView) -> bool:
        return view.phase is phase and reason in view.reason

    return await becomes(bus, feed, right, within, f"{phase} {reason!r}")


async def becomes(
    bus: LocalBus, feed: str, right: Callable[[FeedView], bool], within: float, what: str
) -> FeedView:
    """Wait until a feed's view is right; looked at twenty times a second."""
    end = asyncio.get_running_loop().time() + within
    while not right(view := await call(bus, GetFeed(feed=feed))):
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"waited {within:g} s for {feed} to be {what}; it is {view}")
        await asyncio.sleep(0.05)
    return view


def receivers() -> dict[int, str]:
    """Our receiving children by pid, with what everybody on this machine can read of them."""
    found = {}
    for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "concat" in command and "tether" not in command:
                found[int(pid)] = command + Path(f"/proc/{pid}/environ").read_bytes().decode()
    return found


@asynccontextmanager
async def undisturbed(bus: LocalBus) -> AsyncIterator[None]:
    """A pattern runs beside, and no other phase of it is ever told while the context is open."""
    pattern = CreateFeed(feed="beside", kind=FeedKind.TEST, options={"width": "320", "height": "180"})
    await call(bus, pattern)
    await arrives(bus, "beside", FeedPhase.LIVE)
    left: list[FeedView] = []
    async with events(bus, FeedChanged) as changed:

        async def look() -> None:
            async for event in changed:
                if event.feed.id == "beside" and event.feed.phase is not FeedPhase.LIVE:
                    left.append(event.feed)  # noqa: PERF401 - events never end: this is cancelled

        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])
    assert not left

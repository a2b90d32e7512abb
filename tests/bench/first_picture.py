"""From a publisher's first IDR to the first part that shows the publisher's picture, through ingest, worker and web.

Each run publishes to a fresh feed that is on program while viewers see the slate, so that what is seen first with a
wall clock in its picture is the publisher. A part counts when a viewer, following by blocking reloads through the web
process, has all its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib

from media.mix import timecode
from tests.bench.camera import camera
from tests.bench.house import House, house, until
from tests.bench.rows import Row, median, percentile
from tests.bench.watcher import Watcher, codes

RUNS = 8
RUNG = "v360"
EARLY = 100
"""Milliseconds that a picture may be drawn before it goes to the muxer."""


async def run() -> list[Row]:
    """The bench."""
    async with house({"GACHI_WORKER__SPARES": "0"}) as running:
        await running.channel(
            "main", None, width=640, height=360, ladder=[{"height": 360, "bitrate": 700_000}], dvr_seconds=60
        )
        await running.on_air("main")
        found = [await _once(running) for _ in range(RUNS)]
    delays = [delay for delay, _ in found]
    return [
        Row(
            "first-picture",
            "Publisher's first IDR sent → first part that shows it, p95",
            "s",
            percentile(delays, 0.95),
            limit=1.5,
            notes=[
                f"{RUNS} runs; p50 {median(delays):.2f} s, worst {max(delays):.2f} s; 640×360, parts of 0.333 s",
                "the peer of this figure, MediaMTX, is not measured: no registry has its program",
                (
                    "sent over RTMP by libav, read by a viewer through the web process; a feed must be whole for 0.3 s "
                    "before it is cut to"
                ),
            ],
            details={"seconds": delays, "first_frame_shown_was_sent_after": [after for _, after in found]},
        )
    ]


async def _once(running: House) -> tuple[float, float]:
    """Seconds from the first IDR to the part, and how long after the first picture the one shown first was drawn."""
    await running.on_air("main", "slate")
    feed = await running.feed("rtmp")
    await running.program("main", feed["id"])
    watcher = Watcher(running.client, f"{running.url}/hls/main", RUNG)
    watching = asyncio.create_task(watcher.run())
    try:
        await until(lambda: _several(watcher), 10, "the viewer to follow")
        async with camera(feed["publish_url"]) as (first, _):

            async def shown() -> bool:
                view = await running.api("GET", "/channels/main")
                return bool(view["picture"] == feed["id"])

            await until(shown, 15, "the publisher's picture to be on air")
            count = len(watcher.parts)

            async def after() -> bool:
                return len(watcher.parts) >= count + 3

            await until(after, 10, "parts after the cut")
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    await running.program("main", None)
    await running.api("DELETE", f"/feeds/{feed['id']}")
    parts = watcher.parts
    # Decoding starts at a segment's first part.
    begin = next(i for i, part in enumerate(parts) if part.name.endswith(".0.m4s"))
    for part, values in codes(watcher.inits[parts[0].epoch], parts[begin:], timecode.ROW_FEED_CLOCK):
        began = int((part.wall - (part.at - first)) * 1000) % (1 << 40)
        # The first parts may still show what was on air before the slate.
        clock = next((value for value in values if value is not None and value > began - EARLY), None)
        if clock is not None:
            return part.at - first, (clock - began) / 1000
    raise RuntimeError("no part showed the publisher's clock")


async def _several(watcher: Watcher) -> bool:
    return any(part.name.endswith(".0.m4s") for part in watcher.parts)

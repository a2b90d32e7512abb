"""kill -9 of a worker: how long until a viewer has the next part, what of the tape is lost, and who has to reconnect."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

from tests.bench.camera import camera
from tests.bench.house import House, house, until
from tests.bench.rows import Row, median
from tests.bench.watcher import Watcher

RUNS = 3
BETWEEN = 5.0
RUNG = "v360"


async def run() -> list[Row]:
    """The bench."""
    backs: list[float] = []
    lost: list[float] = []
    gaps: list[float] = []
    async with house({"GACHI_WORKER__SPARES": "1"}) as running:
        feed = await running.feed("rtmp")
        ladder = [{"height": 720, "bitrate": 2_500_000}, {"height": 360, "bitrate": 700_000}]
        await running.channel("main", feed["id"], width=1280, height=720, ladder=ladder, dvr_seconds=600)
        async with camera(feed["publish_url"]):
            await running.on_air("main", feed["id"])
            since = (await running.api("GET", f"/feeds/{feed['id']}"))["since"]
            watcher = Watcher(running.client, f"{running.url}/hls/main", RUNG)
            watching = asyncio.create_task(watcher.run())
            try:
                for _ in range(RUNS):
                    await asyncio.sleep(BETWEEN)
                    back, missing, gap = await _once(running, watcher, feed["id"])
                    backs.append(back)
                    lost.append(missing)
                    gaps.append(gap)
            finally:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
            same = (await running.api("GET", f"/feeds/{feed['id']}"))["since"] == since
    notes = [
        (
            f"{RUNS} kills of a worker on air (720p and 360p, fed by RTMP), a warm spare stands by; within half a minute of one another, so that the "
            "supervisor's pauses of 0, 0.2 and 0.4 s are in it; seconds until a viewer "
            f"through the web process has a part of the next epoch; median {median(backs):.2f} s, worst {max(backs):.2f} s"
        ),
        (
            f"the publisher {'kept its connection throughout' if same else 'HAD TO RECONNECT'}; "
            f"programme time without a picture: median {median(gaps):.2f} s"
        ),
    ]
    return [
        Row(
            "kill-back",
            "kill -9 of a worker → next part at a viewer, worst",
            "s",
            max(backs),
            limit=3.0,
            notes=notes,
            details={"seconds": backs, "gap_seconds": gaps, "publisher_kept_connection": same},
        ),
        Row(
            "kill-lost",
            "Parts that viewers were given and the DVR window lost in a kill -9, worst",
            "parts",
            max(lost),
            limit=1.0,
            notes=[
                "parts served before the kill whose programme time the playlist of the next worker does not list"
            ],
            details={"parts": lost},
        ),
    ]


async def _once(running: House, watcher: Watcher, feed: str) -> tuple[float, float, float]:
    """Seconds to the next part, parts lost, seconds of programme time between the epochs."""
    await running.on_air("main", feed)
    worker = await running.worker("main")
    before = len(watcher.parts)

    async def another() -> bool:
        return len(watcher.parts) > before

    await until(another, 10, "the viewer to follow", 0.01)
    old = watcher.parts[-1].epoch
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()

    async def next_epoch() -> bool:
        return watcher.parts[-1].epoch > old

    await until(next_epoch, 20, "the next worker's first part", 0.005)
    new = next(part for part in watcher.parts if part.epoch > old)
    last = [part for part in watcher.parts if part.epoch == old][-1]
    ended = last.starts + last.duration
    listed = await _end_of(running, old)
    return new.at - killed, max(0.0, round((ended - listed) / last.duration, 2)), new.starts - ended


async def _end_of(running: House, epoch: int) -> float:
    """Programme time at which an epoch's last listed segment ends."""
    from media.packaging.playlist_parser import parse_media

    async with running.client.get(f"{running.url}/hls/main/{RUNG}/index.m3u8") as answer:
        playlist = parse_media(await answer.text())
    ends = [
        (segment.programme_time or 0) / 1e6 + segment.duration / 1e6
        for segment in playlist.segments
        if segment.uri.startswith(f"{epoch}-")
    ]
    if not ends:
        raise RuntimeError(f"epoch {epoch} is not listed any more")
    return max(ends)

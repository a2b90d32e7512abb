"""Memory of a worker: at 720p with three rungs after a minute, over reconnects of its publisher, and by channels."""

from __future__ import annotations

import asyncio
import time

from tests.bench import machine
from tests.bench.camera import camera
from tests.bench.clips import clips_720p
from tests.bench.house import LADDER_720, House, house, until
from tests.bench.rows import Row, median

MINUTE = 60.0
RECONNECTS = 10
LIMIT_MB = 250.0
SMALL = {
    "width": 640,
    "height": 360,
    "ladder": [{"height": 360, "bitrate": 700_000}, {"height": 180, "bitrate": 250_000}],
    "preset": "ultrafast",
    "dvr_seconds": 60,
}
STEADY = 7.0
"""Seconds over which the cost of channels is taken."""
MB = 1e6


async def run() -> list[Row]:
    """The bench."""
    async with house({"GACHI_WORKER__SPARES": "0"}) as running:
        return [await _big(running), await _reconnects(running), *await _growth(running)]


async def _big(running: House) -> Row:
    clips, words = clips_720p(1)
    feed = await running.feed("file", path=str(clips[0]), loop="true")
    await running.channel("big", feed["id"], width=1280, height=720, ladder=LADDER_720, dvr_seconds=1800)
    await running.on_air("big", feed["id"])
    worker = await running.worker("big")
    series: list[float] = []
    began = time.monotonic()
    while time.monotonic() - began < MINUTE:
        await asyncio.sleep(5)
        series.append(machine.rss(worker) / MB)
    await running.api("POST", "/channels/big/stop")
    return Row(
        "worker-memory",
        "Memory of a worker, 720p three rungs, after a minute on air",
        "MB",
        series[-1],
        limit=LIMIT_MB,
        notes=[f"resident, of {words}; the newest 8 segments of each rendition are among it"],
        details={"every_5_s": series},
    )


async def _reconnects(running: House) -> Row:
    feed = await running.feed("rtmp")
    await running.channel("again", feed["id"], **SMALL)
    await running.on_air("again")
    worker = await running.worker("again")
    series: list[float] = []
    for _ in range(RECONNECTS):

        async def live() -> bool:
            return bool((await running.api("GET", f"/feeds/{feed['id']}"))["state"] == "live")

        async def gone() -> bool:
            return not await live()

        async with camera(feed["publish_url"]):
            await until(live, 10, "the publisher to be live")
            await asyncio.sleep(0.8)
        await until(gone, 10, "the publisher to be gone")
        series.append(machine.rss(worker) / MB)
    await running.api("POST", "/channels/again/stop")
    # The rings fill at first; the second half tells whether it grows.
    half = series[len(series) // 2 :]
    slope = (half[-1] - half[0]) / (len(half) - 1)
    return Row(
        "reconnect-memory",
        "Growth of a worker's memory per reconnect of its publisher",
        "MB",
        slope,
        limit=0.5,
        notes=[f"{RECONNECTS} reconnects, slope of the second half; `make soak` counts 200"],
        details={"after_each": series},
    )


async def _growth(running: House) -> list[Row]:
    feed = await running.feed("test", width="640", height="360")
    cost: dict[int, tuple[float, float]] = {}
    channels: list[str] = []
    for count in (1, 2, 4):
        while len(channels) < count:
            name = f"small{len(channels)}"
            await running.channel(name, feed["id"], **SMALL)
            channels.append(name)
        for name in channels:
            await running.on_air(name, feed["id"])
        workers = [await running.worker(name) for name in channels]
        await asyncio.sleep(2)
        began, before = time.monotonic(), machine.cpu_seconds(workers)
        await asyncio.sleep(STEADY)
        cpu = (machine.cpu_seconds(workers) - before) / (time.monotonic() - began)
        memory = [machine.rss(worker) / MB for worker in workers]
        cost[count] = cpu / count, median(memory)
    details = {
        f"{count} channels": {"cores_each": cpu, "mb_each": memory} for count, (cpu, memory) in cost.items()
    }
    notes = [
        "one test pattern of 640×360 to channels of 360p and 180p, ultrafast; the ratio is 4 channels to 1"
    ]
    return [
        Row(
            "channels-cpu",
            "CPU of each of 4 small channels against one alone",
            "cores",
            cost[4][0],
            cost[1][0],
            "one channel",
            notes=notes,
            details=details,
        ),
        Row(
            "channels-memory",
            "Memory of each of 4 small channels against one alone",
            "MB",
            cost[4][1],
            cost[1][1],
            "one channel",
            notes=notes,
        ),
    ]

"""How many LL-HLS viewers one core serves: simulated players, more and more, until the 99th percentile of part delay
reaches the length of a part.

A player does for video and sound each what hls.js does: a blocking playlist request for the next part, then the part. A
part's delay is from the instant it was handed to the origin (a fixed schedule on the machine's monotonic clock) to the
instant a player has all its bytes. Playlists and parts come from the product's own packaging and origin; only the
encoder is replaced by random bytes, so that a core is measured and not x264.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any

from tests.bench import machine
from tests.bench.load import Connection, connect
from tests.bench.rows import Row, percentile
from tests.bench.servers import CHANNEL, VIDEO, Served, server

VIDEO_BITRATE = 1_200_000
STEP = 100
STAGE = 2.4
"""Seconds at each number of viewers; the first third is not counted."""
MOST = 1500
BOUND = 38.0
FRAMES = {"0.333": 10, "0.5": 15}
CLIENT_FULL = 0.93
"""Share of its core from which on the load, not the server, is the limit."""


@dataclass
class Crowd:
    """The viewers and what they saw."""

    port: int
    base: str
    began: float
    part: float
    parts_per_segment: int
    delays: list[tuple[float, float]] = field(default_factory=list)
    """(when it came, seconds of delay)."""
    errors: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def add(self, count: int) -> None:
        """Let more viewers in, spread over a third of a second."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            for rendition in (VIDEO, "audio"):
                self.tasks.append(loop.create_task(self._watch(rendition)))
            await asyncio.sleep(0.3 / count)

    async def stop(self) -> None:
        """Everybody leaves."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _watch(self, rendition: str) -> None:
        connection: Connection | None = None
        try:
            while True:
                try:
                    connection = connection or await connect(self.port)
                    await self._follow(connection, rendition)
                except (ConnectionError, OSError):
                    self.errors += 1
                    connection = None
                    await asyncio.sleep(0.5)
        finally:
            if connection is not None:
                connection.close()

    async def _follow(self, connection: Connection, rendition: str) -> None:
        folder = f"{self.base}/{rendition}"
        number = int((time.monotonic() - self.began) / self.part) + 1
        while True:
            msn, index = divmod(number, self.parts_per_segment)
            status, _ = await connection.get(f"{folder}/index.m3u8?_HLS_msn={msn}&_HLS_part={index}")
            if status == 200:
                status, _ = await connection.get(f"{folder}/1-{msn}.{index}.m4s")
            now = time.monotonic()
            if status == 200:
                self.delays.append((now, now - (self.began + number * self.part)))
                number += 1
            else:
                self.errors += 1
                number = int((now - self.began) / self.part) + 1
                await asyncio.sleep(self.part)
            # One that fell far behind goes back to the live edge, as players do.
            if (now - self.began) / self.part - number > 6:
                number = int((now - self.began) / self.part) + 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    viewers: int
    p99: float
    stages: list[dict[str, float]]
    end: str


async def run() -> list[Row]:
    """The bench."""
    serving, loading = machine.cores()
    os.sched_setaffinity(0, {loading})
    rows = []
    for words, frames in FRAMES.items():
        for through in ("web", "worker"):
            found = await _search(through, frames, serving, loading)
            rows.append(_row(through, words, frames / 30, found))
    return rows


async def _search(through: str, frames: int, serving: int, loading: int) -> Found:
    size = VIDEO_BITRATE * frames // 30 // 8
    async with contextlib.AsyncExitStack() as stack:
        # The origin behind an edge has one client; it stands on the load's core, where it costs next to nothing.
        core = serving if through == "worker" else loading
        origin = await stack.enter_async_context(server("origin", core, str(frames), str(size), "120"))
        served, base = origin, ""
        if through == "web":
            served = await stack.enter_async_context(
                server("web", serving, f"http://127.0.0.1:{origin.port}")
            )
            base = f"/hls/{CHANNEL}"
        crowd = Crowd(served.port, base, origin.began, frames / 30, 60 // frames)
        try:
            return await _ramp(crowd, served)
        finally:
            await crowd.stop()


async def _ramp(crowd: Crowd, served: Served) -> Found:
    best, best_p99, end = 0, 0.0, "the most that was tried"
    stages: list[dict[str, float]] = []
    in_a_row = 0
    deadline = time.monotonic() + BOUND
    for viewers in range(STEP, MOST + 1, STEP):
        await crowd.add(STEP)
        await asyncio.sleep(STAGE / 3)
        stage = await _stage(crowd, served, viewers)
        stages.append(stage)
        failed = stage["p99"] >= crowd.part or stage["errors"] or not stage["parts"]
        in_a_row = in_a_row + 1 if failed else 0
        if failed and in_a_row < 2:
            continue  # one stage may be somebody else's hiccup
        if failed:
            end = "errors" if stage["errors"] else "p99 part delay reached the length of a part"
            if stage["load"] > CLIENT_FULL:
                end += " (THE LOAD's core was full: the server may do more)"
            break
        best, best_p99 = viewers, stage["p99"]
        if time.monotonic() > deadline:
            end = "the bench's time was over"
            break
    return Found(best, best_p99, stages, end)


async def _stage(crowd: Crowd, served: Served, viewers: int) -> dict[str, Any]:
    errors, since = crowd.errors, time.monotonic()
    crowd.delays.clear()
    cpu = machine.cpu_seconds([served.pid]), machine.cpu_seconds([os.getpid()])
    await asyncio.sleep(STAGE)
    took = time.monotonic() - since
    delays = [delay for at, delay in crowd.delays if at >= since]
    used = machine.cpu_seconds([served.pid]) - cpu[0], machine.cpu_seconds([os.getpid()]) - cpu[1]
    return {
        "viewers": viewers,
        "p50": percentile(delays, 0.5) if delays else 0.0,
        "p99": percentile(delays, 0.99) if delays else 0.0,
        "parts": len(delays),
        "server": used[0] / took,
        "load": used[1] / took,
        "errors": crowd.errors - errors,
    }


def _row(through: str, words: str, part: float, found: Found) -> Row:
    what = "the edge (web)" if through == "web" else "a worker's origin directly"
    return Row(
        f"viewers-{through}-{words.replace('0.', '')}",
        f"LL-HLS viewers of one core through {what}, parts of {words} s",
        "viewers",
        float(found.viewers),
        notes=[
            (
                f"largest number, in steps of {STEP}, with p99 part delay below {part:.3g} s "
                f"(there: {found.p99 * 1000:.0f} ms); ended by: {found.end}"
            ),
            f"video {VIDEO_BITRATE / 1e6:g} Mb/s and audio; players are simulated by our own client on the other core",
        ],
        details={"stages": found.stages},
    )

"""CPU of taking RTMP, per megabit: the ingest process against ``ffmpeg -listen 1``, both fed in real time.

Two receivers at a time would disturb one another, so they take turns. The sender is the ffmpeg program with `-c copy` of
a 5 Mb/s clip, the same for both. When paced, waking up for each message dominates, not the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # has no types

from tests.bench import machine
from tests.bench.house import House, house, until
from tests.bench.rows import Row, median

ROUNDS = 2
SECONDS = 6.0
SETTLE = 1.0
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SENDERS = 2


async def run() -> list[Row]:
    """The bench."""
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        clip = Path(folder) / "clip.flv"
        bits = await _make(clip)
        ours: list[float] = []
        theirs: list[float] = []
        async with house() as running:
            idle = await _cost([running.pids["ingest"]], 2.0)
            for round_ in range(ROUNDS):
                for mine in (True, False) if round_ % 2 == 0 else (False, True):
                    if mine:
                        ours.append((await _ours(running, clip)) / bits)
                    else:
                        theirs.append((await _theirs(clip)) / bits)
    return [
        Row(
            "rtmp-ingest",
            "RTMP ingest: CPU per megabit, in real time",
            "ms/Mb",
            median(ours) * 1000,
            median(theirs) * 1000,
            "ffmpeg -listen 1 -c copy",
            notes=[
                (
                    f"{SENDERS} publishers at once of {bits:.1f} Mb/s H.264 and AAC each, {ROUNDS} interleaved rounds of "
                    f"{SECONDS:g} s; the peer is one process per publisher, ours one for all with its bookkeeping "
                    f"({idle * 100:.1f} % of a core when idle, included)"
                ),
            ],
            details={"ours": ours, "peer": theirs, "idle_cores": idle},
        )
    ]


async def _make(clip: Path) -> float:
    """Make the clip; returns its megabits per second."""
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t"]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "4"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "5M", "-minrate", "5M", "-maxrate", "5M"]
    command += ["-bufsize", "2M", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", str(clip)]
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise RuntimeError("ffmpeg could not make the clip")
    size = await asyncio.to_thread(lambda: clip.stat().st_size)
    return size * 8 / 4 / 1e6


@asynccontextmanager
async def _sender(clip: Path, url: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        FFMPEG,
        "-hide_banner",
        "-loglevel",
        "error",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        str(clip),
        "-c",
        "copy",
        "-f",
        "flv",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ours(running: House, clip: Path) -> float:
    """Cores per publisher."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(SENDERS):
            feed = await running.feed("rtmp")

            async def live(of: str = feed["id"]) -> bool:
                return bool((await running.api("GET", f"/feeds/{of}"))["state"] == "live")

            await stack.enter_async_context(_sender(clip, feed["publish_url"]))
            await until(live, 10, "the publisher to be live")
        await asyncio.sleep(SETTLE)
        return await _cost([running.pids["ingest"]], SECONDS) / SENDERS


async def _theirs(clip: Path) -> float:
    """Cores per publisher."""
    async with contextlib.AsyncExitStack() as stack:
        pids = []
        for _ in range(SENDERS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            url = f"rtmp://127.0.0.1:{port}/live/key"
            receiver = await asyncio.create_subprocess_exec(
                FFMPEG,
                "-hide_banner",
                "-loglevel",
                "error",
                "-listen",
                "1",
                "-i",
                url,
                "-c",
                "copy",
                "-f",
                "null",
                "-",
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            stack.push_async_callback(receiver.wait)
            stack.callback(_end, receiver)
            await asyncio.sleep(0.5)
            await stack.enter_async_context(_sender(clip, url))
            pids.append(receiver.pid)
        await asyncio.sleep(SETTLE)
        cost = await _cost(pids, SECONDS)
        if not cost:
            raise RuntimeError("ffmpeg did not take the publisher")
        return cost / SENDERS


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _cost(pids: list[int], seconds: float) -> float:
    began, before = time.monotonic(), machine.cpu_seconds(pids)
    await asyncio.sleep(seconds)
    return (machine.cpu_seconds(pids) - before) / (time.monotonic() - began)

"""CPU of the ingest process for one sender by WebRTC against one by RTMP: the same pictures, in real time.

The senders are the ffmpeg program with the picture of one clip copied; sound is Opus here and AAC there, as the protocols
have it. They take turns, for two at a time would disturb one another.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import imageio_ffmpeg  # type: ignore[import-untyped]  # has no types

from tests.bench import machine
from tests.bench.house import House, house, until
from tests.bench.rows import Row, median

ROUNDS = 3
SECONDS = 6.0
SETTLE = 1.0
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
Kind = Literal["whip", "rtmp"]


async def run() -> list[Row]:
    """The bench."""
    found: dict[Kind, list[float]] = {"whip": [], "rtmp": []}
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        clip = Path(folder) / "clip.mp4"
        await _make(clip)
        async with house() as running:
            for round_ in range(ROUNDS):
                kinds: tuple[Kind, Kind] = ("whip", "rtmp") if round_ % 2 == 0 else ("rtmp", "whip")
                for kind in kinds:
                    found[kind].append(await _cost_of(running, kind, clip) * 100)
    return [
        Row(
            "whip-ingest",
            "WebRTC ingest: CPU of one sender, 640×360 at 30 pictures a second",
            "% of a core",
            median(found["whip"]),
            median(found["rtmp"]),
            "the same by RTMP",
            notes=[
                f"1 Mb/s H.264, sent by ffmpeg; {ROUNDS} interleaved rounds of {SECONDS:g} s; the idle process included"
            ],
            details={"whip": found["whip"], "rtmp": found["rtmp"]},
        )
    ]


async def _make(clip: Path) -> None:
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30,noise=alls=12:allf=t"]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "20"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "30", "-pix_fmt", "yuv420p"]
    command += ["-b:v", "1M", "-minrate", "1M", "-maxrate", "1M", "-bufsize", "1M", "-c:a", "aac", str(clip)]
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise RuntimeError("ffmpeg could not make the clip")


async def _cost_of(running: House, kind: Kind, clip: Path) -> float:
    """Cores."""
    feed = await running.feed(kind)

    async def live() -> bool:
        return bool((await running.api("GET", f"/feeds/{feed['id']}"))["state"] == "live")

    async with _sender(kind, feed, clip):
        await until(live, 15, "the sender to be live")
        await asyncio.sleep(SETTLE)
        before = machine.cpu_seconds([running.pids["ingest"]])
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(SECONDS)
        spent = machine.cpu_seconds([running.pids["ingest"]]) - before
        return spent / (asyncio.get_running_loop().time() - began)


@asynccontextmanager
async def _sender(kind: Kind, feed: dict[str, Any], clip: Path) -> AsyncIterator[None]:
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-re", "-i", str(clip), "-c:v", "copy"]
    if kind == "whip":
        command += ["-c:a", "libopus", "-ac", "2", "-b:a", "96k", "-f", "whip"]
        command += ["-authorization", feed["stream_key"], feed["publish_url"]]
    else:
        command += ["-c:a", "aac", "-b:a", "96k", "-f", "flv", feed["publish_url"]]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

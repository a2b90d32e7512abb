"""The ffmpeg program as a publisher and as a maker of clips: one colour that a browser can tell, and a moving box."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

_ENCODE = (
    *(
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-bf",
        "0",
        "-g",
        "30",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "500k",
    ),
    *("-c:a", "aac", "-ar", "48000"),
)


def ffmpeg() -> str:
    """The wheel's program; skips the test where it is not installed."""
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped,unused-ignore]  # the wheel has no types
    except ImportError:
        pytest.skip("not tested with ffmpeg: the wheel imageio-ffmpeg is not installed")
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _pictures(colour: str) -> list[str]:
    box = "color=white:s=64x64:r=30[box];"
    ground = f"color={colour}:s=640x360:r=30[ground];"
    return ["-f", "lavfi", "-i", f"{ground}{box}[ground][box]overlay=x='mod(n*8,576)':y=140"]


def make_file(path: Path, colour: str, seconds: float = 4.0) -> Path:
    """A clip to loop, with a tone of 440 Hz."""
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    command = [
        ffmpeg(),
        "-loglevel",
        "error",
        "-y",
        *_pictures(colour),
        *sound,
        "-t",
        str(seconds),
        *_ENCODE,
        str(path),
    ]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return path


def connections(pid: int) -> set[str]:
    """Sockets that a process holds, by inode: the same inode is the same connection."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found


@asynccontextmanager
async def publishing(
    url: str, colour: str, *encode: str, form: str = "flv"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg pushing to an address in real time, with a beep each second; RTMP unless `form` is another container.

    `encode` are options over the usual ones.
    """
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000"]
    command = [
        ffmpeg(),
        "-loglevel",
        "error",
        "-re",
        *_pictures(colour),
        "-re",
        *sound,
        *_ENCODE,
        *encode,
        "-f",
        form,
        url,
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def publishing_by_whip(
    url: str, key: str, clip: Path, *, told: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg pushing a clip over and over by WHIP, its picture as it is and its sound as Opus; what it complains of is in `told`."""
    command = [ffmpeg(), "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c:v", "copy"]
    command += ["-c:a", "libopus", "-b:a", "96k", "-ac", "2", "-f", "whip", "-authorization", key, url]
    with contextlib.ExitStack() as files:
        log = files.enter_context(told.open("wb")) if told is not None else None
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

"""A camera with an encoder: the test card with the wall clock burned in, sent by RTMP through libav, in a process of
its own: ``python -m tests.bench.camera URL WIDTH HEIGHT PARENT``. Prints, as JSON lines, the CLOCK_MONOTONIC second just
before the first picture (an IDR) goes to the muxer, and ends when it is killed or its parent dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np

from media.adapters.testcard import TestCard
from runtime.supervision.child import die_with

RATE = 30
START_WITHIN = 20.0


@asynccontextmanager
async def camera(url: str, width: int = 640, height: int = 360) -> AsyncIterator[tuple[float, int]]:
    """Publish; gives the instant of the first picture (CLOCK_MONOTONIC seconds) and the process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.camera",
        url,
        str(width),
        str(height),
        str(os.getpid()),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_WITHIN):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError("the camera could not publish")
        yield float(json.loads(line)["first"]), process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main(arguments: list[str]) -> None:
    """Publish until killed."""
    url, width, height = arguments[0], int(arguments[1]), int(arguments[2])
    die_with(int(arguments[3]))
    card = TestCard(width, height, "camera")
    with av.open(url, "w", format="flv", options={"flvflags": "no_duration_filesize"}) as out:
        picture = _video(out, width, height)
        sound: Any = out.add_stream("aac", rate=48_000)
        sound.codec_context.layout, sound.codec_context.bit_rate = "stereo", 96_000
        out.start_encoding()  # connects, handshakes, publishes, sends the headers
        _send(out, picture, sound, card)


def _video(out: Any, width: int, height: int) -> Any:
    stream = out.add_stream("libx264", rate=RATE)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.bit_rate, context.thread_count = 1_500_000 * width // 640, 1
    context.color_range, context.colorspace = 1, 1
    context.color_primaries, context.color_trc = 1, 1
    context.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={RATE}:min-keyint={RATE}:scenecut=0:bframes=0:sliced-threads=0",
    }
    return stream


def _send(out: Any, picture: Any, sound: Any, card: TestCard) -> None:
    silence = np.zeros((2, 1024), np.float32)
    began, samples, tick = time.monotonic(), 0, 0
    while True:
        # Sound first, so that the muxer never holds a picture back to interleave it.
        while samples <= (tick + 1) * 48_000 // RATE:
            block = av.AudioFrame.from_ndarray(silence, format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = 48_000, samples, Fraction(1, 48_000)
            out.mux(sound.encode(block))
            samples += 1024
        time.sleep(max(0.0, began + tick / RATE - time.monotonic()))
        frame = av.VideoFrame.from_ndarray(
            card.draw(tick, time.time_ns() // 1000, flash=False), format="yuv420p"
        )
        frame.pts, frame.time_base = tick, Fraction(1, RATE)
        units = picture.encode(frame)
        if tick == 0:
            print(json.dumps({"first": time.monotonic()}), flush=True)
        out.mux(units)
        tick += 1


if __name__ == "__main__":
    main(sys.argv[1:])

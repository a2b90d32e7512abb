"""Glass to glass in a browser: numbers burned into the picture, read from a canvas on the real page in Chromium.

Row 0 is the wall clock that the camera drew before its encoder (RTMP), row 2 the programme time that the mixer drew.
Both are read off each frame that the page shows (`requestVideoFrameCallback`) and held against the clock of the same
machine. Chromium decodes in software on the same cores that encode: a real viewer has them for themselves.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Any

from tests.bench import machine
from tests.bench.camera import camera
from tests.bench.house import House, house
from tests.bench.rows import Row, median, missed, percentile

SETTLE = 10.0
SECONDS = 20.0
CANVAS = {
    "width": 960,
    "height": 540,
    "ladder": [
        {"height": 540, "bitrate": 1_500_000},
        {"height": 360, "bitrate": 700_000},
        {"height": 240, "bitrate": 350_000},
    ],
    "burn_in": True,
    "dvr_seconds": 120,
}
"""As the demo channel."""

READ = """
() => {
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const found = (window.__bench = { feed: [], programme: [], heights: {}, frames: 0, stalls: 0, unread: 0 });
  const cells = 60;
  video.addEventListener("waiting", () => { found.stalls += 1; });
  function row(number, width) {
    const height = width / 40, top = Math.round(number * height + height / 2) - 1;
    const data = pen.getImageData(0, top, width, 2).data;
    const cell = (index) => {
      let sum = 0, count = 0;
      for (let x = Math.floor((index + 0.25) * width / cells); x < (index + 0.75) * width / cells; x++)
        for (let y = 0; y < 2; y++) { sum += data[4 * (y * width + x) + 1]; count += 1; }
      return sum / count;
    };
    const white = [cell(1), cell(3), cell(57)], black = [cell(2), cell(56), cell(58)];
    const low = Math.max(...black), high = Math.min(...white);
    if (high - low < 48) return null;
    const middle = (low + high) / 2;
    let value = 0, check = 0;
    for (let i = 4; i < 44; i++) value = value * 2 + (cell(i) > middle ? 1 : 0);
    for (let i = 44; i < 56; i++) check = check * 2 + (cell(i) > middle ? 1 : 0);
    return (value * 1021) % 4093 === check ? value : null;
  }
  function look() {
    const now = Date.now() % 2 ** 40;
    const width = video.videoWidth, height = video.videoHeight;
    if (width) {
      const strip = Math.ceil(3 * width / 40);
      if (canvas.width !== width) { canvas.width = width; canvas.height = strip; }
      pen.drawImage(video, 0, 0, width, height);
      const feed = row(0, width), programme = row(2, width);
      if (feed === null || programme === null) found.unread += 1;
      else { found.feed.push(now - feed); found.programme.push(now - programme); }
      found.frames += 1;
      found.heights[height] = (found.heights[height] ?? 0) + 1;
    }
    video.requestVideoFrameCallback(look);
  }
  video.requestVideoFrameCallback(look);
}
"""


async def run() -> list[Row]:
    """The bench."""
    program = os.environ.get("PLAYWRIGHT_CHROMIUM") or next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        None,
    )
    if program is None:
        why = "there is no Chromium on this machine"
        return [
            missed("glass-to-glass", "Glass to glass", why),
            missed("mixer-to-glass", "Mixer to glass", why),
        ]
    async with house({"GACHI_WORKER__SPARES": "0"}) as running:
        feed = await running.feed("rtmp")
        await running.channel("main", feed["id"], **CANVAS)
        async with camera(feed["publish_url"], 960, 540):
            await running.on_air("main", feed["id"])
            seen = await _watch(running, program)
    if not seen["feed"]:
        why = f"no code could be read off {seen['frames']} frames"
        return [
            missed("glass-to-glass", "Glass to glass", why),
            missed("mixer-to-glass", "Mixer to glass", why),
        ]
    return [
        _row("mixer-to-glass", "Mixer to glass, LL-HLS in Chromium, p95", seen["programme"], 1.6, seen),
        _row("glass-to-glass", "Glass to glass, RTMP in, LL-HLS in Chromium, p95", seen["feed"], 2.0, seen),
    ]


def _row(name: str, title: str, millis: list[float], limit: float, seen: dict[str, Any]) -> Row:
    seconds = [value / 1000 for value in millis]
    return Row(
        name,
        title,
        "s",
        percentile(seconds, 0.95),
        limit=limit,
        notes=[
            (
                f"p50 {median(seconds):.2f} s over {len(seconds)} frames in {SECONDS:g} s; {seen['stalls']} stalls, "
                f"{seen['unread']} frames that could not be read; heights shown: {seen['heights']}"
            ),
            (
                f"960×540, three rungs, parts of 0.333 s; camera, product and Chromium share {os.cpu_count()} cores, "
                f"{seen['busy']:.1f} of them busy"
            ),
        ],
        details={"p50": median(seconds), "p95": percentile(seconds, 0.95), "fps": len(seconds) / SECONDS},
    )


async def _watch(running: House, program: str) -> dict[str, Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
        )
        try:
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            await page.goto(f"{running.url}/live/main?debug")
            await page.wait_for_function(
                "() => (document.querySelector('video')?.currentTime ?? 0) > 0.5", timeout=25_000
            )
            await asyncio.sleep(SETTLE)
            await page.evaluate(READ)
            busy = await asyncio.to_thread(machine.busy_cores, SECONDS)
            seen: dict[str, Any] = await page.evaluate("() => window.__bench")
        finally:
            await browser.close()
    return {**seen, "busy": busy}

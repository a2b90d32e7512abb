"""A viewer in a real Chromium: opens a page, sees its picture and hears its sound, and tells what went wrong.

Every frame that the browser presents is written down with the wall clock and its mean colour, so that a test can say
when a picture came, and for how long none did.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

from tests.support.parts import chromium

ARGUMENTS = (
    "--no-sandbox",  # the suite may run as root, where Chromium's sandbox refuses to start
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--disable-background-networking",
)
Colour = Literal["red", "green", "blue", "dark", "other"]

_FRAMES = """
() => {
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  canvas.width = 16; canvas.height = 9;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const seen = [];
  window.__seen = seen;
  const look = (_, meta) => {
    context.drawImage(video, 0, 0, 16, 9);
    const data = context.getImageData(0, 0, 16, 9).data;
    const sum = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) for (let k = 0; k < 3; k++) sum[k] += data[i + k] / 144;
    seen.push([Date.now() / 1000, meta.mediaTime, ...sum]);
    if (seen.length > 6000) seen.splice(0, 3000);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}
"""
_SOUND = """
async () => {
  const video = document.querySelector("video");
  const audio = new AudioContext();
  await audio.resume();
  const analyser = audio.createAnalyser();
  analyser.fftSize = 4096;
  audio.createMediaElementSource(video).connect(analyser);
  analyser.connect(audio.destination);
  window.__sound = { audio, analyser };
}
"""
_HEAR = """
() => {
  const { audio, analyser } = window.__sound;
  const wave = new Float32Array(analyser.fftSize), bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatTimeDomainData(wave);
  analyser.getFloatFrequencyData(bins);
  let best = 0;
  for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
  return [Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length), best * audio.sampleRate / analyser.fftSize];
}
"""


@dataclass(frozen=True)
class Frame:
    """One presented frame: Unix seconds, the element's seconds, mean colour 0 to 255."""

    at: float
    media: float
    red: float
    green: float
    blue: float

    @property
    def colour(self) -> Colour:
        """Which of the test pictures it is."""
        shades: dict[Colour, float] = {"red": self.red, "green": self.green, "blue": self.blue}
        first, second, third = sorted(shades, key=lambda name: -shades[name])
        if shades[first] - shades[second] > 40:
            return first
        return "dark" if shades[first] < 70 and shades[first] - shades[third] < 40 else "other"


@dataclass
class Viewer:
    """One page with its troubles. Make it by `open_page`."""

    page: Page
    errors: list[str] = field(default_factory=list)
    """What the page's scripts and console complained of (failed requests apart)."""

    async def mark(self) -> None:
        """Leave something in the page's memory that a reload would wipe out."""
        await self.page.evaluate("window.__mark = 'still here'")

    async def never_reloaded(self) -> bool:
        """Whether the mark is there."""
        return bool(await self.page.evaluate("window.__mark === 'still here'"))

    async def look(self) -> None:
        """Begin to write frames down."""
        await self.page.evaluate(_FRAMES)

    async def frames(self) -> list[Frame]:
        """Frames presented since `look`, oldest first."""
        return [Frame(*each) for each in await self.page.evaluate("window.__seen")]

    async def player(self) -> dict[str, Any]:
        """The player's state, what it tells the viewer, and its troubles (needs `?debug` in the address)."""
        script = """() => {
            const g = window.__gachi;
            return g === undefined ? null : {
              phase: g.state.phase, notice: g.notice, trouble: g.trouble, latency: g.latency, atLive: g.atLive,
              stretch: g.stretch, position: g.video.currentTime, paused: g.video.paused, muted: g.video.muted,
              audio: g.video.webkitAudioDecodedByteCount, width: g.video.videoWidth,
            };
        }"""
        return await self.page.evaluate(script) or {"phase": None, "position": 0.0, "notice": None}

    async def listen(self) -> None:
        """Turn the sound on and begin to measure it."""
        await self.page.evaluate("document.querySelector('video').muted = false")
        await self.page.evaluate(_SOUND)

    async def hear(self, seconds: float) -> list[tuple[float, float]]:
        """(RMS 0 to 1, frequency of the loudest bin in Hz), about twenty times a second."""
        heard = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            level, pitch = await self.page.evaluate(_HEAR)
            heard.append((float(level), float(pitch)))
            await asyncio.sleep(0.05)
        return heard

    async def until_player(self, holds: Callable[[dict[str, Any]], bool], within: float, what: str) -> float:
        """Wait for a state of the player; returns the seconds it took."""
        told: dict[str, Any] = {}

        async def arrived() -> bool:
            nonlocal told
            told = await self.player()
            return holds(told)

        return await _until(arrived, within, lambda: f"{what}; the player: {told}")

    async def plays(self, within: float = 25.0) -> float:
        """Wait until the picture moves; returns the seconds it took."""
        first = (await self.player())["position"]
        return await self.until_player(
            lambda told: told["phase"] == "playing" and told["position"] > first + 0.3,
            within,
            "a moving picture",
        )

    async def sees(self, colour: Colour, within: float = 25.0, *, since: float = 0.0) -> Frame:
        """Wait for a frame of this colour presented after `since` (Unix seconds)."""
        found: list[Frame] = []

        async def arrived() -> bool:
            frames = await self.frames()
            found[:] = [frame for frame in frames if frame.at >= since and frame.colour == colour]
            return bool(found)

        await _until(arrived, within, lambda: f"a {colour} picture")
        return found[0]


async def _until(arrived: Callable[[], Awaitable[bool]], within: float, what: Callable[[], str]) -> float:
    begun = time.monotonic()
    while not await arrived():
        if time.monotonic() - begun > within:
            raise AssertionError(f"waited {within:g} s for {what()}")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


def longest_pause(frames: list[Frame], since: float) -> tuple[float, Frame]:
    """The longest time without a new frame from `since` on, and the frame that ended it."""
    shown = [frame for frame in frames if frame.at >= since - 0.5]
    return max(
        ((after.at - before.at, after) for before, after in itertools.pairwise(shown)),
        key=lambda pause: pause[0],
    )


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A Chromium; skips the test where there is none."""
    path = chromium()
    if path is None:
        pytest.skip("pages are not tested in a browser: there is no Chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield started
        finally:
            await started.close()


REFUSED = ("Failed to load resource", "WebSocket connection to")
"""How Chromium's console begins to tell of a server that cannot be reached."""


@asynccontextmanager
async def open_page(started: Browser, url: str, **context: Any) -> AsyncIterator[Viewer]:
    """A page in a context of its own: a PC in Korean, unless `context` (Playwright's names) says otherwise."""
    settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "ko-KR", **context}
    room: BrowserContext = await started.new_context(**settings)
    try:
        page = await room.new_page()
        viewer = Viewer(page)

        def complained(message: Any) -> None:
            # What failed is told by the player, the poll and the WebSocket's store; it is no fault of the page.
            if message.type == "error" and not any(each in message.text for each in REFUSED):
                viewer.errors.append(message.text)

        page.on("console", complained)
        page.on("pageerror", lambda error: viewer.errors.append(error.stack or str(error)))
        await page.goto(url)
        yield viewer
    finally:
        with contextlib.suppress(Error):  # the browser is gone: the test that lost it has failed already
            await room.close()

"""What viewers see and hear while everything works: the live page, the replay, and the programme's changes."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image
from playwright.async_api import Browser

from tests.support.browser import Viewer, open_page
from tests.support.ffmpeg_sender import publishing
from tests.support.product import Client, Product, breaks

KEY = "camera-of-the-viewers"
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@asynccontextmanager
async def watching(product: Product, chrome: Browser, path: str = "/live/main") -> AsyncIterator[Viewer]:
    """A page that plays, whose frames are written down, and which at the end had no trouble and was not reloaded."""
    async with open_page(chrome, f"{product.url}{path}?debug") as viewer:
        await viewer.mark()
        await viewer.plays()
        await viewer.look()
        yield viewer
        assert await viewer.never_reloaded()
        told = await viewer.player()
        assert told["trouble"] == []
        assert viewer.errors == []


async def on_air(client: Client, feed: str | None, picture: str) -> float:
    """Put a feed on program; returns Unix seconds of when the channel showed it."""
    await client.program("main", feed)
    await client.picture("main", picture)
    return time.time()


async def test_picture_and_sound_come_and_go_on(product: Product, client: Client, chrome: Browser) -> None:
    await on_air(client, "pattern", "pattern")
    begun = time.monotonic()
    async with open_page(chrome, f"{product.url}/live/main?debug") as viewer:
        await viewer.until_player(lambda told: told["position"] > 0, 25, "the first frame")
        print(f"first frame {time.monotonic() - begun:.2f} s after the page was asked for")
        await viewer.plays()
        await viewer.look()
        before = await viewer.player()
        await viewer.listen()
        heard = await viewer.hear(4)
        await viewer.until_player(
            lambda told: told["position"] > before["position"] + 3, 25, "three seconds of it"
        )
        after = await viewer.player()
        frames = await viewer.frames()
        assert viewer.errors == []
    assert after["audio"] > before["audio"]
    # 30 pictures a second are made; a busy machine may present fewer, but they move.
    assert len({frame.media for frame in frames}) > 40
    assert len({(round(f.red, 1), round(f.green, 1), round(f.blue, 1)) for f in frames}) > 5
    # The pattern beeps at 1 kHz once a second and is silent between.
    beeps = [pitch for level, pitch in heard if level > 0.02]
    assert len(beeps) >= 3
    assert any(abs(pitch - 1000) < 40 for pitch in beeps), beeps
    assert len(beeps) < len(heard) / 2
    assert after["latency"] < 10


async def test_rtmp_then_a_file_then_the_slate(product: Product, client: Client, chrome: Browser) -> None:
    await on_air(client, "pattern", "pattern")
    async with watching(product, chrome) as viewer:
        async with publishing(product.publish_url(KEY), "blue"):
            await client.state("camera", "live")
            since = await on_air(client, "camera", "camera")
            seen = await viewer.sees("blue", since=since)
            print(f"RTMP on program is seen {seen.at - since:.2f} s after the mixer shows it")
            clip = {"kind": "file", "name": "Clip", "options": {"path": "green.mp4", "loop": "true"}}
            feed = (await client.api("POST", "/feeds", clip))["id"]
            since = await on_air(client, feed, feed)
            await viewer.sees("green", since=since)
            since = await on_air(client, "camera", "camera")
            await viewer.sees("blue", since=since)
        # The sender is gone and there is no backup.
        await client.picture("main", "slate")
        await viewer.sees("dark", since=time.time())
        await viewer.until_player(lambda told: told["notice"] == "slate", 25, "to be told of the slate")
        await viewer.page.get_by_text("곧 돌아옵니다").or_(viewer.page.locator(".notice")).first.wait_for()
        await client.api("DELETE", f"/feeds/{feed}")
        since = await on_air(client, "pattern", "pattern")
        await viewer.sees("other", since=since)
        times = [frame.media for frame in await viewer.frames()]
        assert times == sorted(times), "the picture went back in time"
        for rendition in ("v360", "v180", "audio"):
            assert breaks(await client.playlist("main", rendition)) == []


async def test_a_show_is_a_replay_the_moment_it_stops(
    product: Product, client: Client, chrome: Browser
) -> None:
    show: dict[str, Any] = await client.api("POST", "/shows", {"title": "아침 빵집", "channel": "main"})
    page = f"/shows/{show['id']}"
    async with open_page(chrome, f"{product.url}{page}?debug") as early:
        await early.page.get_by_role("heading", name="아침 빵집").wait_for()
        await early.mark()
        async with publishing(product.publish_url(KEY), "red"):
            await client.state("camera", "live")
            await on_air(client, "camera", "camera")
            await client.api("POST", f"{page}/start")
            await asyncio.sleep(6)
            await on_air(client, "pattern", "pattern")
            await asyncio.sleep(3)
            # Who waited on the page before the show watches it live, without a hand on it.
            await early.plays()
            await client.api("POST", f"{page}/stop")
            stopped = time.monotonic()
            # ... and is told of its end, with a way to the replay.
            await early.until_player(lambda told: told["notice"] == "ended", 25, "the end")
            assert await early.never_reloaded()
            assert early.errors == []
        async with open_page(chrome, f"{product.url}{page}?debug") as viewer:
            await viewer.until_player(lambda told: told["position"] > 0, 25, "the replay's first frame")
            print(f"replay: first frame {time.monotonic() - stopped:.2f} s after the stop")
            assert (await viewer.player())["position"] < 3, "it begins at the beginning"
            await viewer.look()
            await viewer.sees("red")
            length = (await viewer.player())["stretch"]["end"]
            assert 8 < length < 40
            # Seeking: to the pattern near the end, and back to the camera at the start.
            for share, colour in ((0.9, "other"), (0.25, "red")):
                since = time.time()
                await viewer.page.evaluate(f"document.querySelector('video').currentTime = {length * share}")
                frame = await viewer.sees("red" if colour == "red" else "other", since=since + 0.2)
                assert abs(frame.media - length * share) < 3
            await small_pictures(client, viewer, show["id"])
            await viewer.page.evaluate(f"document.querySelector('video').currentTime = {length - 2}")
            await viewer.until_player(lambda told: told["phase"] == "ended", 25, "the replay's end")
            told = await viewer.player()
            assert told["notice"] == "ended"
            assert abs(told["position"] - length) < 0.5
            assert told["trouble"] == []
            assert viewer.errors == []


async def small_pictures(client: Client, viewer: Viewer, show: str) -> None:
    """The seek bar shows the picture of where it leads, by pointer and by key, and never over itself."""
    deadline = time.monotonic() + 60
    while (await client.get(f"/replays/{show}/storyboard.vtt"))[0] != 200:
        assert time.monotonic() < deadline, "no storyboard was made"
        await asyncio.sleep(0.3)
    bar = viewer.page.locator(".seek")
    picture = bar.locator(".picture")
    assert await picture.count() == 0, "nothing before a hand is on the bar"
    box = await bar.bounding_box()
    assert box is not None
    await viewer.page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 150)  # the controls come
    await viewer.page.locator(".bar:not([inert])").wait_for()
    _, jpeg = await client.get(f"/replays/{show}/storyboard-0.jpg")
    wanted = tone(Image.open(io.BytesIO(jpeg)).crop((40, 22, 120, 67)))
    seen = None
    while seen is None or max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) > 20:
        assert time.monotonic() < deadline, f"the picture is {seen}, that of the beginning {wanted}"
        # A hand that does not move loses the controls after a while.
        for share in (0.2, 0.15):
            await viewer.page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        await picture.wait_for()
        if (place := await picture.bounding_box()) is None:
            continue
        assert place["y"] + place["height"] <= box["y"]
        assert box["x"] - 1 <= place["x"] <= place["x"] + place["width"] <= box["x"] + box["width"] + 1
        shot = Image.open(io.BytesIO(await viewer.page.screenshot()))
        left, top = round(place["x"]), round(place["y"])
        seen = tone(shot.crop((left + 40, top + 22, left + 120, top + 67)))
    await viewer.page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 150)
    await picture.wait_for(state="detached")
    await viewer.page.keyboard.press("j")
    await picture.wait_for()
    await picture.wait_for(state="detached")


def tone(picture: Image.Image) -> tuple[int, ...]:
    """Mean red, green and blue."""
    mean = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    return tuple(map(round, mean))


async def test_keys_do_what_the_help_says(product: Product, client: Client, chrome: Browser) -> None:
    await on_air(client, "pattern", "pattern")
    async with watching(product, chrome) as viewer:
        keyboard = viewer.page.keyboard
        await keyboard.press("k")
        await viewer.until_player(lambda told: told["paused"], 10, "k to pause")
        await keyboard.press(" ")
        await viewer.plays()
        muted = (await viewer.player())["muted"]
        await keyboard.press("m")
        await viewer.until_player(lambda told: told["muted"] is not muted, 10, "m to turn the sound on")
        await viewer.until_player(
            lambda told: told["stretch"]["end"] - told["stretch"]["start"] > 8, 40, "a window"
        )
        await keyboard.press("End")
        await viewer.until_player(lambda told: told["atLive"], 15, "End to go live")
        await keyboard.press("ArrowLeft")
        await keyboard.press("ArrowLeft")
        await viewer.until_player(lambda told: not told["atLive"], 10, "the arrow to go back")
        await keyboard.press("Home")
        await viewer.until_player(
            lambda told: told["position"] < told["stretch"]["start"] + 6,
            10,
            "Home to go to the window's start",
        )
        await viewer.plays()
        await keyboard.press("End")
        await viewer.until_player(lambda told: told["atLive"], 15, "End to go live again")
        await keyboard.press("?")
        sheet = viewer.page.get_by_role("dialog")
        await sheet.wait_for()
        await keyboard.press("Escape")
        await sheet.wait_for(state="hidden")


async def test_a_frame_in_another_site_plays(product: Product, client: Client, chrome: Browser) -> None:
    await on_air(client, "pattern", "pattern")

    async def shop(_: web.Request) -> web.Response:
        frame = f'<iframe src="{product.url}/embed/main?debug" width="640" height="360" allow="autoplay"></iframe>'
        return web.Response(content_type="text/html", text=f"<!doctype html><title>Shop</title>{frame}")

    app = web.Application()
    app.router.add_get("/", shop)
    async with TestServer(app) as server, open_page(chrome, str(server.make_url("/"))) as viewer:
        frame = viewer.page.frames[-1]
        begun = time.monotonic()
        while not await frame.evaluate("(document.querySelector('video')?.currentTime ?? 0) > 0.5"):
            told = await frame.evaluate("document.body.innerText")
            assert time.monotonic() - begun < 25, f"the frame does not play: {told}"
            await asyncio.sleep(0.1)
        assert [each for each in viewer.errors if "favicon" not in each] == []

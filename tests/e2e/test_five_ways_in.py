"""An evening with everything: five encoders of five kinds at once, each on a feed of its own, two channels on air.

A phone's page in Chromium with a clip as its camera (WHIP), ffmpeg by WHIP, ffmpeg by encrypted SRT, a camera behind
GStreamer's RTSP server, and OBS by RTMP: each is put on program on both channels, one after the other, and no viewer is
given a discontinuity. Pictures of what staff and viewers saw are left in the test's folder (`pytest --basetemp`).
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.bench.clips import clips_720p
from tests.conformance.checker import seams
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.e2e.conftest import BUILD
from tests.support.browser import ARGUMENTS, open_page
from tests.support.ffmpeg_sender import ffmpeg, publishing, publishing_by_whip
from tests.support.gst_rtsp import PASSWORD, USER, gst_rtsp
from tests.support.media import ClipSpec, clip_file
from tests.support.obs import need_obs, obs
from tests.support.parts import chromium
from tests.support.product import SMALL, TOKEN, Client, Product, Seed

SRT_PORT = 19_760
WAYS = {"phone": "whip", "field": "whip", "desk": "srt", "door": "rtsp", "studio": "rtmp"}
CODECS = {
    "phone": ("h264", "opus"),
    "field": ("h264", "opus"),
    "desk": ("h264", "aac"),
    "door": ("h264", "aac"),
    "studio": ("h264", "aac"),
}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
KEY = "obs-in-the-studio"
STAYS = 3.0
"""Seconds that each is on program for at least."""
# Five encoders, two channels and two browsers take all of a small machine for a minute and more.
pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.peer, pytest.mark.timeout(600)]


async def test_five_kinds_of_senders_are_swapped_on_two_channels_without_a_seam(tmp_path: Path) -> None:
    need_obs()
    if chromium() is None or not (BUILD / "index.html").is_file():
        pytest.skip("no phone goes live: there is no Chromium, or the front end is not built")
    async with gst_rtsp("blue") as camera:
        with Product.start(
            tmp_path / "product",
            channels={"main": {**SMALL, "name": "본방송"}, "second": {**SMALL, "name": "둘째 방송"}},
            feeds=(
                Seed("pattern", "test", options={"width": "320", "height": "180"}),
                Seed("studio", key=KEY),
            ),
            program={"main": ("pattern", None), "second": ("pattern", None)},
            settings={
                "ingest": {
                    "srt_port": SRT_PORT,
                    "webrtc_host": "127.0.0.1",
                    "rtsp_networks": ["127.0.0.0/8"],
                },
                "node": {"capacity": 16.0},
            },
        ) as product:
            async with product.client() as client, contextlib.AsyncExitStack() as senders:
                made = {}
                for feed, kind in WAYS.items():
                    options = (
                        {"url": camera, "username": USER, "password": PASSWORD} if kind == "rtsp" else {}
                    )
                    if feed != "studio":
                        body = {"id": feed, "kind": kind, "options": options}
                        made[feed] = await client.api("POST", "/feeds", body)
                assert "passphrase=" in made["desk"]["publish_url"]
                assert "pbkeylen=" in made["desk"]["publish_url"]
                rtmp = product.publish_url("")
                await senders.enter_async_context(
                    obs(tmp_path, rtmp.rstrip("/"), KEY, width=320, height=180, rate=20)
                )
                await senders.enter_async_context(
                    publishing(made["desk"]["publish_url"], "green", form="mpegts")
                )
                await senders.enter_async_context(
                    publishing_by_whip(
                        made["field"]["publish_url"],
                        made["field"]["stream_key"],
                        clip_file(ClipSpec(seconds=20)),
                        told=tmp_path / "field.log",
                    )
                )
                started = await senders.enter_async_context(a_browser(tmp_path))
                phone = await senders.enter_async_context(going_live(product, started, made["phone"]))
                for feed, codecs in CODECS.items():
                    await client.state(feed, "live", within=60)
                    told = await client.feed(feed)
                    assert (told["video_codec"], told["audio_codec"]) == codecs, feed
                await swapped(product, client, started, tmp_path)
                await expect(phone.locator(".air")).to_be_visible()
                await phone.screenshot(path=tmp_path / "phone.png")
                states = [(await client.feed(feed))["state"] for feed in WAYS]
                assert states == ["live"] * len(WAYS)


async def swapped(product: Product, client: Client, started: Browser, folder: Path) -> None:
    """Each of the five on program on both channels, never the same at the same time; what was served is whole."""
    collecting = {
        channel: asyncio.create_task(collect(client.session, product.hls(channel), 40))
        for channel in ("main", "second")
    }
    order = list(WAYS)
    for index, feed in enumerate(order):
        on = {"main": feed, "second": order[index - 1]}
        for channel, each in on.items():
            await client.program(channel, each, "pattern")
        for channel, each in on.items():
            await client.picture(channel, each, within=60)
        await asyncio.sleep(STAYS)
        status, picture = await client.get_as_staff(f"/api/v1/feeds/{feed}/picture.jpg")
        assert status == 200
        (folder / f"{feed}.jpg").write_bytes(picture)
    for channel, task in collecting.items():
        recording = await task
        assert check(recording) == [], channel
        assert seams(recording) == [], channel
    async with (
        open_page(started, f"{product.url}/live/main?debug") as viewer,
        open_page(started, f"{product.url}/login", viewport={"width": 1440, "height": 1000}) as staff,
    ):
        await viewer.plays(60)
        await viewer.page.screenshot(path=folder / "viewer.png")
        answer = await staff.page.request.post(f"{product.url}/api/v1/session", data={"token": TOKEN})
        assert answer.status == 201
        await staff.page.goto(f"{product.url}/staff")
        await expect(staff.page.locator("#feed-phone")).to_contain_text("OPUS", timeout=60_000)
        await asyncio.sleep(STAYS)
        await staff.page.screenshot(path=folder / "staff.png", full_page=True)
        assert viewer.errors == []
        assert staff.errors == []


@asynccontextmanager
async def a_browser(folder: Path) -> AsyncIterator[Browser]:
    """A Chromium whose camera shows a clip: a real one where there is one."""
    clips, _ = clips_720p(1)
    camera = folder / "camera.mjpeg"
    command = [ffmpeg(), "-loglevel", "error", "-y", "-i", str(clips[0]), "-t", "10", "-an"]
    command += ["-vf", "fps=15,scale=320:180", "-q:v", "5", str(camera)]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    arguments = [
        *ARGUMENTS,
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def going_live(product: Product, started: Browser, feed: dict[str, Any]) -> AsyncIterator[Page]:
    """The page for phones, sending; what its scripts complained of fails the test."""
    address = f"{product.url}/publish/{feed['id']}#key={feed['stream_key']}"
    allowed = ["camera", "microphone"]
    async with open_page(started, address, permissions=allowed, **PHONE) as viewer:
        await viewer.page.get_by_role("button", name="카메라 켜기").tap()
        await viewer.page.get_by_role("button", name="보내기 시작").tap(timeout=60_000)
        await expect(viewer.page.locator(".air")).to_contain_text("보내는 중", timeout=60_000)
        yield viewer.page
        assert viewer.errors == []

"""A phone or laptop goes live from the browser: by touch, upright, through faults, and without a server to learn a key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import axe_playwright_python.async_playwright as axe  # type: ignore[import-untyped]  # the wheel has no types
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.e2e.conftest import BUILD
from tests.support.browser import ARGUMENTS, open_page
from tests.support.parts import chromium
from tests.support.product import Client, Product, Seed, free_ports, until
from web.certificates import lan_addresses

KEY = "phone-of-the-shop"
SLOW = 30_000
"""Milliseconds for what takes one or two seconds on a quiet machine."""
TOUCH = 56
"""CSS pixels of what a thumb must hit on host pages."""
TALL: Mapping[str, Any] = {
    "name": "세로 방송",
    "width": 360,
    "height": 640,
    "rate": "30",
    "ladder": [{"height": 360, "bitrate": 600_000}],
    "preset": "ultrafast",
    "dvr_seconds": 600,
}
WIDE = {
    **TALL,
    "name": "가로 방송",
    "width": 320,
    "height": 180,
    "ladder": [{"height": 180, "bitrate": 300_000}],
}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_TOO_WIDE = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
_SMALL = """
(wanted) => [...document.querySelectorAll("button, select, input:not([type=checkbox])")]
  .filter((it) => it.checkVisibility())
  .map((it) => [it, it.getBoundingClientRect()])
  .filter(([, box]) => box.width < wanted - 0.5 || box.height < wanted - 0.5)
  .map(([it, box]) => `${it.tagName} ${it.textContent.trim()} ${box.width}x${box.height}`)
"""
_COLUMNS = """
() => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  canvas.width = 30; canvas.height = 30;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 30, 30);
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)];
  return { size: [video.videoWidth, video.videoHeight], left: at(1, 15), middle: at(15, 3), right: at(28, 15) };
}
"""

_RETRYING = """
() => ["다시 연결하는 중", "번째 시도"].every((words) => document.body.innerText.includes(words))
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    if chromium() is None:
        pytest.skip("going live is not tested in a browser: there is no Chromium")
    if not (BUILD / "index.html").is_file():
        pytest.skip(
            "going live is not tested in a browser: the front end is not built (make web/static/.built)"
        )
    with Product.start(
        tmp_path_factory.mktemp("publish"),
        channels={"main": TALL, "wide": WIDE},
        feeds=(Seed("phone", "whip", key=KEY),),
        program={"main": ("phone", None), "wide": ("phone", None)},
        settings={
            "ingest": {"webrtc_host": "127.0.0.1"},
            "http": {"host": "0.0.0.0", "certificate": "self-signed", "https_port": free_ports(1)[0]},
        },
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    product.wait_ready()
    async with product.client() as speaking:
        yield speaking


@pytest.fixture
async def camera() -> AsyncIterator[Browser]:
    """A browser with Chromium's own camera, a green picture, and a beep."""
    async with async_playwright() as playwright:
        arguments = [*ARGUMENTS, "--use-fake-device-for-media-stream"]
        started = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def at_the_page(
    product: Product, camera: Browser, fragment: str = f"#key={KEY}", **context: Any
) -> AsyncIterator[Page]:
    """The page of the feed `phone`; camera and microphone are allowed unless `permissions` says otherwise."""
    settings = {"permissions": ["camera", "microphone"], "bypass_csp": True, **PHONE, **context}
    async with open_page(camera, f"{product.url}/publish/phone{fragment}", **settings) as viewer:
        yield viewer.page
        assert viewer.errors == []


async def fits(page: Page) -> None:
    """Nothing stands out at the side, and a thumb hits everything."""
    assert await page.evaluate(_TOO_WIDE) <= 0
    assert await page.evaluate(_SMALL, TOUCH) == []


async def test_a_phone_goes_live_upright_by_touch_and_is_seen(
    product: Product, client: Client, camera: Browser
) -> None:
    heard: list[str] = []
    async with at_the_page(product, camera) as page:
        page.on(
            "request", lambda request: heard.append(f"{request.url} {request.headers.get('referer', '')}")
        )
        await page.get_by_role("button", name="카메라 켜기").tap()
        await expect(page.get_by_text("준비됐습니다")).to_be_visible(timeout=SLOW)
        # The key left the address bar, and is in no request's address.
        assert KEY not in page.url
        await fits(page)
        await page.get_by_role("button", name="설정").tap()
        await page.get_by_role("radio", name="세로").check()
        await fits(page)
        await page.get_by_role("button", name="설정 닫기").tap()
        await expect(page.get_by_role("meter")).to_be_visible()
        await page.wait_for_function(
            "() => { const v = document.querySelector('video'); return v && v.videoHeight > v.videoWidth }"
        )
        await page.get_by_role("button", name="보내기 시작").tap()
        await expect(page.locator(".air")).to_contain_text("보내는 중", timeout=SLOW)
        await client.state("phone", "live", within=30)
        await client.picture("main", "phone", within=30)
        told = await client.feed("phone")
        assert told["height"] > told["width"]
        assert (told["video_codec"], told["audio_codec"]) == ("h264", "opus")
        # The bit rate is measured within some seconds.
        await expect(page.get_by_role("region", name="연결 상태")).to_contain_text("b/s", timeout=SLOW)
        await fits(page)
        await seen_by_viewers(product, camera)
        await page.get_by_role("button", name="끝내기").tap()
        await page.get_by_role("button", name="계속 보내기").tap()
        await expect(page.locator(".air")).to_be_visible()
        await page.get_by_role("button", name="끝내기").tap()
        await expect(page.get_by_text("끝났습니다")).to_be_visible(timeout=SLOW)
        await client.state("phone", "idle", "lost", "offline", "waiting", within=30)
        assert not any(KEY in each for each in heard)


async def once_green(page: Page) -> dict[str, Any]:
    """What the viewer sees once it is the phone's camera: what plays may be some seconds old, from before it was on air."""
    shown: dict[str, Any] = {}

    async def green() -> bool:
        shown.update(await page.evaluate(_COLUMNS))
        red, middle, blue = shown["middle"]
        return bool(middle > max(red, blue) + 40)

    await until(green, 60, "the phone's picture at the viewer")
    return shown


async def seen_by_viewers(product: Product, camera: Browser) -> None:
    """Upright on the upright channel to its edges; on the other one in the middle, with something dark beside it."""
    for channel, size in (("main", (360, 640)), ("wide", (320, 180))):
        async with open_page(camera, f"{product.url}/live/{channel}?debug") as viewer:
            await viewer.plays(60)
            shown = await once_green(viewer.page)
            assert tuple(shown["size"]) == size
            edges = [shown["left"][1] - shown["left"][0], shown["right"][1] - shown["right"][0]]
            assert (
                all(edge > 40 for edge in edges) if channel == "main" else all(edge < 40 for edge in edges)
            ), shown


async def test_a_phone_in_the_house_is_led_to_https_with_its_key(
    product: Product, client: Client, camera: Browser
) -> None:
    house = next((each for each in lan_addresses() if each.version == 4), None)
    if house is None:
        pytest.skip("this machine has no address but its own")
    plain = f"http://{house}:{product.http_port}/publish/phone#key={KEY}"
    allowed = {"permissions": ["camera", "microphone"], "bypass_csp": True, **PHONE}
    async with open_page(camera, plain, ignore_https_errors=True, **allowed) as viewer:
        assert viewer.page.url.startswith(f"https://{house}:")
        assert await viewer.page.evaluate("isSecureContext")
        await viewer.page.get_by_role("button", name="카메라 켜기").tap()
        await viewer.page.get_by_role("button", name="보내기 시작").tap()
        await expect(viewer.page.locator(".air")).to_be_visible(timeout=SLOW)
        await client.state("phone", "live", within=30)
        assert viewer.errors == []


async def test_a_killed_ingest_is_taken_up_again_by_itself(
    product: Product, client: Client, camera: Browser
) -> None:
    async with at_the_page(product, camera) as page:
        await page.get_by_role("button", name="카메라 켜기").tap()
        await page.get_by_role("button", name="보내기 시작").tap()
        await expect(page.locator(".air")).to_be_visible(timeout=SLOW)
        await client.state("phone", "live", within=30)
        await client.picture("main", "phone", within=30)
        # Looked for at each frame: on a quiet machine these words stand for about a second.
        told = asyncio.create_task(page.wait_for_function(_RETRYING, timeout=60_000))
        product.kill(product.role("ingest"))
        await told
        await expect(page.locator(".air")).to_be_visible(timeout=60_000)
        await client.state("phone", "live", within=30)
        await client.picture("main", "phone", within=30)


async def test_what_is_wrong_is_said_with_what_to_do(
    product: Product, client: Client, camera: Browser
) -> None:
    # Nobody allowed the camera: a headless browser refuses by itself.
    async with at_the_page(product, camera, permissions=[]) as page:
        await page.get_by_role("button", name="카메라 켜기").tap()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("쓸 수 없게 막혀 있습니다", timeout=SLOW)
        await expect(alert).to_contain_text("‘허용’")
        # What was allowed meanwhile is taken by the same page.
        await page.context.grant_permissions(["camera", "microphone"])
        await page.get_by_role("button", name="다시 시도").tap()
        await expect(page.get_by_text("준비됐습니다")).to_be_visible(timeout=SLOW)
    async with at_the_page(product, camera, fragment="") as page:
        await page.get_by_role("button", name="카메라 켜기").tap()
        start = page.get_by_role("button", name="보내기 시작")
        await expect(start).to_be_disabled(timeout=SLOW)
        field = page.get_by_label("스트림 키", exact=True)
        await field.fill("not-the-key")
        await start.tap()
        await expect(page.get_by_role("alert")).to_contain_text("스트림 키가 맞지 않습니다", timeout=SLOW)
        await fits(page)
        await field.fill(KEY)
        await field.press("Enter")
        await expect(page.locator(".air")).to_be_visible(timeout=SLOW)
        # A reload ends the session, and the tab still knows the key.
        with contextlib.suppress(Exception):
            page.on("dialog", lambda dialog: dialog.accept())
        await page.reload()
        await page.get_by_role("button", name="카메라 켜기").tap()
        await page.get_by_role("button", name="보내기 시작").tap()
        await expect(page.locator(".air")).to_be_visible(timeout=60_000)


@pytest.mark.parametrize("locale", ["ko-KR", pytest.param("en-US", marks=pytest.mark.soak)])
async def test_assistive_technology_and_large_text(
    product: Product, client: Client, camera: Browser, locale: str
) -> None:
    """axe-core's rules, AAA contrast among them, at each step; by keyboard; at twice the text size."""
    korean = locale == "ko-KR"
    rules = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    wrong: list[str] = []

    async def look(page: Page, step: str) -> None:
        enhanced = {"color-contrast-enhanced": {"enabled": True}}
        found = await axe.Axe().run(page, options={"runOnly": rules, "rules": enhanced})
        assert "color-contrast-enhanced" in {each["id"] for each in found.response["passes"]}
        wrong.extend(
            f"{step}: {each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for each in found.response["violations"]
            for node in each["nodes"]
        )

    async with at_the_page(product, camera, fragment="", locale=locale) as page:
        await look(page, "welcome")
        await page.get_by_role("button", name="카메라 켜기" if korean else "Turn camera on").focus()
        await page.keyboard.press("Enter")
        settings = page.get_by_role("button", name="설정" if korean else "Settings")
        await settings.wait_for(timeout=SLOW)
        await settings.press("Enter")
        await look(page, "settings")
        await page.get_by_label("스트림 키" if korean else "Stream key", exact=True).fill("wrong")
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").locator("strong").wait_for(timeout=SLOW)
        await look(page, "trouble")
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert await page.evaluate(_TOO_WIDE) <= 0
        await page.get_by_label("스트림 키" if korean else "Stream key", exact=True).fill(KEY)
        await page.keyboard.press("Enter")
        await expect(page.locator(".air")).to_be_visible(timeout=SLOW)
        assert await page.evaluate(_TOO_WIDE) <= 0
        await look(page, "live")
    assert wrong == []

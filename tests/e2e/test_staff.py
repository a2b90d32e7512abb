"""The staff page: what is on air, put on air, shows and their recordings, on a desk and on a phone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import axe_playwright_python.async_playwright as axe  # type: ignore[import-untyped]  # the wheel has no types
import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import open_page
from tests.support.ffmpeg_sender import publishing
from tests.support.product import TOKEN, Client, Product

KEY = "camera-of-the-viewers"
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
SLOW = 30_000
"""Milliseconds until a page on a busy machine shows what the server knows: polling takes five seconds at worst."""
TOUCH = 44
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_SMALL = """
(wanted) => [...document.querySelectorAll("button, a[href], select, input:not([type=radio]):not([type=checkbox])")]
  .filter((it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
  .filter((it) => !(it.closest("p") && getComputedStyle(it).display === "inline"))
  .map((it) => [it, it.getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && (box.width < wanted - 0.5 || box.height < wanted - 0.5))
  .map(([it, box]) => `${it.tagName} ${it.getAttribute("aria-label") ?? it.textContent.trim()} ${box.width}x${box.height}`)
"""
_TOO_WIDE = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


@asynccontextmanager
async def room(product: Product, chrome: Browser, **context: Any) -> AsyncIterator[Page]:
    """The staff page, logged in; at the end its scripts had nothing to complain of."""
    async with open_page(chrome, f"{product.url}/", bypass_csp=True, **context) as viewer:
        page = viewer.page
        answer = await page.request.post(f"{product.url}/api/v1/session", data={"token": TOKEN})
        assert answer.status == 201
        await page.goto(f"{product.url}/staff")
        await page.get_by_role("heading", name="본방송").wait_for(timeout=SLOW)
        yield page
        assert viewer.errors == []


async def test_a_guest_is_led_to_the_log_in_and_back(
    product: Product, client: Client, chrome: Browser
) -> None:
    async with open_page(chrome, f"{product.url}/staff") as viewer:
        await viewer.page.wait_for_url("**/login?next=%2Fstaff", timeout=SLOW)


async def test_a_feed_is_put_on_air_seen_and_taken_back(
    product: Product, client: Client, chrome: Browser
) -> None:
    await client.program("main", "pattern")
    await client.picture("main", "pattern")
    async with publishing(product.publish_url(KEY), "blue"), room(product, chrome) as page:
        await client.state("camera", "live")
        bus = page.get_by_role("group", name="본방송 · 화면에 올릴 입력")
        camera = bus.get_by_role("button", name="camera")
        await expect(bus.get_by_role("button", name="pattern")).to_contain_text("방송 중", timeout=SLOW)
        await expect(camera).to_contain_text("들어옴", timeout=SLOW)
        # By keyboard alone: the arrows choose, Enter puts on air.
        await bus.get_by_role("button", name="pattern").focus()
        await page.keyboard.press("ArrowLeft")
        await expect(camera).to_be_focused()
        await page.keyboard.press("Enter")
        await client.picture("main", "camera")
        await expect(camera).to_contain_text("방송 중", timeout=SLOW)
        await expect(camera).to_have_attribute("aria-pressed", "true")
        # What goes out is on the page as a picture, renewed by itself.
        await expect(page.get_by_role("img", name="본방송에서 지금 나가는 화면")).to_be_visible(timeout=SLOW)
        await page.get_by_role("region", name="한 일과 알림").get_by_role("button", name="되돌리기").click()
        await client.picture("main", "pattern")
        # How the camera fares is told with its picture and its rate.
        row = page.locator("#feed-camera")
        await expect(row).to_contain_text("H264", timeout=SLOW)
        await expect(row.get_by_role("img", name="camera의 최근")).to_be_visible()
        # What comes in is seen before it is cut to.
        await row.scroll_into_view_if_needed()
        seen = row.get_by_role("img", name="camera에서 지금 들어오는 화면")
        await expect(seen).to_be_visible(timeout=SLOW)
        assert await seen.evaluate("(it) => it.naturalWidth") == 320


async def test_a_show_is_made_started_marked_stopped_and_exported(
    product: Product, client: Client, chrome: Browser
) -> None:
    await client.program("main", "pattern")
    async with room(product, chrome) as page:
        title = "운영실에서 만든 방송"
        await page.get_by_role("button", name="새 방송").click()
        await page.get_by_label("제목").fill(title)
        await page.get_by_role("button", name="방송 만들기").click()
        await page.get_by_role("button", name=f"{title} · 방송 시작").click(timeout=SLOW)
        await page.get_by_label(f"{title} · 표시할 내용").fill("첫 주문")
        await page.get_by_role("button", name=f"{title} 방송의 이 순간에 표시하기").click()
        notices = page.get_by_role("region", name="한 일과 알림")
        await expect(notices).to_contain_text("표시함", timeout=SLOW)
        await asyncio.sleep(4)  # so much of it is to be exported
        stop = page.get_by_role("button", name=f"{title} · 방송 끝내기")
        # It waits some seconds, within which it can be taken back; the second time it is hurried.
        await stop.click()
        await notices.get_by_role("button", name="되돌리기").last.click()
        await expect(stop).to_be_enabled()
        await stop.click()
        await notices.get_by_role("button", name="지금 하기").click()
        export = page.get_by_role("button", name=f"{title} · MP4 만들기")
        await export.click(timeout=SLOW)
        shows = (await client.api("GET", "/shows?state=ended"))["items"]
        show = next(each["id"] for each in shows if each["title"] == title)
        link = page.locator(f'a[href="/api/v1/shows/{show}/export.mp4"]')
        await expect(link).to_be_visible(timeout=60_000)
        answer = await page.request.get(f"{product.url}/api/v1/shows/{show}/export.mp4")
        assert answer.status == 200
        assert len(await answer.body()) > 50_000
        marks = [entry for entry in await client.log(show) if entry["type"] == "mark"]
        assert [entry["data"]["label"] for entry in marks] == ["첫 주문"]
        await page.get_by_role("button", name=f"{title} · 재생").click()
        await page.wait_for_function("document.querySelector('video')?.currentTime > 0.5", timeout=SLOW)


async def test_a_feed_is_made_its_key_is_shown_once_and_it_goes(
    product: Product, client: Client, chrome: Browser
) -> None:
    async with room(product, chrome) as page:
        await page.get_by_role("button", name="새 입력").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("이름", exact=True).fill("1번 부스")
        await dialog.get_by_label("짧은 이름").fill("booth-1")
        await dialog.get_by_role("button", name="만들기").click()
        key = await dialog.get_by_label("OBS · 스트림 키", exact=True).input_value(timeout=SLOW)
        assert len(key) > 10
        await expect(dialog.get_by_role("img", name="QR")).to_be_visible()
        await dialog.get_by_role("button", name="다 적었습니다").click()
        assert key not in await page.content()
        row = page.locator("#feed-booth-1")
        async with publishing(product.publish_url(key), "red"):
            await client.state("booth-1", "live")
            await row.scroll_into_view_if_needed()
            seen = row.get_by_role("img", name="1번 부스에서 지금 들어오는 화면")
            await expect(seen).to_be_visible(timeout=SLOW)
        # The last of it stays, and says that it is so.
        await expect(row.get_by_role("img", name="1번 부스의 마지막 화면")).to_have_class(
            re.compile("old"), timeout=SLOW
        )
        await expect(row.locator(".seen")).to_have_text("끊김")
        await page.get_by_role("button", name="1번 부스의 주소와 설정").click()
        await page.locator("#feed-booth-1").get_by_role("button", name="입력 지우기").click()
        await page.get_by_role("button", name="지금 하기").click()
        await expect(page.locator("#feed-booth-1")).to_have_count(0, timeout=SLOW)
        assert (await client.try_api("GET", "/feeds/booth-1"))[0] == 404


async def test_a_feed_is_recorded_its_file_fetched_and_deleted(
    product: Product, client: Client, chrome: Browser
) -> None:
    async with room(product, chrome) as page:
        row, isos = page.locator("#feed-pattern"), page.locator("#isos")
        await row.get_by_role("button", name="입력 녹화 시작").click()
        await expect(row).to_contain_text("녹화 중", timeout=SLOW)
        await expect(isos).to_contain_text("녹화 중", timeout=SLOW)
        await row.get_by_role("button", name="입력 녹화 끝내기").click()
        await expect(isos).to_contain_text("녹화 끝", timeout=SLOW)
        await isos.get_by_role("button", name="파일 1개 보기").click()
        link = isos.get_by_role("link", name="받기")
        await expect(link).to_contain_text("MKV")
        answer = await page.request.get(f"{product.url}{await link.get_attribute('href')}")
        assert answer.headers["content-type"] == "video/matroska"
        assert (await answer.body())[:4] == b"\x1a\x45\xdf\xa3"
        await isos.get_by_role("button", name="입력 녹화 지우기").click()
        await page.get_by_role("button", name="지금 하기").click()
        await expect(isos).to_contain_text("녹화한 입력이 없습니다", timeout=SLOW)


@pytest.mark.parametrize("size", ["100 %", "200 %"])
async def test_it_fits_a_phone_and_assistive_technology(
    product: Product, client: Client, chrome: Browser, size: str
) -> None:
    await client.program("main", "pattern")
    async with room(product, chrome, **PHONE) as page:
        await page.locator("#feed-pattern").get_by_role("button", name="의 주소와 설정").click()
        await page.get_by_role("button", name="새 방송").click()
        if size == "200 %":
            await page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert await page.evaluate(_TOO_WIDE) <= 0
        assert await page.evaluate(_SMALL, TOUCH) == []
        if size == "200 %":
            return  # the same elements with the same colours
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        for dialog in (False, True):
            if dialog:
                await page.get_by_role("button", name="새 입력").click()
                await page.get_by_role("dialog").wait_for()
                assert await page.evaluate(_TOO_WIDE) <= 0
            found = await axe.Axe().run(page, options=options)
            assert [
                f"{each['id']}: {node['html'][:160]}"
                for each in found.response["violations"]
                for node in each["nodes"]
            ] == []

"""The demo's storefront on a phone: found, read and bought from by a guest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import axe_playwright_python.async_playwright as axe  # type: ignore[import-untyped]  # the wheel has no types
import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import browser as started_browser
from tests.support.parts import chromium
from tests.support.vendure import DemoShop

PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "locale": "ko-KR",
}
LED = "?lc_click=c1&lc_show=s1&utm_source=gachi&other=1"
_TOO_WIDE = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
_SMALL = """
() => [...document.querySelectorAll("button, a[href], label.choice, input:not([type=radio]):not([type=hidden])")]
  .map((it) => [it, it.getBoundingClientRect()]).filter(([, box]) => box.width < 43.5 || box.height < 43.5)
  .map(([it, box]) => `${it.tagName} ${it.textContent.trim()} ${box.width}x${box.height}`)
"""
pytestmark = [pytest.mark.e2e, pytest.mark.peer, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoShop]:
    if chromium() is None:
        pytest.skip("the demo's storefront is not tested in a browser: there is no Chromium")
    with DemoShop(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with started_browser() as running:
        yield running


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(**PHONE)
    opened = await context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if line.type in {"error", "warning"} else None)
    yield opened
    await context.close()
    assert not wrong


async def fits(page: Page) -> None:
    assert await page.evaluate(_TOO_WIDE) <= 0
    assert await page.evaluate(_SMALL) == []
    found = await axe.Axe().run(page)
    assert not found.response["violations"], found.generate_report()


async def test_the_list_leads_to_products_and_keeps_who_led_here(demo: DemoShop, page: Page) -> None:
    await page.goto(f"{demo.api}/store{LED}")
    await expect(page.locator(".list li")).to_have_count(24)
    await expect(page.locator("#notice")).to_contain_text("시연용")
    await fits(page)
    await page.locator(".list a", has_text="꿀부사 사과").click()
    await expect(page.locator("h1")).to_have_text("꿀부사 사과")
    assert page.url.endswith("/store/p/apple-busa?lc_click=c1&lc_show=s1&utm_source=gachi")
    await expect(page.get_by_text("000-01-00001")).to_be_visible()
    await fits(page)
    await page.locator("#language").click()
    await expect(page.locator("button")).to_have_text("Order")
    await fits(page)


async def test_a_guest_buys(demo: DemoShop, page: Page) -> None:
    await page.goto(f"{demo.api}/store/p/rice-10{LED}")
    await expect(page.locator(".left")).to_have_text("50개 남음")
    await page.locator("[name=quantity]").fill("2")
    await page.get_by_role("button", name="주문하기").tap()
    said = page.locator("#said")
    await expect(said).to_have_text(
        re.compile(r"주문이 끝났습니다\. 주문번호 [A-Z0-9]{16}, 배송비를 더해 80,800원입니다\.")
    )
    await expect(page.locator(".left")).to_have_text("48개 남음")
    told = demo.ask(demo.admin(), "{ orders { items { state customFields { lcClick } } } }")
    assert {"state": "PaymentSettled", "customFields": {"lcClick": "c1"}} in told["orders"]["items"]


async def test_who_wants_too_many_hears_how_many_there_are(demo: DemoShop, page: Page) -> None:
    await page.goto(f"{demo.api}/store/p/black-tea")
    await page.locator("[name=quantity]").fill("3")
    await page.get_by_role("button", name="주문하기").tap()
    await expect(page.locator("#said")).to_have_text("지금 1개까지 살 수 있습니다.")
    await expect(page.get_by_role("button", name="주문하기")).to_be_enabled()


async def test_what_is_sold_out_cannot_be_ordered(demo: DemoShop, page: Page) -> None:
    await page.goto(f"{demo.api}/store/p/mug-pair")
    await expect(page.locator("label.choice", has_text="붉은흙")).to_contain_text("품절")
    await expect(page.locator("label.choice", has_text="붉은흙").locator("input")).to_be_disabled()
    await page.goto(f"{demo.api}/store/p/nothing")
    await expect(page.locator("main")).to_have_text("이 상품은 지금 팔지 않습니다.")

"""A phone that goes live over a network which lets it down: its plug is pulled, or its media is blocked. The show goes on with the
backup, the page says what it does about it, and is on air again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.e2e.conftest import BUILD
from tests.support.browser import ARGUMENTS, open_page
from tests.support.lossy_link import HERE, Link, lossy_link
from tests.support.parts import chromium
from tests.support.product import SMALL, Product, Seed

KEY = "phone-far-away"
AWAY = 8.0
"""Seconds without network once the backup is on air: longer than any time-out that would hide it."""
BACK_WITHIN = 60.0
SLOW = 30_000
# Two outages of ten seconds and more, and browsers of their own.
pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Far:
    """The product here, a browser beyond the link."""

    product: Product
    link: Link
    chrome: str
    address: str


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    path = chromium()
    if path is None or not (BUILD / "index.html").is_file():
        pytest.skip("no phone goes live: there is no Chromium, or the front end is not built")
    folder = tmp_path_factory.mktemp("far")
    with (
        lossy_link(0) as link,
        Product.start(
            folder,
            channels={"main": SMALL},
            feeds=(
                Seed("phone", "whip", key=KEY),
                Seed("pattern", "test", options={"width": "320", "height": "180"}),
            ),
            program={"main": ("phone", "pattern")},
            settings={"http": {"host": "0.0.0.0"}, "ingest": {"webrtc_host": HERE}},
        ) as product,
    ):
        yield Far(product, link, link.inside(path, folder), f"http://{HERE}:{product.http_port}")


@asynccontextmanager
async def phone(far: Far) -> AsyncIterator[Page]:
    """The page, on air."""
    arguments = [
        *ARGUMENTS,
        "--use-fake-device-for-media-stream",
        f"--unsafely-treat-insecure-origin-as-secure={far.address}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=far.chrome, args=arguments)
        try:
            address = f"{far.address}/publish/phone#key={KEY}"
            async with open_page(browser, address, permissions=["camera", "microphone"]) as viewer:
                await viewer.page.get_by_role("button", name="카메라 켜기").click()
                await viewer.page.get_by_role("button", name="보내기 시작").click(timeout=SLOW)
                await expect(viewer.page.locator(".air")).to_be_visible(timeout=SLOW)
                yield viewer.page
        finally:
            with contextlib.suppress(Exception):
                await browser.close()


@pytest.mark.parametrize("how", ["its plug is pulled", "its media is blocked"])
async def test_it_is_on_air_again_by_itself(far: Far, how: str, tmp_path: Path) -> None:
    pulled = how == "its plug is pulled"
    leave: Callable[[], None] = far.link.pull if pulled else lambda: far.link.lose(100)
    come: Callable[[], None] = far.link.plug if pulled else lambda: far.link.lose(0)
    async with far.product.client() as client, phone(far) as page:
        await client.picture("main", "phone", within=30)
        leave()
        try:
            await client.picture("main", "pattern", within=30)
            await asyncio.sleep(AWAY)
            await expect(page.get_by_text("다시 연결하는 중").first).to_be_visible(timeout=SLOW)
            await page.screenshot(path=tmp_path / "away.png")
        finally:
            come()
        began = asyncio.get_running_loop().time()
        await client.state("phone", "live", within=BACK_WITHIN)
        await client.picture("main", "phone", within=BACK_WITHIN)
        print(f"{how}: on air again after {asyncio.get_running_loop().time() - began:.1f} s")
        await expect(page.locator(".air")).to_be_visible(timeout=SLOW)

"""Pages on phones, with large text, with assistive technology, and on a slow line: what they weigh."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python.async_playwright as axe  # type: ignore[import-untyped]  # the wheel has no types
import pytest
from playwright.async_api import Browser

from tests.support.browser import open_page
from tests.support.product import Client, Product

BUILD = Path(__file__).resolve().parents[2] / "web/static"
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
TOUCH = 44
"""CSS pixels that a finger needs (WCAG 2.2, 2.5.5)."""
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_SMALL_TARGETS = """
(wanted) => [...document.querySelectorAll("button, a[href], input, select, [role=button]")]
  .filter((it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !it.closest("[inert]"))
  // The hit area is what counts: a bar may be thin and its input tall. Links within a sentence are exempt.
  .filter((it) => !(it.tagName === "A" && getComputedStyle(it).display === "inline" && it.closest("p")))
  .map((it) => [it, it.getBoundingClientRect()])
  .filter(([it, box]) => box.width > 1 && (box.width < wanted - 0.5 || box.height < wanted - 0.5))
  .map(([it, box]) => `${it.tagName} ${it.getAttribute("aria-label") ?? it.textContent.trim()} ${box.width}x${box.height}`)
"""
_CLIPPED = """
() => [...document.querySelectorAll("button, a[href], h1, h2, p")]
  .filter((it) => it.checkVisibility() && !it.closest(".sr-only, [inert]"))
  .filter((it) => it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).overflowX !== "visible")
  .map((it) => `${it.tagName} ${it.textContent.trim()}`)
"""
_TOO_WIDE = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
async def paths(client: Client) -> dict[str, str]:
    """Addresses of all kinds of pages, with something on them."""
    await client.program("main", "pattern")
    await client.picture("main", "pattern")
    found = (await client.api("GET", "/shows"))["items"]
    if not found:
        body = {"title": "전통시장 가을 햇과일 특집, 제철 사과와 배를 산지에서 바로", "channel": "main"}
        planned = await client.api("POST", "/shows", body)
        ended = await client.api("POST", "/shows", {**body, "title": "지난 방송"})
        await client.api("POST", f"/shows/{ended['id']}/start")
        await client.api("POST", f"/shows/{ended['id']}/stop")
        found = [ended, planned]
    return {
        "home": "/",
        "live": "/live/main?debug",
        "embed": "/embed/main?debug",
        "planned": f"/shows/{found[-1]['id']}",
        "replay": f"/shows/{found[0]['id']}?debug",
        "missing": "/live/none",
    }


@pytest.mark.parametrize("size", ["100 %", "200 %"])
async def test_everything_fits_a_phone(
    product: Product, paths: dict[str, str], chrome: Browser, size: str
) -> None:
    """No page scrolls sideways, nothing that can be touched is too small, no word is cut off."""
    wrong: list[str] = []
    for name, path in paths.items():
        async with open_page(chrome, product.url + path, **PHONE) as viewer:
            if "debug" in path:
                await viewer.until_player(lambda told: told["position"] > 0, 25, f"{name}: a picture")
            else:
                await viewer.page.locator("h1").first.wait_for(state="attached")
                await viewer.page.wait_for_load_state("networkidle")
            if size == "200 %":
                await viewer.page.evaluate("document.documentElement.style.fontSize = '200%'")
            # A finger brings the controls.
            if "debug" in path:
                box = await viewer.page.locator("video").bounding_box()
                assert box is not None
                await viewer.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
            if (wide := await viewer.page.evaluate(_TOO_WIDE)) > 0:
                wrong.append(f"{name}: {wide} pixels too wide")
            wrong += [f"{name}: small {each}" for each in await viewer.page.evaluate(_SMALL_TARGETS, TOUCH)]
            wrong += [f"{name}: clipped {each}" for each in await viewer.page.evaluate(_CLIPPED)]
            wrong += [f"{name}: {each}" for each in viewer.errors]
    assert wrong == []


@pytest.mark.parametrize("language", ["ko-KR", pytest.param("en-US", marks=pytest.mark.soak)])
async def test_assistive_technology_finds_its_way(
    product: Product, paths: dict[str, str], chrome: Browser, language: str
) -> None:
    """axe-core's rules of WCAG 2.2 A and AA, contrast among them."""
    wrong: list[str] = []
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    for name, path in paths.items():
        async with open_page(chrome, product.url + path, locale=language) as viewer:
            if "debug" in path:
                await viewer.plays()
                await viewer.page.mouse.move(300, 300)
            else:
                await viewer.page.wait_for_load_state("networkidle")
            found = await axe.Axe().run(viewer.page, options=options)
            wrong += [
                f"{name}: {each['id']}: {node['html'][:160]}"
                for each in found.response["violations"]
                for node in each["nodes"]
            ]
            assert await viewer.page.evaluate("document.documentElement.lang") == language[:2], name
            assert await viewer.page.title() != ""
    assert wrong == []


def _fetched(document: str) -> Iterator[str]:
    """Scripts and style sheets that a page loads at once."""
    yield from re.findall(r'<(?:script|link)[^>]*?(?:src|href)="/(assets/[^"]+\.(?:js|css))"', document)


def test_pages_are_light() -> None:
    if not (BUILD / "index.html").is_file():
        pytest.skip("the weight of pages is not tested: the front end is not built (make web/static/.built)")
    document = (BUILD / "index.html").read_text()
    weights = {
        name: len(gzip.compress((BUILD / name).read_bytes(), 9)) for name in dict.fromkeys(_fetched(document))
    }
    engines = list((BUILD / "assets").glob("hls-engine-*.js"))
    assert len(engines) == 1
    page = sum(weights.values())
    player = len(gzip.compress(engines[0].read_bytes(), 9))
    print(
        f"/live: {page / 1000:.1f} kB of JS and CSS before the player, {(page + player) / 1000:.1f} kB with it"
    )
    assert any(name.endswith(".js") for name in weights)
    assert any(name.endswith(".css") for name in weights)
    assert page <= 150_000
    assert page + player <= 350_000

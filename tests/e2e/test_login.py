"""People log in on the page: by keyboard, told in words what is wrong, and led back to where they came from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import axe_playwright_python.async_playwright as axe  # type: ignore[import-untyped]  # the wheel has no types
import pytest
from playwright.async_api import Page, expect

from tests.support.browser import browser
from tests.support.parts import chromium
from tests.support.sites import Site, site

pytestmark = pytest.mark.e2e
BUILD = Path(__file__).resolve().parents[2] / "web/static"
PASSWORD = "a password for ann"
SLOW = 20_000
"""Milliseconds that a page may take on a machine that does much else."""


@asynccontextmanager
async def door(tmp_path: Path, locale: str) -> AsyncIterator[tuple[Site, Page]]:
    if chromium() is None:
        pytest.skip("pages are not tested in a browser: there is no Chromium")
    if not (BUILD / "index.html").is_file():
        pytest.skip("pages are not tested in a browser: the front end is not built (make web/static/.built)")
    (tmp_path / "static").symlink_to(BUILD)
    async with site(tmp_path) as live, browser() as chrome:
        body = {"login": "ann", "name": "앤", "role": "host", "password": PASSWORD}
        await live.ask("POST", "/api/v1/users", json=body, status=201)
        context = await chrome.new_context(locale=locale, viewport={"width": 360, "height": 740})
        try:
            page = await context.new_page()
            page.set_default_timeout(SLOW)
            yield live, page
        finally:
            await context.close()


async def test_log_in_by_keyboard_and_back(tmp_path: Path) -> None:
    async with door(tmp_path, "ko-KR") as (live, page):
        await page.goto(f"{live.url}/login?next=%2Flive%2Fmain%3Fx%3D1")
        await expect(page.get_by_role("heading", name="로그인")).to_be_visible(timeout=SLOW)
        await expect(page.get_by_label("아이디 또는 이메일")).to_be_focused(timeout=SLOW)
        await page.keyboard.press("Enter")
        alert = page.get_by_role("alert")
        await expect(alert).to_have_text("아이디와 비밀번호를 모두 입력해 주세요.", timeout=SLOW)
        await page.get_by_label("아이디 또는 이메일").focus()
        await page.keyboard.type("Ann")
        await page.keyboard.press("Tab")
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(alert).to_contain_text("비밀번호가 맞지 않습니다", timeout=SLOW)
        await expect(alert).to_be_focused(timeout=SLOW)
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
        found = await axe.Axe().run(page, options=options)
        assert found.violations_count == 0, found.generate_report()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_label("비밀번호").focus()
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/live/main?x=1", timeout=SLOW)
        await page.goto(f"{live.url}/login?next=https%3A%2F%2Fevil.example%2F")
        await expect(page.get_by_text("앤 님으로 로그인되어 있습니다.")).to_be_visible(timeout=SLOW)
        await expect(page.get_by_role("link", name="계속하기")).to_have_attribute("href", "/staff")
        await page.get_by_role("button", name="로그아웃").click()
        await expect(page.get_by_label("비밀번호")).to_be_visible(timeout=SLOW)


async def test_the_control_room_sends_guests_to_the_door_and_lets_them_in(tmp_path: Path) -> None:
    async with door(tmp_path, "en-US") as (live, page):
        await page.goto(f"{live.url}/staff")
        await page.wait_for_url("**/login?next=%2Fstaff", timeout=SLOW)
        await page.get_by_label("Login or e-mail").fill("ann")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in", exact=True).click()
        await page.wait_for_url("**/staff", timeout=SLOW)
        made = await live.ask("GET", "/api/v1/users", status=200)
        await live.ask(
            "PATCH", f"/api/v1/users/{made['items'][0]['id']}", json={"disabled": True}, status=200
        )
        await page.reload()
        await page.wait_for_url("**/login?next=%2Fstaff", timeout=SLOW)

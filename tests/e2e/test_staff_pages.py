"""The staff's pages beside the control room: accounts, tokens, the log of changes, channels, how viewers fare; by keyboard and touch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python.async_playwright as axe  # type: ignore[import-untyped]  # the wheel has no types
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from media.contracts.channels import ChannelSettings, ChannelView
from media.model.channel import ChannelState
from tests.support.browser import browser, open_page
from tests.support.parts import chromium
from tests.support.sites import ADMIN, Site, site, until

BUILD = Path(__file__).resolve().parents[2] / "web/static"
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
SLOW = 20_000
"""Milliseconds that a page may take on a machine that does much else."""
TOUCH = 44
PASSWORD = "a password for ann"
# One product and one browser for all of them: a module's loop, which the fixtures run in.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

_SMALL = """
(wanted) => [...document.querySelectorAll("button, a[href], select, input:not([type=radio]):not([type=checkbox])")]
  .filter((it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
  .map((it) => [it, it.getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && (box.width < wanted - 0.5 || box.height < wanted - 0.5))
  .map(([it, box]) => `${it.tagName} ${it.getAttribute("aria-label") ?? it.textContent.trim()} ${box.width}x${box.height}`)
"""
_TOO_WIDE = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


class House:
    """A web process with its owners in memory, and a browser."""

    def __init__(self, live: Site, chrome: Browser) -> None:
        self.live = live
        self.chrome = chrome

    @asynccontextmanager
    async def room(
        self, name: str, *, login: str = "", password: str = PASSWORD, **context: Any
    ) -> AsyncIterator[Page]:
        """A staff's page, logged in as the administrator of the settings or as `login`; its scripts complain of nothing."""
        async with open_page(self.chrome, f"{self.live.url}/login", bypass_csp=True, **context) as viewer:
            page = viewer.page
            page.set_default_timeout(SLOW)
            body = {"login": login, "password": password} if login else {"token": ADMIN}
            answer = await page.request.post(f"{self.live.url}/api/v1/session", data=body)
            assert answer.status == 201, await answer.text()
            await page.goto(f"{self.live.url}/staff/{name}")
            await page.get_by_role("heading", level=1).wait_for()
            yield page
            assert viewer.errors == []

    async def channel(self, name: str, **settings: Any) -> None:
        """A channel that is on air."""
        view = ChannelView(
            id=name,
            settings=ChannelSettings(name=settings.pop("title", ""), **settings),
            version=1,
            wanted=True,
            state=ChannelState.LIVE,
            needs=0.68,
        )
        await self.live.owners.put(view)
        await until(lambda: self.live.web.board.get(name))


@pytest.fixture(autouse=True)
def nothing_left() -> None:
    """In place of the one for all tests: this site outlives a test, and whenever a page that is closed cancels a request its
    database takes a new connection, a thread. What is left at the site's end `house` looks for.
    """


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    if chromium() is None:
        pytest.skip("pages are not tested in a browser: there is no Chromium")
    if not (BUILD / "index.html").is_file():
        pytest.skip("pages are not tested in a browser: the front end is not built (make web/static/.built)")
    folder = tmp_path_factory.mktemp("staff-pages")
    (folder / "static").symlink_to(BUILD)
    before = set(threading.enumerate())
    async with site(folder) as live, browser() as chrome:
        yield House(live, chrome)
    deadline = time.monotonic() + 3
    while left := [
        each for each in set(threading.enumerate()) - before if not each.name.startswith("asyncio_")
    ]:
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.01)


async def user(house: House, login: str, role: str) -> dict[str, Any]:
    body = {"login": login, "name": login.capitalize(), "role": role, "password": PASSWORD}
    made: dict[str, Any] = await house.live.ask("POST", "/api/v1/users", json=body, status=201)
    return made


async def test_a_user_is_made_and_changed_by_keyboard_and_the_change_taken_back(house: House) -> None:
    await user(house, "taken", "viewer")
    async with house.room("users") as page:
        opener = page.get_by_role("button", name="새 사용자")
        await opener.focus()
        await page.keyboard.press("Enter")
        login = page.get_by_label("아이디 또는 이메일").first
        await expect(login).to_be_focused()
        # What is missing is told at its field, which has the focus.
        await page.keyboard.press("Enter")
        await expect(login).to_have_attribute("aria-invalid", "true")
        await expect(login).to_have_accessible_description(
            "꼭 적어야 하는 칸입니다. 영어와 숫자로 된 짧은 이름이나 이메일. 로그인할 때 씁니다."
        )
        await page.keyboard.type("taken")
        await page.get_by_role("button", name="임의로 만들기").press("Enter")
        await login.press("Enter")
        await expect(page.get_by_text("이 아이디를 쓰는 사람이 이미 있습니다.")).to_be_visible()
        await expect(login).to_be_focused()
        await page.keyboard.press("ControlOrMeta+a")
        await page.keyboard.type("bora")
        await page.keyboard.press("Enter")
        # The password is shown once, and the focus is there.
        await expect(page.get_by_role("heading", name="bora 계정을 만들었습니다")).to_be_focused()
        password = await page.get_by_label("비밀번호", exact=True).input_value()
        await page.get_by_role("button", name="다 전했습니다").press("Enter")
        await expect(opener).to_be_focused()
        assert password not in await page.content()
        body = {"login": "bora", "password": password}
        opened = await house.live.ask("POST", "/api/v1/session", token=None, json=body, status=201)
        assert opened["role"] == "host"

        await page.get_by_role("button", name="bora 계정 관리").press("Enter")
        await page.get_by_role("radio", name="진행자").press("ArrowDown")
        await expect(page.get_by_role("radio", name="담당자")).to_be_checked()
        await page.get_by_role("button", name="bora · 바꾼 내용 저장").press("Enter")
        notices = page.get_by_role("region", name="한 일과 알림")
        await expect(notices).to_contain_text("bora 계정을 바꿈")
        path = f"/api/v1/users/{opened['user']}"
        assert (await house.live.ask("GET", path))["role"] == "staff"
        await notices.get_by_role("button", name="되돌리기").press("Enter")
        await expect(page.get_by_role("radio", name="진행자")).to_be_checked()
        assert (await house.live.ask("GET", path))["role"] == "host"
        await page.get_by_role("button", name="bora · 사용 중지").press("Enter")
        await expect(page.get_by_role("button", name="bora · 다시 사용")).to_be_visible()
        await house.live.ask("POST", "/api/v1/session", token=None, json=body, status=401)


async def test_somebody_changes_the_own_password_and_makes_a_token_on_a_phone(house: House) -> None:
    await user(house, "cho", "host")
    async with house.room("account", login="cho", **PHONE) as page:
        old, new = page.get_by_label("지금 비밀번호"), page.get_by_label("새 비밀번호")
        await old.fill("not this one")
        await new.fill("another password")
        await page.get_by_role("button", name="비밀번호 바꾸기").tap()
        await expect(page.get_by_text("지금 비밀번호가 맞지 않습니다.")).to_be_visible()
        await expect(old).to_be_focused()
        await old.fill(PASSWORD)
        await page.get_by_role("button", name="비밀번호 바꾸기").tap()
        await expect(page.get_by_role("region", name="한 일과 알림")).to_contain_text(
            "비밀번호를 바꾸었습니다."
        )
        await page.get_by_role("button", name="새 토큰").tap()
        # No more than one's own role is offered.
        await expect(page.get_by_role("radio", name="관리자")).to_have_count(0)
        await page.get_by_label("쓰는 곳").fill("예약 시스템")
        await page.get_by_role("button", name="토큰 만들기").tap()
        token = await page.get_by_label("토큰", exact=True).input_value()
        await house.live.ask("GET", "/api/v1/session", token=token, status=200)
        await page.get_by_role("button", name="다 넣었습니다").tap()
        await page.get_by_role("button", name="‘예약 시스템’ 토큰 폐기").tap()
        await page.get_by_role("button", name="지금 하기").tap()
        await expect(page.get_by_text("토큰이 없습니다")).to_be_visible()
        await house.live.ask("GET", "/api/v1/session", token=token, status=401)
        # Other pages say which role they take.
        await page.goto(f"{house.live.url}/staff/users")
        await expect(page.get_by_text("이 화면은 ‘관리자’ 권한부터 볼 수 있습니다.")).to_be_visible()


async def test_changes_are_told_in_words_and_can_be_looked_for(house: House) -> None:
    made = await user(house, "dan", "host")
    await house.live.ask("PATCH", f"/api/v1/users/{made['id']}", json={"role": "staff"}, status=200)
    await house.live.ask("POST", "/api/v1/channels/nowhere/start", status=404)
    async with house.room("audit") as page:
        entry = page.get_by_role("listitem").filter(has_text="사용자를 바꿈").filter(has_text="Dan")
        await expect(entry).to_contain_text("권한")
        await expect(entry).to_contain_text("담당자")
        refused = page.get_by_role("listitem").filter(has_text="nowhere")
        await expect(refused).to_contain_text("거절됨")
        await page.get_by_label("무엇을", exact=True).select_option("create_user")
        await expect(page.get_by_role("listitem").filter(has_text="사용자를 바꿈")).to_have_count(0)
        await entry_of(page, "Dan").get_by_role("button", name="‘Dan’에 한 일만 보기").press("Enter")
        await expect(page.get_by_role("listitem")).to_have_count(1)
        # The address leads back to the same.
        await page.reload()
        await expect(page.get_by_role("listitem")).to_have_count(1)
        await expect(page.get_by_label("무엇을", exact=True)).to_have_value("create_user")
        await page.get_by_label("언제").select_option("days")
        await page.get_by_label("끝날").fill("2020-01-01")
        await expect(page.get_by_text("맞는 기록이 없습니다")).to_be_visible()
        await page.get_by_role("button", name="조건 지우기").press("Enter")
        await expect(refused).to_be_visible()


def entry_of(page: Page, name: str) -> Any:
    return page.get_by_role("listitem").filter(has_text=name)


async def test_a_channel_is_refused_forced_changed_against_somebody_else_and_deleted(house: House) -> None:
    house.live.owners.full = True
    async with house.room("channels") as page:
        await page.get_by_role("button", name="새 채널").press("Enter")
        await page.get_by_label("주소에 쓸 짧은 이름").fill("market")
        await page.get_by_label("화면", exact=True).select_option("720x1280")
        await page.get_by_role("radio", name="두 단계").check()
        await page.get_by_role("button", name="채널 만들기").press("Enter")
        why = page.get_by_role("alert").filter(has_text="0.74코어가 필요한데")
        await expect(why).to_be_focused()
        await expect(why).to_contain_text("다른 채널을 끄거나")
        await why.get_by_role("button", name="그래도 하기").press("Enter")
        row = page.locator("#channel-market")
        await expect(row).to_contain_text("세로 720×1280")
        assert house.live.owners.channels["market"].settings.ladder[0].height == 720

        await row.get_by_role("button", name="market · 설정 바꾸기").press("Enter")
        await row.get_by_label("이름", exact=True).fill("골목시장")
        before = await house.live.ask("GET", "/api/v1/channels/market")
        await house.live.ask(
            "PUT",
            "/api/v1/channels/market/settings?force=true",
            json={**before["settings"], "dvr_seconds": 600},
        )
        await expect(row.get_by_role("alert")).to_contain_text("바뀐 것: 되감기 시간")
        await expect(row.get_by_role("button", name="저장")).to_be_disabled()
        await row.get_by_role("button", name="내가 적은 대로 덮어쓰기").press("Enter")
        await expect(row.get_by_role("heading", name="골목시장")).to_be_visible()
        settings = house.live.owners.channels["market"].settings
        assert (settings.name, settings.dvr_seconds) == ("골목시장", 1800)

        await row.get_by_role("button", name="골목시장 · 채널 끄기").press("Enter")
        hurry = page.get_by_role("button", name="지금 하기")
        await hurry.press("Enter")
        await row.get_by_role("button", name="골목시장 · 채널 켜기").press("Enter")
        await expect(row.get_by_role("alert")).to_contain_text("0.74코어가 필요한데")
        await row.get_by_role("button", name="골목시장 · 지우기").press("Enter")
        await hurry.press("Enter")
        await expect(row).to_have_count(0)
    assert "market" not in house.live.owners.channels
    house.live.owners.full = False


async def test_how_viewers_fare_is_drawn_and_said(house: House) -> None:
    await house.channel("watched", title="보는 방송")
    report = {"cid": "watched", "st": "l", "msd": 800, "ltc": 1600, "played": 27_000, "lines": 720}
    reports = [{**report, "sid": f"session-{number}", "bsd": [3000]} for number in range(6)]
    await house.live.ask("POST", "/api/v1/qoe", token=None, json={"reports": reports}, status=204)
    async with house.room("viewers") as page:
        fared = page.get_by_role("article", name="보는 방송")
        await expect(fared).to_contain_text("끊김이 많습니다")
        await expect(fared).to_contain_text("화질 단계를 줄이세요")
        await expect(fared.get_by_role("img", name="보는 방송의 시청자: 지금 6명")).to_be_visible()
        await expect(fared.get_by_role("img", name="보는 시간의 10%가 끊겼습니다. 끊김 6번")).to_be_visible()
        await expect(fared).to_contain_text("절반은 0.8초 안")


async def test_they_fit_a_phone_and_assistive_technology(house: House) -> None:
    """No page scrolls sideways with text of its own size and twice that, and nothing that is touched is too small."""
    await house.channel("fits", title="아주 긴 이름의 전통시장 골목방송 채널")
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    forms = {"channels": "새 채널", "users": "새 사용자", "account": "새 토큰"}
    wrong: list[str] = []
    async with house.room("channels", **PHONE) as page:
        for name in ("channels", "viewers", "users", "audit", "account"):
            await page.goto(f"{house.live.url}/staff/{name}")
            await page.locator("#main .panel").first.wait_for()
            if name in forms:
                await page.get_by_role("button", name=forms[name]).tap()
            found = await axe.Axe().run(page, options=options)
            wrong += [
                f"{name}: {each['id']}: {node['html'][:160]}"
                for each in found.response["violations"]
                for node in each["nodes"]
            ]
            for size in ("100%", "200%"):
                await page.evaluate("(size) => { document.documentElement.style.fontSize = size }", size)
                if (wide := await page.evaluate(_TOO_WIDE)) > 0:
                    wrong.append(f"{name} at {size}: {wide} pixels too wide")
                wrong += [f"{name} at {size}: small {each}" for each in await page.evaluate(_SMALL, TOUCH)]
    assert wrong == []

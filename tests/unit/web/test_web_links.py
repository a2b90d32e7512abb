"""``/go/{token}`` through the whole web process, with a bridge that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from commerce_bridge.contracts.links import LinkClicked
from commerce_bridge.links.keys import ROTATE_AFTER
from commerce_bridge.links.tokens import Link, LinkKey, sign
from commerce_bridge.model.errors import LinkError
from runtime.bus.announcer import Announcer
from runtime.bus.calls import EventStream, events
from runtime.bus.contract import Command, CommandError, Fault
from runtime.bus.local import LocalBus
from runtime.clock import ManualClock
from tests.support.commerce_owner import CommerceOwner, product
from tests.support.sites import Site, site, until
from web.links import FRESH_SECONDS, KEYS_SECONDS, RETRY_SECONDS, Links

PERSON = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Mobile Safari/537.36"}
PAGE = {**PERSON, "Accept": "text/html", "Accept-Language": "ko-KR,ko;q=0.9"}
SHOW = "06aaaaaaaaaaaaaa"


class Shop:
    """A site with a bridge, and what was told of clicks."""

    def __init__(self, site: Site, bridge: CommerceOwner, clicks: EventStream[LinkClicked]) -> None:
        self.site = site
        self.bridge = bridge
        self._clicks = aiter(clicks)

    @property
    def links(self) -> Links:
        return self.site.web.links

    async def go(
        self, path: str, *, method: str = "GET", headers: dict[str, str] = PERSON
    ) -> tuple[int, aiohttp.ClientResponse, str]:
        async with self.site.client.request(
            method, self.site.url + path, headers=headers, allow_redirects=False
        ) as response:
            return response.status, response, await response.text()

    async def click(self) -> LinkClicked:
        async with asyncio.timeout(10):
            return await anext(self._clicks)

    def count(self, result: str) -> float:
        return self.site.metric("gachi_link_requests_total", result=result)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with site(tmp_path, bridge=False) as made:
        bridge = CommerceOwner(made.owners.bus)
        async with bridge.serving(), events(made.owners.bus, LinkClicked) as clicks:
            await made.web.links.refresh()
            yield Shop(made, bridge, clicks)


async def test_a_link_leads_to_the_shop_and_is_told(shop: Shop) -> None:
    sold = shop.bridge.put(product("7", "https://shop.example/goods?no=7#top"))
    status, response, _ = await shop.go(shop.links.path(SHOW, sold.id, "embed") + "?t=1700000000000001")
    assert status == 302
    there = urlsplit(response.headers["Location"])
    assert there[:3] == ("https", "shop.example", "/goods")
    assert there.fragment == "top"
    click = await shop.click()
    assert parse_qs(there.query) == {
        "no": ["7"],
        "lc_click": [click.click],
        "lc_show": [SHOW],
        "lc_card": [sold.id],
        "lc_ch": ["embed"],
        "utm_source": ["gachi-live"],
        "utm_medium": ["live-commerce"],
        "utm_campaign": [SHOW],
    }
    assert (click.show, click.product, click.origin, click.time) == (
        SHOW,
        sold.id,
        "embed",
        1_700_000_000_000_001,
    )
    assert click.at > 0
    assert not click.bot
    assert set(click.model_dump()) == {"at", "click", "product", "show", "origin", "time", "bot"}, (
        "nobody is in it"
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin"
    assert "Set-Cookie" not in response.headers
    assert shop.count("person") == 1


async def test_a_partners_own_word_stands_for_where_the_link_was(shop: Shop) -> None:
    sold = shop.bridge.put(product("7"))
    for word, told in (("mall-7", "mall-7"), ("", "page"), ("M all", "page"), ("x" * 21, "page")):
        status, response, _ = await shop.go(shop.links.path(SHOW, sold.id) + f"?ch={word}")
        assert status == 302
        assert parse_qs(urlsplit(response.headers["Location"]).query)["lc_ch"] == [told]
        assert (await shop.click()).origin == told


@pytest.mark.parametrize("time", ["", "-1", "1e9", "9" * 19, "١٢", "5 ", "0x1", "1&t=2"])
async def test_a_time_that_is_none_is_left_out(shop: Shop, time: str) -> None:
    sold = shop.bridge.put(product("7"))
    status, _, _ = await shop.go(f"{shop.links.path(SHOW, sold.id)}?t={time}")
    assert status == 302
    assert (await shop.click()).time == (1 if time == "1&t=2" else None)


async def test_nothing_of_the_request_gets_into_the_address(shop: Shop) -> None:
    sold = shop.bridge.put(product("7"))
    plain = (await shop.go(shop.links.path(SHOW, sold.id), headers={}))[1].headers["Location"]
    asked = f"{shop.links.path(SHOW, sold.id)}?url=https://evil.example/&lc_ch=x&next=//evil.example&lc_click=mine"
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Referer": "https://evil.example/"}
    _, response, _ = await shop.go(asked, headers=hostile)
    assert response.headers["Location"] == plain


async def test_programs_are_led_on_and_not_told(shop: Shop) -> None:
    sold = shop.bridge.put(product("7"))
    path = shop.links.path(SHOW, sold.id)
    for method, headers in (
        ("GET", {"User-Agent": "facebookexternalhit/1.1; kakaotalk-scrap/1.0"}),
        ("GET", {**PERSON, "Sec-Purpose": "prefetch;prerender"}),
        ("HEAD", PERSON),
    ):
        status, response, body = await shop.go(path, method=method, headers=headers)
        assert (status, body) == (302, "")
        assert "lc_click" not in response.headers["Location"]
        assert "lc_card" in response.headers["Location"]
    assert shop.count("program") == 3
    await shop.go(path)
    assert (await shop.click()).product == sold.id, "the first that is told"


async def test_a_link_of_nobody_is_a_friendly_page(shop: Shop) -> None:
    sold = shop.bridge.put(product("7"))
    path = shop.links.path(SHOW, sold.id)
    forged = path[:-1] + ("A" if path[-1] != "A" else "B")
    for wrong in (forged, "/go/a", "/go/%00", "/go/" + "a" * 500, "/go/한글"):
        status, response, body = await shop.go(wrong, headers=PAGE)
        assert (status, response.content_type) == (404, "text/html"), wrong
        assert "지금은 살 수 없는 상품입니다" in body
        assert "Location" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
    status, response, body = await shop.go(forged)
    assert (status, response.content_type) == (404, "application/problem+json")
    assert "/problems/no-link" in body
    assert shop.bridge.asked == 0, "forgeries do not reach the bridge"
    assert shop.count("refused") == 6


async def test_what_is_sold_no_more_is_the_same_page(shop: Shop) -> None:
    gone = shop.bridge.put(product("7", gone=True))
    for path in (shop.links.path(SHOW, gone.id), shop.links.path(SHOW, "unknown")):
        status, _, body = await shop.go(path, headers=PAGE)
        assert status == 404
        assert "상품 목록에서 다시" in body
    assert shop.count("missing") == 2


async def test_other_methods_are_refused(shop: Shop) -> None:
    status, response, _ = await shop.go("/go/abc", method="POST")
    assert (status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_crowd_asks_the_bridge_once(shop: Shop) -> None:
    sold = shop.bridge.put(product("7"))
    path = shop.links.path(SHOW, sold.id)
    answers = await asyncio.gather(*(shop.go(path) for _ in range(50)))
    assert {status for status, _, _ in answers} == {302}
    assert shop.bridge.asked == 1
    clicks = {(await shop.click()).click for _ in range(50)}
    assert len(clicks) == 50


# --- a bridge that comes and goes: the parts alone, on a clock of their own


class Bridge:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.owner = CommerceOwner(LocalBus())
        self.away = False
        self.asked: list[str] = []

    async def ask(self, command: Command[Any], /) -> Any:
        self.asked.append(type(command).__name__)
        if self.away:
            raise CommandError(Fault.UNAVAILABLE, "nobody answers")
        handlers: dict[Any, Any] = self.owner.handlers()
        return await handlers[type(command)](command)


async def test_addresses_stay_good_while_the_bridge_is_away() -> None:
    bridge, clock = Bridge(), ManualClock()
    links = Links(bridge.ask, clock.monotonic)
    sold = bridge.owner.put(product("7"))
    await links.refresh()
    token = links.path(SHOW, sold.id).removeprefix("/go/")
    assert await links.address(sold.id) == sold.url
    bridge.away = True
    clock.advance(100 * FRESH_SECONDS)
    asked = len(bridge.asked)
    for _ in range(10):
        assert (await links.link(token)).product == sold.id
        assert await links.address(sold.id) == sold.url
    assert len(bridge.asked) == asked + 1, "whoever comes next does not wait for it again"
    with pytest.raises(CommandError):
        await links.address("never-heard-of")
    bridge.away = False
    bridge.owner.put(product("7", "https://shop.example/moved"))
    clock.advance(RETRY_SECONDS)
    assert await links.address(sold.id) == "https://shop.example/moved"
    await links.close()


async def test_an_address_is_a_minute_old_at_most() -> None:
    bridge, clock = Bridge(), ManualClock()
    links = Links(bridge.ask, clock.monotonic)
    sold = bridge.owner.put(product("7"))
    assert await links.address(sold.id) == sold.url
    bridge.owner.put(product("7", gone=True))
    clock.advance(FRESH_SECONDS - 1)
    assert await links.address(sold.id) == sold.url
    clock.advance(1)
    assert not await links.address(sold.id)
    await links.close()


async def test_without_keys_nothing_is_made_or_believed() -> None:
    bridge = Bridge()
    bridge.away = True
    links = Links(bridge.ask, ManualClock().monotonic)
    with pytest.raises(CommandError) as error:
        links.path(SHOW, "p")
    assert error.value.fault is Fault.UNAVAILABLE
    with pytest.raises(CommandError):
        await links.link("AQ")
    bridge.away = False
    await links.refresh()
    assert links.path(SHOW, "p").startswith("/go/")
    with pytest.raises(CommandError) as error:
        links.path(SHOW, "p", "no word")
    assert (error.value.fault, error.value.field) == (Fault.INVALID, "origin")
    await links.close()


async def test_a_newer_key_is_asked_for_once_in_a_while() -> None:
    """Another web process may sign with it first; forgeries that name any key must not make a question each."""
    bridge, clock = Bridge(), ManualClock()
    mine, other = Links(bridge.ask, clock.monotonic), Links(bridge.ask, clock.monotonic)
    await mine.refresh()
    bridge.owner.clock.advance(ROTATE_AFTER / 1e6)
    await other.refresh()
    token = other.path(SHOW, "p").removeprefix("/go/")
    clock.advance(RETRY_SECONDS)
    assert (await mine.link(token)).product == "p"
    asked = len(bridge.asked)
    forged = sign(Link("p"), LinkKey(99, bytes(32)))
    for _ in range(20):
        with pytest.raises(LinkError):
            await mine.link(forged)
    assert len(bridge.asked) == asked
    for links in (mine, other):
        await links.close()


async def test_keys_are_kept_fresh_by_themselves(shop: Shop) -> None:
    running = asyncio.create_task(shop.links.run())
    shop.bridge.clock.advance(ROTATE_AFTER / 1e6)
    await until(lambda: len(shop.bridge.keys.load()) == 2)
    running.cancel()
    await asyncio.wait([running])
    assert KEYS_SECONDS > RETRY_SECONDS


async def test_clicks_that_nobody_hears_are_counted(shop: Shop) -> None:
    announcer: Announcer = shop.site.web._announcer
    announcer.dropped = 3
    assert shop.site.metric("gachi_link_clicks_dropped_total") == 3


# --- for people who put them elsewhere


async def test_hosts_get_links_for_every_place(shop: Shop) -> None:
    live = shop.site
    await live.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
    show = await live.ask("POST", "/api/v1/shows", json={"title": "빵", "channel": "main"}, status=201)
    sold = shop.bridge.put(product("7"))
    path = f"/api/v1/shows/{show['id']}/links/{sold.id}"
    found = await live.ask("GET", f"{path}?origin=partner-7", status=200)
    assert [item["origin"] for item in found["items"]] == [
        "page",
        "embed",
        "replay",
        "youtube",
        "qr",
        "partner-7",
    ]
    for item in found["items"]:
        assert item["url"].startswith(f"{live.url}/go/")
        status, response, _ = await shop.go(item["url"].removeprefix(live.url))
        assert status == 302
        told = parse_qs(urlsplit(response.headers["Location"]).query)
        assert (told["lc_ch"], told["lc_show"]) == ([item["origin"]], [show["id"]])
    assert len((await live.ask("GET", f"{path}?origin=qr", status=200))["items"]) == 5
    await live.ask("GET", f"{path}?origin=No", status=422)
    await live.ask("GET", f"/api/v1/shows/{show['id']}/links/nothing", status=404)
    await live.ask("GET", f"/api/v1/shows/nothing/links/{sold.id}", status=404)
    await live.ask("GET", path, token=None, status=401)

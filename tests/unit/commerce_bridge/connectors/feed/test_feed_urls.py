"""Feeds on a web server: what changed, sizes, redirects, pauses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from commerce_bridge.connectors.feed.options import read_options
from commerce_bridge.connectors.feed.shop import FeedShop
from commerce_bridge.model.errors import (
    ShopDownError,
    ShopLiedError,
    ShopRefusedError,
    ShopUnchangedError,
)
from commerce_bridge.model.product import Product

NOW = 1_780_000_000
HEAD = "id,title,link,price,sale_price,sale_price_effective_date\n"
ROW = "1,사과,http://a/1,1000,,\n"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class World:
    """A server whose answer a test sets, and the feed on it."""

    def __init__(self) -> None:
        self.clock = 1000.0
        self.asked: list[web.Request] = []
        self.answer: Answer = self.text
        self.body = HEAD + ROW
        self.headers: dict[str, str] = {}
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._handle)
        self.server = TestServer(app)
        self._shop: FeedShop | None = None

    async def open(self, **options: str) -> None:
        await self.close()
        url = str(self.server.make_url("/feed?token=secret"))
        self._shop = FeedShop(
            "s",
            read_options({"url": url, "timeout": "2", **options}),
            wall=lambda: NOW * 1_000_000,
            monotonic=lambda: self.clock,
        )

    async def close(self) -> None:
        if self._shop is not None:
            await self._shop.close()

    @property
    def shop(self) -> FeedShop:
        assert self._shop is not None
        return self._shop

    async def text(self, request: web.Request) -> web.StreamResponse:
        tag = self.headers.get("ETag", "")
        if tag and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=self.body.encode(), headers=self.headers)

    def status(self, status: int, **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.answer = answer

    async def read(self) -> list[Product]:
        return [product async for batch in self.shop.everything() for product in batch.products]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with made.server:
        await made.open()
        yield made
        await made.close()


async def test_an_unchanged_feed_is_one_answer_without_a_body(world: World) -> None:
    world.headers = {"ETag": '"1"', "Last-Modified": formatdate(NOW, usegmt=True)}
    assert len(await world.read()) == 1
    assert "If-None-Match" not in world.asked[0].headers
    for _ in range(2):
        with pytest.raises(ShopUnchangedError):
            await world.read()
    assert world.asked[-1].headers["If-None-Match"] == '"1"'
    assert world.asked[-1].headers["If-Modified-Since"] == formatdate(NOW, usegmt=True)
    world.headers, world.body = {"ETag": '"2"'}, HEAD + ROW + ROW.replace("1,", "2,", 1)
    assert len(await world.read()) == 2
    with pytest.raises(ShopUnchangedError):
        await world.read()
    assert len(world.asked) == 5


async def test_what_was_not_read_to_its_end_is_not_unchanged(world: World) -> None:
    world.headers = {"ETag": '"1"'}
    world.body = HEAD + "".join(f"{n},사과,http://a/{n},1000,,\n" for n in range(300))
    async for _ in world.shop.everything():
        break
    assert len(await world.read()) == 300
    with pytest.raises(ShopUnchangedError):
        await world.read()
    # A fault in between takes nothing away: what we have is still what the server names.
    answer, world.answer = world.answer, world.answer
    world.status(503)
    with pytest.raises(ShopDownError):
        await world.read()
    world.answer = answer
    with pytest.raises(ShopUnchangedError):
        await world.read()
    # Another feed that could not be used takes it away.
    world.headers, world.body = {"ETag": '"2"'}, "nonsense"
    with pytest.raises(ShopLiedError):
        await world.read()
    world.headers, world.body = {"ETag": '"1"'}, HEAD + ROW
    assert len(await world.read()) == 1


async def test_once_a_day_a_feed_is_read_all_the_same(world: World) -> None:
    world.headers = {"ETag": '"1"'}
    await world.read()
    world.clock += 24 * 3600
    with pytest.raises(ShopUnchangedError):
        await world.read()
    world.clock += 1
    assert len(await world.read()) == 1


async def test_prices_with_a_window_are_looked_at_again(world: World) -> None:
    world.headers = {"ETag": '"1"'}
    world.body = HEAD + "1,사과,http://a/1,1000,900,2026-01-01/2027-01-01\n"
    for _ in range(2):
        assert [product.price for product in await world.read()] == [900]


@pytest.mark.parametrize(
    ("status", "retry", "seconds"),
    [
        (429, "7", 7.0),
        (503, formatdate(NOW + 90, usegmt=True), 90.0),
        (503, formatdate(NOW - 90, usegmt=True), 0.0),
        (503, "soon", None),
        (429, "9" * 400, 86_400.0),
        (503, "-5", None),
        (500, "", None),
        (408, "", None),
    ],
)
async def test_a_pause_is_told(world: World, status: int, retry: str, seconds: float | None) -> None:
    world.status(status, Retry_After=retry)
    with pytest.raises(ShopDownError) as raised:
        await world.read()
    assert raised.value.retry_after == seconds
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_told(world: World, status: int) -> None:
    world.status(status)
    with pytest.raises(ShopRefusedError, match=str(status)):
        await world.read()


@pytest.mark.parametrize("status", [204, 206, 304])
async def test_what_comes_with_no_feed_is_a_lie(world: World, status: int) -> None:
    world.status(status)
    with pytest.raises(ShopLiedError, match=str(status)):
        await world.read()


async def test_redirects_lead_to_web_servers_alone(world: World) -> None:
    plain = world.answer

    async def once(request: web.Request) -> web.StreamResponse:
        if request.path == "/feed":
            raise web.HTTPFound("/other?token=secret")
        return await plain(request)

    world.answer = once
    assert len(await world.read()) == 1
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/_x", "//", "http://"):
        world.status(302, Location=place)
        with pytest.raises((ShopLiedError, ShopDownError)):
            await world.read()
    world.asked.clear()
    world.status(302, Location="/feed?token=secret")
    with pytest.raises(ShopLiedError) as raised:
        await world.read()
    assert len(world.asked) <= 6
    assert "secret" not in str(raised.value)


async def test_a_feed_has_a_size(world: World) -> None:
    await world.open(limit="2000")
    world.body = HEAD + ROW * 100
    with pytest.raises(ShopLiedError, match="2000"):
        await world.read()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            while True:
                await response.write(ROW.encode() * 1000)
        return response

    world.answer = endless
    with pytest.raises(ShopLiedError, match="more than 2000"):
        await world.read()


async def test_a_packed_feed_counts_unpacked(world: World) -> None:
    async def packed(_: web.Request) -> web.StreamResponse:
        response = web.Response(body=world.body.encode())
        response.enable_compression(web.ContentCoding.gzip)
        return response

    world.answer = packed
    assert len(await world.read()) == 1
    batches = [batch async for batch in world.shop.everything()]
    assert batches[-1].done == 1
    world.body = HEAD + " " * 5_000_000
    await world.open(limit="1000000")
    with pytest.raises(ShopLiedError, match="more than"):
        await world.read()


async def test_nobody_there(unused_tcp_port: int) -> None:
    shop = FeedShop("s", read_options({"url": f"http://127.0.0.1:{unused_tcp_port}/feed?token=secret"}))
    with pytest.raises(ShopDownError) as raised:
        await anext(shop.everything())
    assert "secret" not in str(raised.value)
    await shop.close()


async def test_one_byte_at_a_time_does_not_take_for_ever(world: World) -> None:
    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(HEAD.encode())
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            while True:
                world.clock += 100
                await response.write(b"x")
                await asyncio.sleep(0.001)
        return response

    world.answer = dripping
    with pytest.raises(ShopDownError, match="longer than"):
        await world.read()

"""What the client makes of a shop's answers: a server on loopback that says what it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from commerce_bridge.connectors.vendure.client import AdminApi
from commerce_bridge.connectors.vendure.options import read_options
from commerce_bridge.model.errors import ShopDownError, ShopLiedError, ShopRefusedError

Say = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
FORBIDDEN = {"errors": [{"message": "not authorized", "extensions": {"code": "FORBIDDEN"}}], "data": None}


class Shop:
    """Logs in whoever has the password; each log-in makes the sessions before it void."""

    def __init__(self) -> None:
        self.logins = 0
        self.questions: list[dict[str, str]] = []
        self.say: Say | None = None
        self.right = True
        """Whether who is logged in may read."""
        app = web.Application()
        app.router.add_post("/admin-api", self.answer)
        self.server = TestServer(app)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        told = await request.json()
        if "login(" in told["query"]:
            if told["variables"]["password"] != "right":
                return web.json_response({"data": {"login": {"__typename": "InvalidCredentialsError"}}})
            self.logins += 1
            headers = {"vendure-auth-token": f"session-{self.logins}"}
            return web.json_response({"data": {"login": {"__typename": "CurrentUser"}}}, headers=headers)
        self.questions.append(dict(request.headers))
        if self.say is not None:
            return await self.say(request, told)
        known = request.headers.get("Authorization") == f"Bearer session-{self.logins}"
        known = known or request.headers.get("vendure-api-key") == "key"
        return web.json_response({"data": {"x": 1}} if known and self.right else FORBIDDEN)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    running = Shop()
    async with running.server:
        yield running


@pytest.fixture
async def api(shop: Shop) -> AsyncIterator[AdminApi]:
    running = connect(shop, username="u", password="right")
    yield running
    await running.close()


def connect(shop: Shop, **options: str) -> AdminApi:
    url = str(shop.server.make_url("/admin-api"))
    return AdminApi(read_options({"url": url, "store": "https://shop.example/", "timeout": "2", **options}))


async def test_it_logs_in_once_for_all(shop: Shop, api: AdminApi) -> None:
    told = await asyncio.gather(*(api.ask("{ x }") for _ in range(8)))
    assert {answer.data["x"] for answer in told} == {1}
    assert all(answer.time for answer in told), "servers tell the time"
    assert shop.logins == 1


async def test_a_session_that_is_over_is_begun_again_once(shop: Shop, api: AdminApi) -> None:
    await api.ask("{ x }")
    shop.logins += 1  # the shop forgot ours
    await asyncio.gather(*(api.ask("{ x }") for _ in range(8)))
    assert shop.logins == 3
    shop.right = False
    with pytest.raises(ShopRefusedError, match="not read"):
        await api.ask("{ x }")
    assert shop.logins == 4


async def test_a_wrong_password_is_said_to_be_one(shop: Shop) -> None:
    api = connect(shop, username="u", password="wrong")
    with pytest.raises(ShopRefusedError, match="InvalidCredentialsError") as raised:
        await api.ask("{ x }")
    assert "wrong" not in str(raised.value)
    await api.close()


async def test_a_key_needs_no_login(shop: Shop) -> None:
    api = connect(shop, token="key", channel="market")
    await api.ask("{ x }")
    assert shop.logins == 0
    assert shop.questions[0]["vendure-token"] == "market"
    shop.right = False
    with pytest.raises(ShopRefusedError):
        await api.ask("{ x }")
    await api.close()


async def test_keys_may_come_later_in_a_file(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GACHI_DATA", str(tmp_path))
    file = tmp_path / "secrets.json"
    api = connect(shop, secrets="$GACHI_DATA/secrets.json")
    with pytest.raises(ShopDownError):
        await api.ask("{ x }")
    for text in ("{", "[]"):
        file.write_text(text)
        with pytest.raises(ShopRefusedError):
            await api.ask("{ x }")
    file.write_text(json.dumps({"username": "u", "password": "right", "webhook_secret": "w"}))
    await api.ask("{ x }")
    assert api.keys.webhook_secret == "w"
    await api.close()


@pytest.mark.parametrize(
    ("status", "wait", "seconds"),
    [(429, "7", 7), (503, "999999", 3600), (503, "soon", None), (502, "", None), (500, "-1", None)],
)
async def test_a_shop_that_cannot_now(
    shop: Shop, api: AdminApi, status: int, wait: str, seconds: float | None
) -> None:
    async def say(_request: web.Request, _told: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": wait} if wait else {})

    shop.say = say
    with pytest.raises(ShopDownError) as raised:
        await api.ask("{ x }")
    assert raised.value.retry_after == seconds


async def test_it_may_say_until_when(shop: Shop, api: AdminApi) -> None:
    async def say(_request: web.Request, _told: dict[str, Any]) -> web.StreamResponse:
        dates = {"Date": "Tue, 01 Dec 2026 03:00:00 GMT", "Retry-After": "Tue, 01 Dec 2026 03:00:20 GMT"}
        return web.Response(status=503, headers=dates)

    shop.say = say
    with pytest.raises(ShopDownError) as raised:
        await api.ask("{ x }")
    assert raised.value.retry_after == 20


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "<html>", ShopLiedError),
        (200, "[]", ShopLiedError),
        (200, "[" * 100_000, ShopLiedError),
        (200, "{}", ShopLiedError),
        (200, '{"data": null}', ShopLiedError),
        (200, '{"errors": "no"}', ShopLiedError),
        (400, '{"errors": [{"message": "Cannot query field"}]}', ShopLiedError),
        (
            200,
            '{"errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}',
            ShopDownError,
        ),
        (404, "", ShopRefusedError),
        (302, "", ShopRefusedError),
        (401, "", ShopRefusedError),
    ],
)
async def test_answers_that_are_none(
    shop: Shop, api: AdminApi, status: int, body: str, error: type[Exception]
) -> None:
    async def say(_request: web.Request, _told: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers={"Location": "/"} if status == 302 else {})

    shop.say = say
    with pytest.raises(error):
        await api.ask("{ x }")


async def test_an_answer_without_end_is_cut(
    shop: Shop, api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commerce_bridge.connectors.vendure.client.ANSWER_LIMIT", 1 << 20)

    async def say(request: web.Request, _told: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65536)
        except ConnectionError:
            return response

    shop.say = say
    with pytest.raises(ShopLiedError, match="bytes"):
        await api.ask("{ x }")


async def test_a_shop_that_is_not_there(shop: Shop, api: AdminApi) -> None:
    await shop.server.close()
    with pytest.raises(ShopDownError):
        await api.ask("{ x }")

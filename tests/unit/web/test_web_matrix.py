"""Every route, every role, both ways of saying who one is: made from the route table, so that a new route is in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.sites import ADMIN, Site, site
from web.api.routing import PREFIX, Route
from web.api.table import ROUTES
from web.auth.roles import Role
from web.settings import AuthSettings

V1 = "/api/v1"
PASSWORD = "matrix-password"
WIDE = AuthSettings(
    admin_token=SecretStr(ADMIN), token_rate=1e6, token_burst=1e6, address_rate=1e6, address_burst=1e6
)
CHANGES = [route for route in ROUTES if route.method not in {"GET", "HEAD"}]


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, auth=WIDE) as made:
        for role in Role:
            body = {"login": role, "role": role, "password": PASSWORD}
            await made.ask("POST", f"{V1}/users", json=body, status=201)
        yield made


async def bearer(live: Site, role: Role | None) -> dict[str, str]:
    if role is None:
        return {}
    made = await live.ask("POST", f"{V1}/tokens", json={"name": role, "role": role}, status=201)
    return {"Authorization": f"Bearer {made['token']}"}


async def cookie(live: Site, role: Role | None) -> dict[str, str]:
    if role is None:
        return {}
    live.client.cookie_jar.clear()
    body = {"login": role, "password": PASSWORD}
    async with live.client.post(f"{live.url}{V1}/session", json=body) as answer:
        assert answer.status == 201, await answer.text()
        text = answer.cookies["gachi_session"].value
    live.client.cookie_jar.clear()
    return {"Cookie": f"gachi_session={text}", "Sec-Fetch-Site": "same-origin"}


def concrete(route: Route) -> str:
    return PREFIX + re.sub(r"\{\w+\}", "none", route.path)


def wanted(route: Route, role: Role | None) -> int:
    """The refusal that is right; 0 for none."""
    if route.role is None or (role is not None and role.covers(route.role)):
        return 0
    return 401 if role is None else 403


@pytest.mark.parametrize("way", [bearer, cookie])
@pytest.mark.parametrize("role", [None, *Role])
async def test_each_route_wants_its_role(live: Site, role: Role | None, way: object) -> None:
    headers = await (bearer if way is bearer else cookie)(live, role)
    wrong = []
    for route in ROUTES:
        async with live.client.request(route.method, live.url + concrete(route), headers=headers) as answer:
            refused = answer.status if answer.status in {401, 403} else 0
            if refused != wanted(route, role) or answer.status >= 500:
                wrong.append((route.operation, answer.status))
        if route.operation in {"close_session", "open_session"}:
            headers = await (bearer if way is bearer else cookie)(live, role)
    assert wrong == []


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://other.127.0.0.1.example"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda each: "-".join(each.values()))
async def test_no_other_site_changes_anything_with_the_cookie(live: Site, foreign: dict[str, str]) -> None:
    jar = await cookie(live, Role.ADMIN)
    for route in CHANGES:
        url, headers = live.url + concrete(route), {"Cookie": jar["Cookie"], **foreign}
        async with live.client.request(route.method, url, headers=headers) as answer:
            assert answer.status == 403, route.operation
            assert (await answer.json(content_type=None))["type"] == "/problems/cross-site", route.operation
    key = await bearer(live, Role.ADMIN)
    for route in CHANGES:  # nobody else's page has a token to send
        url = live.url + concrete(route)
        async with live.client.request(route.method, url, headers={**key, **foreign}) as answer:
            assert answer.status not in {401, 403}, route.operation


async def test_our_own_pages_change_things_with_either_sign(live: Site) -> None:
    jar = await cookie(live, Role.HOST)
    show = {"title": "t", "channel": "main"}
    await live.ask("POST", f"{V1}/channels", json={"id": "main"}, status=201)
    for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": live.url}, {}):
        headers = {"Cookie": jar["Cookie"], **own}
        await live.ask("POST", f"{V1}/shows", token=None, json=show, headers=headers, status=201)

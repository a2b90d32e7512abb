from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from commerce_bridge.contracts.products import BadRowView
from commerce_bridge.model.picture import picture_path
from tests.support.bridge_owner import SEEN, SIGNED
from tests.support.goods import product
from tests.support.sites import ADMIN, Site, site
from web.settings import AuthSettings

V1 = "/api/v1"


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    auth = AuthSettings(admin_token=SecretStr(ADMIN), failure_rate=0.01, failure_burst=3)
    async with site(tmp_path, auth=auth) as made:
        made.owners.bridge.connect("mall")
        made.owners.bridge.connect("farm")
        made.owners.bridge.sell(
            product(1, "청송 사과"),
            product(2, "수건", image="", stock=None),
            product(3, "사과즙", shop="farm"),
        )
        yield made


async def test_everybody_finds_products(live: Site) -> None:
    page = await live.ask("GET", f"{V1}/products?text=ㅅㄱ", token=None, status=200)
    assert [item["title"] for item in page["items"]] == ["사과즙", "수건", "청송 사과"]
    assert page["next"] is None
    first = await live.ask("GET", f"{V1}/products?limit=2", token=None, status=200)
    rest = await live.ask("GET", f"{V1}/products?limit=2&cursor={first['next']}", token=None, status=200)
    assert [item["title"] for item in (*first["items"], *rest["items"])] == ["사과즙", "수건", "청송 사과"]
    farm = await live.ask("GET", f"{V1}/products?text=사과&shop=farm", token=None, status=200)
    assert [item["shop"] for item in farm["items"]] == ["farm"]
    wrong = await live.ask("GET", f"{V1}/products?cursor=x", status=422)
    assert wrong["field"] == "cursor"
    await live.ask("GET", f"{V1}/products?limit=101", status=422)


async def test_a_product_says_what_a_card_needs(live: Site) -> None:
    made = product(1, "청송 사과")
    got = await live.ask("GET", f"{V1}/products/{made.id}", token=None, status=200)
    assert (got["price"], got["list_price"], got["saleable"]) == (10_000, 20_000, 10)
    assert got["flags"] == ["free_shipping", "onnuri"]
    assert got["legal"]["seller"] == "청송농원"
    assert got["seen"] == "2025-11-30T19:30:00.250000Z"
    assert got["picture"] == picture_path(made.id, made.image)
    assert got["picture"].startswith(f"/pictures/{made.id}/")
    assert "image" not in got
    bare = await live.ask("GET", f"{V1}/products/{product(2).id}", token=None, status=200)
    assert (bare["picture"], bare["saleable"], bare["missing"]) == (None, None, [])
    await live.ask("GET", f"{V1}/products/none", token=None, status=404)


def test_a_picture_has_another_path_with_another_address() -> None:
    paths = {picture_path("p", image) for image in ("https://a.example/1", "https://a.example/2")}
    assert len(paths) == 2
    assert all(path and path.startswith("/pictures/p/") and len(path) == 12 + 15 + 1 for path in paths)


async def test_staff_see_shops_and_read_them_anew(live: Site) -> None:
    shops = (await live.ask("GET", f"{V1}/shops", status=200))["items"]
    assert [shop["id"] for shop in shops] == ["farm", "mall"]
    assert (shops[0]["sync"]["started"], shops[0]["sync"]["done"]) == (None, None)
    view = live.owners.bridge.shops["mall"]
    bad = BadRowView(row=7, field="price", reason="it is 0", key="p7")
    live.owners.bridge.shops["mall"] = view.model_copy(
        update={
            "sync": view.sync.model_copy(update={"ended": SEEN, "bad": 1, "bad_rows": [bad], "done": 1.0})
        }
    )
    (_, mall) = (await live.ask("GET", f"{V1}/shops", status=200))["items"]
    assert mall["sync"]["bad_rows"] == [{"row": 7, "field": "price", "reason": "it is 0", "key": "p7"}]
    began = await live.ask("POST", f"{V1}/shops/mall/sync", status=200)
    assert began["sync"]["running"]
    await live.ask("POST", f"{V1}/shops/none/sync", status=404)
    host = await live.ask("POST", f"{V1}/tokens", json={"name": "host", "role": "host"}, status=201)
    await live.ask("GET", f"{V1}/shops", token=host["token"], status=403)
    await live.ask("POST", f"{V1}/shops/mall/sync", token=host["token"], status=403)
    await live.ask("GET", f"{V1}/shops", token=None, status=401)


async def hook(live: Site, body: bytes, *, shop: str = "mall", signed: str = SIGNED) -> int:
    headers = {"X-Signature": signed, "Cookie": "secret=1"}
    async with live.client.post(f"{live.url}/hooks/{shop}", data=body, headers=headers) as answer:
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status


async def test_a_webhook_is_handed_on_as_it_came(live: Site) -> None:
    body = bytes(range(256)) * 512
    assert await hook(live, body) == 202
    assert live.owners.bridge.heard == [("mall", body)]
    assert "cookie" not in live.owners.bridge.headers
    assert live.owners.bridge.headers["content-type"] == "application/octet-stream"
    assert await hook(live, body) == 202
    assert len(live.owners.bridge.heard) == 1
    assert await hook(live, b"") == 202
    assert await hook(live, b"x", shop="none") == 404
    assert live.metric("gachi_api_requests_total", operation="hooks.hear", status="202") == 3
    async with live.client.get(f"{live.url}/hooks/mall") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_webhook_of_any_length_is_bounded(live: Site) -> None:
    assert await hook(live, b"x" * (256 << 10)) == 202
    assert await hook(live, b"x" * ((256 << 10) + 1)) == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 8192
            await asyncio.sleep(0)

    headers = {"X-Signature": SIGNED}
    async with live.client.post(f"{live.url}/hooks/mall", data=endless(), headers=headers) as answer:
        assert answer.status == 413
    assert len(live.owners.bridge.heard) == 1


async def test_who_forges_is_refused_and_soon_not_heard_at_all(live: Site) -> None:
    statuses = [await hook(live, b"{}", signed="bad") for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert live.owners.bridge.heard == []

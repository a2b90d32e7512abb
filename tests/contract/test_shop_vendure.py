"""The contract of shops (tests/contract/test_shop.py) on a real Vendure, with a proxy before it that has the faults."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from commerce_bridge.connectors.vendure import pages, webhooks
from commerce_bridge.connectors.vendure.options import read_options
from commerce_bridge.connectors.vendure.shop import VendureShop
from commerce_bridge.ports import Capability, Shop
from tests.contract.test_shop import TestShop as Contract
from tests.support.shops import GARBAGE, STATUSES, Fault, Item, Lie, ShopUnderTest, break_off
from tests.support.vendure import NOTHING, DemoShop

pytestmark = pytest.mark.peer


class VendureUnderTest:
    """See `ShopUnderTest`."""

    capabilities = frozenset(Capability)
    faults = frozenset(Fault)
    lies = frozenset({Lie.FREE, Lie.MARKUP})
    """Vendure lets nobody set a stock below 0, and takes no description of 10 MB."""
    many = 9
    """Three pieces of four (see `small_pieces`)."""

    def __init__(self, demo: DemoShop) -> None:
        self._demo = demo
        self._admin = demo.admin()
        self._tax = demo.ask(self._admin, "{ taxCategories { items { id } } }")["taxCategories"]["items"][0][
            "id"
        ]
        self._ids: dict[str, tuple[str, str]] = {}
        """Of product and variant, by the test's name."""
        self._fault: Fault | None = None
        self._calm = asyncio.Event()
        self._calm.set()
        app = web.Application()
        app.router.add_post("/admin-api", self._pass_on)
        self.proxy = TestServer(app)
        self.shop: Shop
        self._vendure: VendureShop

    def open(self) -> None:
        options = self._demo.options(url=str(self.proxy.make_url("/admin-api")), timeout="30")
        self.shop = self._vendure = VendureShop("s", read_options(options))

    async def put(self, *items: Item) -> list[str]:
        new = [item for item in items if item.key not in self._ids]
        if new:
            await self._create(new)
        if known := [item for item in items if item not in new]:
            await self._update(known)
        return [self._ids[item.key][0] for item in items]

    async def delete(self, key: str) -> None:
        await self._ask("mutation ($id: ID!) { deleteProduct(id: $id) { result } }", id=self._ids.pop(key)[0])

    async def fault(self, kind: Fault | None) -> None:
        self._fault = kind
        # A real shop on a busy machine may take seconds: it is given up early only where it shall not answer.
        api = self._vendure._api
        api._options = api._options.model_copy(update={"timeout": 0.5 if kind is Fault.SLOW else 30.0})
        if kind is Fault.SLOW:
            self._calm.clear()
        else:
            self._calm.set()

    def webhook(self, key: str, *, now: int) -> tuple[dict[str, str], bytes]:
        event, timestamp = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{key} {now}")), str(now // 1_000_000)
        body = json.dumps({"id": event, "type": "ProductEvent", "products": [key]}).encode()
        signature = webhooks.sign(self._demo.keys["webhook_secret"], timestamp, body)
        return {webhooks.TIMESTAMP: timestamp, webhooks.EVENT: event, webhooks.SIGNATURE: signature}, body

    async def clear(self) -> None:
        """Sell nothing any more."""
        told = await self._ask("{ products { items { id } } }")
        ids = [each["id"] for each in told["products"]["items"]]
        await self._ask("mutation ($ids: [ID!]!) { deleteProducts(ids: $ids) { result } }", ids=ids)

    async def _create(self, items: list[Item]) -> None:
        made = " ".join(f"p{n}: createProduct(input: $p{n}) {{ id }}" for n in range(len(items)))
        types = ", ".join(f"$p{n}: CreateProductInput!" for n in range(len(items)))
        told = await self._ask(
            f"mutation ({types}) {{ {made} }}",
            **{f"p{n}": {"translations": [_translation(item)]} for n, item in enumerate(items)},
        )
        variants = [
            {
                "productId": told[f"p{n}"]["id"],
                "sku": item.key,
                "taxCategoryId": self._tax,
                "trackInventory": "TRUE",
                "translations": [{"languageCode": "ko", "name": "하나"}],
                **_numbers(item),
            }
            for n, item in enumerate(items)
        ]
        told = await self._ask(
            "mutation ($of: [CreateProductVariantInput!]!) { made: createProductVariants(input: $of) { id productId } }",
            of=variants,
        )
        for item, variant in zip(items, told["made"], strict=True):
            self._ids[item.key] = variant["productId"], variant["id"]

    async def _update(self, items: list[Item]) -> None:
        await self._ask(
            "mutation ($p: [UpdateProductInput!]!, $v: [UpdateProductVariantInput!]!)"
            "{ updateProducts(input: $p) { id } updateProductVariants(input: $v) { id } }",
            p=[{"id": self._ids[item.key][0], "translations": [_translation(item)]} for item in items],
            v=[{"id": self._ids[item.key][1], **_numbers(item)} for item in items],
        )

    async def _ask(self, query: str, **variables: Any) -> Any:
        return await asyncio.to_thread(self._demo.ask, self._admin, query, variables)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        await self._calm.wait()
        if self._fault in STATUSES:
            return web.Response(status=STATUSES[self._fault], headers={"Retry-After": "7"})
        if self._fault is Fault.GARBAGE:
            return web.Response(body=GARBAGE)
        kept = {
            name: request.headers[name]
            for name in ("Content-Type", "Authorization")
            if name in request.headers
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self._demo.api}/admin-api", data=await request.read(), headers=kept) as answer,
        ):
            body = await answer.read()
            if self._fault is Fault.BROKEN_OFF:
                return await break_off(request, body)
            told = {
                name: answer.headers[name]
                for name in ("Date", "vendure-auth-token")
                if name in answer.headers
            }
            return web.Response(status=answer.status, body=body, headers=told)


def _translation(item: Item) -> dict[str, str]:
    # The test's name is made the slug: it stands for the page's address.
    return {
        "languageCode": "ko",
        "name": item.title,
        "slug": f"i-{item.key}",
        "description": item.description,
    }


def _numbers(item: Item) -> dict[str, Any]:
    return {"price": item.price, "stockOnHand": item.stock, "customFields": {"listPrice": item.list_price}}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoShop]:
    with DemoShop(tmp_path_factory.mktemp("vendure"), seed=NOTHING) as running:
        yield running


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few products are several pieces."""
    monkeypatch.setattr(pages, "PAGE", 4)


class TestVendure(Contract):
    @pytest.fixture
    async def under(self, demo: DemoShop) -> AsyncIterator[ShopUnderTest]:
        running = VendureUnderTest(demo)
        await running.clear()
        async with running.proxy:
            running.open()
            try:
                yield running
            finally:
                await running.fault(None)
                await running.shop.close()


del Contract  # or it would be collected here once more

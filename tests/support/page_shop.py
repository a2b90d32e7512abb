"""The toy REST shop that docs/connectors.md writes a connector for: a server that tells, hints and misbehaves as it is told to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

from aiohttp import web
from aiohttp.test_utils import TestServer

from commerce_bridge.ports import Capability, Shop
from tests.support.shops import GARBAGE, STATUSES, Fault, Item, Lie, ShopUnderTest, break_off

PAGE = Path(__file__).resolve().parents[2] / "docs/connectors.md"
SECRET = "toy-secret"
PAGE_SIZE = 100


def code() -> str:
    """The connector as it stands in the page."""
    (found,) = re.findall(
        r"^```python\n(.*?\ndef open_shop\(.*?)^```$",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return str(found)


def connector() -> ModuleType:
    """The page's connector as a module."""
    module = ModuleType("connector_of_the_page")
    exec(compile(code(), str(PAGE), "exec"), vars(module))
    return module


class ToyShop:
    """`ShopUnderTest` over the page's connector."""

    capabilities = frozenset(Capability)
    faults = frozenset(Fault)
    lies = frozenset(Lie)
    many = 450

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._changes: list[str] = []
        """Keys, each as often as it changed: a cursor is a place in this list."""
        self._fault: Fault | None = None
        self._calm = asyncio.Event()
        app = web.Application()
        app.router.add_get("/products", self._list)
        app.router.add_get("/products/{key}", self._one)
        app.router.add_get("/changes", self._changed)
        self.server = TestServer(app)
        self.shop: Shop

    def open(self) -> None:
        module = connector()
        module.TIMEOUT = 0.5  # type: ignore[attr-defined]  # of the page
        self.shop = module.open_shop("s", {"url": str(self.server.make_url("/")), "secret": SECRET})

    async def put(self, *items: Item) -> list[str]:
        self._items |= {item.key: item for item in items}
        self._changes += [item.key for item in items]
        return [item.key for item in items]

    async def delete(self, key: str) -> None:
        del self._items[key]
        self._changes.append(key)

    async def fault(self, kind: Fault | None) -> None:
        self._fault = kind
        if kind is Fault.SLOW:
            self._calm.clear()
        else:
            self._calm.set()

    def webhook(self, key: str, *, now: int) -> tuple[dict[str, str], bytes]:
        body = json.dumps({"event": f"e{now}", "product": key, "time": now // 1_000_000}).encode()
        return {"x-toy-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}, body

    async def _list(self, request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after", "0"))
        items = list(self._items.values())
        page = items[after : after + PAGE_SIZE]
        more = after + PAGE_SIZE < len(items)
        following = str(after + PAGE_SIZE) if more else None
        return await self._answer(request, {"products": [_told(item) for item in page], "next": following})

    async def _one(self, request: web.Request) -> web.StreamResponse:
        item = self._items.get(request.match_info["key"])
        if item is None and self._fault is None:
            return web.Response(status=404)
        return await self._answer(request, _told(item) if item else {})

    async def _changed(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query.get("since") or len(self._changes))
        keys = sorted(set(self._changes[since:]))
        return await self._answer(request, {"keys": keys, "cursor": str(len(self._changes))})

    async def _answer(self, request: web.Request, told: dict[str, object]) -> web.StreamResponse:
        await self._calm.wait()
        whole = json.dumps(told).encode()
        if self._fault in STATUSES:
            return web.Response(status=STATUSES[self._fault], headers={"Retry-After": "7"})
        if self._fault is Fault.GARBAGE:
            return web.Response(body=GARBAGE)
        if self._fault is Fault.BROKEN_OFF:
            return await break_off(request, whole)
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.Response(status=401)
        return web.Response(body=whole)


def _told(item: Item) -> dict[str, object]:
    return {
        "id": item.key,
        "name": item.title,
        "text": item.description,
        "won": item.price,
        "left": item.stock,
        "page": item.url,
    }


@asynccontextmanager
async def toy_shop() -> AsyncIterator[ShopUnderTest]:
    under = ToyShop()
    await under.fault(None)
    async with under.server:
        under.open()
        try:
            yield under
        finally:
            await under.fault(None)
            await under.shop.close()

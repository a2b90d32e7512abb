"""Running shops for the contract suite of connectors (tests/contract/test_shop.py), each with its connector.

To add a kind of shop: write a class that does what `ShopUnderTest` says, a factory that starts it (an async context manager that
takes a folder), and a line in `FACTORIES`. The suite asks of a shop only what it says it can do: `capabilities` (of its
connector), `faults` and `lies` (of the shop itself, as far as a test can bring it to that).

    async with FACTORIES["csv file"](tmp_path) as under:
        (key,) = await under.put(Item("1", "사과", 12900))
        async for batch in under.shop.everything(): ...
        await under.fault(Fault.DOWN)
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

from aiohttp import web
from aiohttp.test_utils import TestServer

from commerce_bridge.connectors.feed import open_shop
from commerce_bridge.ports import Capability, Shop


@dataclass(frozen=True, slots=True)
class Item:
    """A product of one variant, as the shop is to claim it. Nothing here need be true."""

    key: str
    """The test's name for it; the shop may have another."""
    title: str
    price: int
    stock: int = 10
    list_price: int = 0
    """0: not reduced. Shops that know no list price may leave it out."""
    description: str = ""

    @property
    def url(self) -> str:
        return f"https://shop.example/products/{self.key}"


class Fault(StrEnum):
    """What a shop as a whole can have."""

    DOWN = "down"
    """It cannot be reached, or says that it cannot now."""
    BUSY = "busy"
    """It asks for a pause of 7 seconds (429)."""
    REFUSED = "refused"
    """It does not let us in."""
    SLOW = "slow"
    """It is there, but answers nothing within its connector's time-out."""
    GARBAGE = "garbage"
    """What it answers means nothing."""
    BROKEN_OFF = "broken off"
    """Its catalog ends in the middle. With at least two products in it."""


class Lie(StrEnum):
    """An `Item` that a shop can be brought to claim though it cannot be."""

    FREE = "free"
    """A price of 0."""
    OVERSOLD = "oversold"
    """A stock below 0."""
    HUGE = "huge"
    """A description of 10 MB."""
    MARKUP = "markup"
    """A script in its name."""


class ShopUnderTest(Protocol):
    """A shop that runs, with nothing for sale at first. Its connector's time-outs are a second at most."""

    shop: Shop
    capabilities: frozenset[Capability]
    """What its connector is to declare once a catalog with a product was told."""
    faults: frozenset[Fault]
    lies: frozenset[Lie]
    many: int
    """Products that can be put within a second or two; more than one batch where that is possible."""

    async def put(self, *items: Item) -> list[str]:
        """Offer them, or offer those with a known `key` otherwise than before. Returns the shop's own ids."""
        ...

    async def delete(self, key: str) -> None:
        """No longer offer the item with this `Item.key`."""
        ...

    async def fault(self, kind: Fault | None) -> None:
        """Have it, until another one or None is set."""
        ...

    def webhook(self, key: str, *, now: int) -> tuple[dict[str, str], bytes]:
        """What the shop sends when the product of this id (its own) has changed: headers and body. With `WEBHOOKS` alone."""
        ...


Factory = Callable[[Path], AbstractAsyncContextManager[ShopUnderTest]]
Render = Callable[[Iterable[Item]], bytes]
"""A catalog → a feed."""
STATUSES = {Fault.DOWN: 503, Fault.BUSY: 429, Fault.REFUSED: 403}
"""What a web server answers, with a Retry-After of 7 seconds."""
GARBAGE = bytes(range(255, 0, -1)) * 40


async def break_off(request: web.Request, whole: bytes) -> web.StreamResponse:
    """Half of an answer, and no more."""
    response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


def as_csv(items: Iterable[Item]) -> bytes:
    """As a Korean Excel writes it; signs that CP949 has not are lost."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["상품번호", "상품명", "판매가", "정가", "재고", "링크", "상품설명"])
    for each in items:
        price, before = f"{each.price:,}원", f"{each.list_price:,}" if each.list_price else ""
        writer.writerow([each.key, each.title, price, before, each.stock, each.url, each.description])
    return text.getvalue().encode("cp949", "ignore")


def as_json(items: Iterable[Item]) -> bytes:
    """An array of objects."""
    told = [
        {
            "id": each.key,
            "title": each.title,
            "price": each.price,
            "list_price": each.list_price or None,
            "quantity": each.stock,
            "link": each.url,
            "description": each.description,
        }
        for each in items
    ]
    return json.dumps(told, ensure_ascii=False, indent=1).encode()


def as_xml(items: Iterable[Item]) -> bytes:
    """Google's product feed as RSS 2.0."""
    told = "".join(
        f"<item><g:id>{escape(each.key)}</g:id><title>{escape(each.title)}</title><link>{escape(each.url)}</link>"
        f"<description>{escape(each.description)}</description><g:quantity>{each.stock}</g:quantity>"
        + (
            f"<g:price>{each.list_price}.00 KRW</g:price><g:sale_price>{each.price}.00 KRW</g:sale_price>"
            if each.list_price
            else f"<g:price>{each.price} KRW</g:price>"
        )
        + "</item>\n"
        for each in items
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">'
        f"<channel><title>가게</title>\n{told}</channel></rss>"
    ).encode()


class _Feed:
    """What feeds have in common: a catalog in memory, written as a whole."""

    capabilities = frozenset({Capability.STOCK})
    lies = frozenset(Lie)
    many = 450

    def __init__(self, render: Render) -> None:
        self._render = render
        self._items: dict[str, Item] = {}
        self._fault: Fault | None = None

    async def put(self, *items: Item) -> list[str]:
        self._items |= {item.key: item for item in items}
        await self._write()
        return [item.key for item in items]

    async def delete(self, key: str) -> None:
        del self._items[key]
        await self._write()

    async def fault(self, kind: Fault | None) -> None:
        self._fault = kind
        await self._write()

    def webhook(self, key: str, *, now: int) -> tuple[dict[str, str], bytes]:
        raise NotImplementedError("a feed sends none")

    def _bytes(self) -> bytes:
        whole = self._render(self._items.values())
        if self._fault is Fault.GARBAGE:
            return GARBAGE
        # Within the last product, whatever it is written in.
        return whole[: -len(whole) // len(self._items) // 2] if self._fault is Fault.BROKEN_OFF else whole

    async def _write(self) -> None:
        raise NotImplementedError


class FileFeed(_Feed):
    """A feed in a file below a folder."""

    faults = frozenset({Fault.DOWN, Fault.REFUSED, Fault.GARBAGE, Fault.BROKEN_OFF})

    def __init__(self, render: Render, folder: Path) -> None:
        super().__init__(render)
        self._file = folder / "feeds" / "catalog"
        self._file.parent.mkdir()
        self._outside = folder / "outside"
        self._outside.write_bytes(b"id,title,link,price\n")
        self.shop = open_shop("s", {"folder": str(self._file.parent), "path": self._file.name})

    async def _write(self) -> None:
        self._file.unlink(missing_ok=True)
        if self._fault is Fault.REFUSED:
            self._file.symlink_to(self._outside)
        elif self._fault is not Fault.DOWN:
            self._file.write_bytes(self._bytes())


class UrlFeed(_Feed):
    """A feed on a web server that knows what changed (ETag)."""

    faults = frozenset(Fault)

    def __init__(self, render: Render) -> None:
        super().__init__(render)
        self._told = self._bytes()
        self._calm = asyncio.Event()
        """Set while it is not slow."""
        self._calm.set()
        app = web.Application()
        app.router.add_get("/feed", self._answer)
        self.server = TestServer(app)
        self.shop: Shop
        self.statuses: list[int] = []

    def open(self, options: Mapping[str, str]) -> Shop:
        self.shop = open_shop(
            "s", {"url": str(self.server.make_url("/feed?key=secret")), "timeout": "0.5", **options}
        )
        return self.shop

    async def _write(self) -> None:
        self._told = self._bytes()
        if self._fault is Fault.SLOW:
            self._calm.clear()
        else:
            self._calm.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._made(request)
        self.statuses.append(response.status)
        return response

    async def _made(self, request: web.Request) -> web.StreamResponse:
        await self._calm.wait()
        if self._fault in STATUSES:
            return web.Response(status=STATUSES[self._fault], headers={"Retry-After": "7"})
        if self._fault is Fault.BROKEN_OFF:
            return await break_off(request, self._render(self._items.values()))
        tag = f'"{sha256(self._told).hexdigest()}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=self._told, headers={"ETag": tag})


@asynccontextmanager
async def csv_file(folder: Path) -> AsyncIterator[ShopUnderTest]:
    under = FileFeed(as_csv, folder)
    await under.fault(None)
    yield under
    await under.shop.close()


@asynccontextmanager
async def google_xml(folder: Path) -> AsyncIterator[ShopUnderTest]:
    under = FileFeed(as_xml, folder)
    await under.fault(None)
    yield under
    await under.shop.close()


@asynccontextmanager
async def url_feed(render: Render, **options: str) -> AsyncIterator[UrlFeed]:
    under = UrlFeed(render)
    async with under.server:
        under.open(options)
        try:
            yield under
        finally:
            await under.fault(None)
            await under.shop.close()


@asynccontextmanager
async def json_url(folder: Path) -> AsyncIterator[ShopUnderTest]:
    async with url_feed(as_json) as under:
        yield under


FACTORIES: dict[str, Factory] = {"csv file": csv_file, "json url": json_url, "google xml": google_xml}

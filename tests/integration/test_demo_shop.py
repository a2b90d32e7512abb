"""The demo's shop as it is sold in: its catalog by our connector, orders of guests, and what it tells of them."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from commerce_bridge.connectors.vendure import open_shop
from commerce_bridge.demoshop.seed import read_seed
from commerce_bridge.model.product import Flag, Product
from commerce_bridge.ports import Shop
from tests.support.product import free_ports
from tests.support.vendure import DemoShop

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]
DEADLINE = 60.0
SEED = read_seed()
RESULT = (
    "__typename ... on ErrorResult { errorCode } ... on Order { code state totalWithTax lines { quantity } }"
)
ADDRESS = '{ fullName: "김가치", streetLine1: "시연로 1", countryCode: "KR" }'
SHIPPING = 3000
SOLD_BEFORE = "moon-jar"


@pytest.fixture(scope="module")
def hook() -> int:
    """The port on which somebody may listen to webhooks."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, hook: int) -> Iterator[DemoShop]:
    """A shop that has sold one of `SOLD_BEFORE`, and was started anew since."""
    shop = DemoShop(tmp_path_factory.mktemp("shop"), webhook_url=f"http://127.0.0.1:{hook}/hook")
    with shop:
        buyer = Buyer(shop)
        slug = f'{{ product(slug: "{SOLD_BEFORE}") {{ variants {{ id }} }} }}'
        (variant,) = shop.ask(buyer.session, slug)["product"]["variants"]
        assert buyer.buy(variant["id"]) == ""
    with shop:
        yield shop


@pytest.fixture
async def shop(demo: DemoShop) -> AsyncIterator[Shop]:
    opened = open_shop("demo", demo.options())
    yield opened
    await opened.close()


async def catalog(shop: Shop) -> dict[str, Product]:
    """By slug, which is the end of its address."""
    told: dict[str, Product] = {}
    async with asyncio.timeout(DEADLINE):
        async for batch in shop.everything():
            assert not batch.bad
            told |= {product.url.rpartition("/")[2]: product for product in batch.products}
    return told


class Buyer:
    """A guest; each step gives the answer's `errorCode`, empty where it went well."""

    def __init__(self, demo: DemoShop) -> None:
        self.demo = demo
        self.session = demo.buyer()
        self.last: dict[str, Any] = {}

    def step(self, mutation: str) -> str:
        self.last = self.demo.ask(self.session, f"mutation {{ it: {mutation} {{ {RESULT} }} }}")["it"]
        return str(self.last.get("errorCode", ""))

    def put(self, variant: str, count: int = 1) -> str:
        return self.step(f'addItemToOrder(productVariantId: "{variant}", quantity: {count})')

    def to_the_till(self, click: str = "") -> str:
        """Say where it goes, and by whom one was led here."""
        guest = f'firstName: "김가치", lastName: "", emailAddress: "{time.monotonic_ns()}@guest.invalid"'
        return (
            (
                self.step(f'setOrderCustomFields(input: {{ customFields: {{ lcClick: "{click}" }} }})')
                if click
                else ""
            )
            or self.step(f"setCustomerForOrder(input: {{ {guest} }})")
            or self.step(f"setOrderShippingAddress(input: {ADDRESS})")
            or self.step('setOrderShippingMethod(shippingMethodId: ["1"])')
            or self.step('transitionOrderToState(state: "ArrangingPayment")')
        )

    def pay(self) -> str:
        return self.step('addPaymentToOrder(input: { method: "demo-pay", metadata: {} })')

    def buy(self, variant: str, count: int = 1, click: str = "") -> str:
        """All of it."""
        return self.put(variant, count) or self.to_the_till(click) or self.pay()


@dataclass
class Heard:
    """Webhooks that came, as they came."""

    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: bytes | None = None
    """The first with this in it is refused."""

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.came.append((headers, body))
        if self.refused is not None and self.refused in body:
            self.refused = None
            return web.Response(status=503)
        return web.Response()


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Heard]:
    heard = Heard()
    app = web.Application()
    app.router.add_post("/hook", heard.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield heard
    finally:
        await runner.cleanup()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to this"
        await asyncio.sleep(0.02)


async def test_the_catalog_is_the_seed(demo: DemoShop, shop: Shop) -> None:
    told = await catalog(shop)
    sellers = {seller.id: seller for seller in SEED.sellers}
    assert told.keys() == {product.slug for product in SEED.products}
    for product in SEED.products:
        got = told[product.slug]
        assert (got.title, got.description, got.category) == (
            product.title,
            product.description,
            product.category,
        )
        assert got.flags == product.flags <= {Flag.ONNURI, Flag.NAVER_PAY}
        assert got.legal.business_number == sellers[product.seller].business_number
        assert not got.legal.missing
        assert [(each.sku, each.title, each.price, each.list_price) for each in got.variants] == [
            (each.sku, each.title, each.price, each.list_price) for each in product.variants
        ]
        assert got.image.endswith(f"/store/pictures/{product.slug}.svg")


async def test_an_order_shows_in_stock_though_not_in_the_time_of_change(
    demo: DemoShop, shop: Shop, hook: int
) -> None:
    """Allocation leaves a variant's `updatedAt` as it was: webhooks and a fresh look tell of it."""
    before = (await catalog(shop))["rice-10"]
    (variant,) = before.variants
    async with listening(hook) as heard:
        buyer = Buyer(demo)
        assert await asyncio.to_thread(buyer.buy, variant.key, 2, "click-1") == ""
        assert buyer.last["state"] == "PaymentSettled"
        assert buyer.last["totalWithTax"] == 2 * variant.price + SHIPPING
        await until(lambda: any(b"StockMovementEvent" in body for _, body in heard.came))
        await until(
            lambda: any(b'"PaymentSettled"' in body and b'"click-1"' in body for _, body in heard.came)
        )
        now = time.time_ns() // 1000
        for headers, body in heard.came:
            hint = shop.hint(headers, body, now=now)
            assert hint.products == (before.key,) or b"click-1" not in body
        assert not any(b"guest.invalid" in body or "김가치".encode() in body for _, body in heard.came), (
            "no personal data"
        )
    after = (await shop.products([before.key]))[before.key]
    assert after is not None
    assert before.saleable is not None
    assert after.saleable == before.saleable - 2
    assert after.updated == before.updated


async def test_a_webhook_that_nobody_takes_is_sent_again(demo: DemoShop, shop: Shop, hook: int) -> None:
    key = (await catalog(shop))["green-tea"].key
    async with listening(hook) as heard:
        about = heard.refused = f'"products":["{key}"]'.encode()
        rename = f'mutation {{ updateProduct(input: {{ id: "{key}", enabled: true }}) {{ id }} }}'
        await asyncio.to_thread(lambda: demo.ask(demo.admin(), rename))
        await until(lambda: sum(about in body for _, body in heard.came) >= 2)
        now = time.time_ns() // 1000
        first, second = (shop.hint(*each, now=now) for each in heard.came if about in each[1])
        assert first == second


async def test_who_asks_for_too_many_gets_what_is_there_in_the_cart(demo: DemoShop, shop: Shop) -> None:
    (variant,) = (await catalog(shop))["black-tea"].variants
    assert variant.stock.saleable == 1
    buyer = Buyer(demo)
    assert await asyncio.to_thread(buyer.put, variant.key, 3) == "INSUFFICIENT_STOCK_ERROR"
    told = await asyncio.to_thread(demo.ask, buyer.session, "{ activeOrder { lines { quantity } } }")
    assert told["activeOrder"]["lines"] == [{"quantity": 1}]


async def test_the_last_pieces_are_sold_once(demo: DemoShop, shop: Shop) -> None:
    """Vendure looks at stock when an order goes to the till, and allocates when it is paid: all who are there by then would get one."""
    product = (await catalog(shop))["seaweed"]
    last = next(each for each in product.variants if each.sku == "SW-1000")
    assert last.stock.saleable == 3
    buyers = [Buyer(demo) for _ in range(6)]

    def all_pay() -> list[str]:
        with ThreadPoolExecutor(len(buyers)) as at_once:
            assert not any(at_once.map(lambda buyer: buyer.put(last.key) or buyer.to_the_till(), buyers))
            return sorted(at_once.map(Buyer.pay, buyers))

    assert await asyncio.to_thread(all_pay) == ["", "", "", *["PAYMENT_DECLINED_ERROR"] * 3]
    now = (await shop.products([product.key]))[product.key]
    assert now is not None
    assert [each.stock.saleable for each in now.variants if each.key == last.key] == [0]


async def test_changes_of_price_are_told_by_the_cursor(demo: DemoShop, shop: Shop) -> None:
    product = (await catalog(shop))["tea-candy"]
    (variant,) = product.variants
    change = "mutation ($price: Money!, $id: ID!) { updateProductVariants(input: [{ id: $id, price: $price }]) { id } }"
    for price in (17_000, variant.price):
        cursor = [batch.cursor async for batch in shop.changes("")][-1]
        await asyncio.to_thread(demo.ask, demo.admin(), change, {"price": price, "id": variant.key})
        told = {each.key: each async for batch in shop.changes(cursor) for each in batch.products}
        assert told[product.key].price == price


def test_the_bridge_may_only_read(demo: DemoShop) -> None:
    session = {"path": "/admin-api"}
    names = {"name": demo.keys["username"], "password": demo.keys["password"]}
    login = "mutation ($name: String!, $password: String!) { login(username: $name, password: $password) { __typename } }"
    assert demo.ask(session, login, names)["login"]["__typename"] == "CurrentUser"
    with pytest.raises(AssertionError, match="FORBIDDEN"):
        demo.ask(session, 'mutation { updateProduct(input: { id: "1", enabled: false }) { id } }')
    with pytest.raises(AssertionError, match="FORBIDDEN"):
        demo.ask(session, "{ orders { totalItems } }")


def test_the_storefront_is_served(demo: DemoShop) -> None:
    def get(path: str) -> tuple[int, str, bytes]:
        try:
            with urllib.request.urlopen(demo.api + path, timeout=10) as answer:
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, "", b""

    for path in ("/store", "/store/", "/store/p/apple-busa?lc_click=x", "/store/p/nothing"):
        status, kind, body = get(path)
        assert (status, kind) == (200, "text/html; charset=utf-8")
        assert b"/store/store.js" in body
    for product in SEED.products:
        status, kind, body = get(f"/store/pictures/{product.slug}.svg")
        assert (status, kind) == (200, "image/svg+xml; charset=utf-8")
        assert body.startswith(b"<svg")
        assert b"undefined" not in body
    for path in ("/store/pictures/nothing.svg", "/store/../server.mjs", "/store/server.mjs", "/store/p/A%2e"):
        assert get(path)[0] == 404, path


async def test_what_was_sold_is_sold_after_a_restart(demo: DemoShop, shop: Shop) -> None:
    """The shop was asked to end at once after the order: it is saved then, not by the clock alone."""
    seeded = next(product for product in SEED.products if product.slug == SOLD_BEFORE)
    assert (await catalog(shop))[SOLD_BEFORE].saleable == seeded.variants[0].stock - 1

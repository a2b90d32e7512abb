"""A thousand buyers and five pieces: the shop sells five, and our connector says so."""

from __future__ import annotations

import asyncio
import collections
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from commerce_bridge.connectors.vendure import open_shop
from commerce_bridge.demoshop.seed import read_seed
from tests.support.vendure import DemoShop

pytestmark = [pytest.mark.peer, pytest.mark.soak]
BUYERS, PIECES = 1000, 5
SOLD_OUT = {"INSUFFICIENT_STOCK_ERROR", "ORDER_STATE_TRANSITION_ERROR", "PAYMENT_DECLINED_ERROR"}
STEPS = (
    'addItemToOrder(productVariantId: "{variant}", quantity: 1)',
    'setCustomerForOrder(input: {{ firstName: "{number}", lastName: "", emailAddress: "{number}@guest.invalid" }})',
    'setOrderShippingAddress(input: {{ streetLine1: "시연로 1", countryCode: "KR" }})',
    'setOrderShippingMethod(shippingMethodId: ["1"])',
    'transitionOrderToState(state: "ArrangingPayment")',
    'addPaymentToOrder(input: {{ method: "demo-pay", metadata: {{}} }})',
)


async def buy(http: aiohttp.ClientSession, url: str, variant: str, number: int) -> str:
    """How it ended: a state of the order, or what the shop refused it with."""
    token, it = "", {}
    for step in STEPS:
        ask = f"mutation {{ it: {step.format(variant=variant, number=number)} {{ __typename ... on ErrorResult {{ errorCode }} ... on Order {{ state }} }} }}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with http.post(url, json={"query": ask}, headers=headers) as answer:
            assert answer.status == 200, answer.status
            told: dict[str, Any] = await answer.json()
            token = answer.headers.get("vendure-auth-token") or token
        assert "errors" not in told, told
        it = told["data"]["it"]
        if "errorCode" in it:
            return str(it["errorCode"])
    return str(it["state"])


async def test_no_piece_is_sold_twice(tmp_path: Path) -> None:
    seed = read_seed()
    product = next(each for each in seed.products if len(each.variants) == 1)
    few = product.variants[0].model_copy(update={"stock": PIECES})
    seed = seed.model_copy(update={"products": [product.model_copy(update={"variants": [few]})]})
    demo = DemoShop(tmp_path, seed=seed.model_dump_json())
    with demo:
        shop = open_shop("demo", demo.options())
        (batch,) = [each async for each in shop.everything()]
        (sold,) = batch.products
        begun = time.monotonic()
        # Node ends connections that were idle for five seconds, and buyers wait longer than that between two steps.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=900)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            taps = [
                buy(http, f"{demo.api}/shop-api", sold.variants[0].key, number) for number in range(BUYERS)
            ]
            ended = collections.Counter(await asyncio.gather(*taps))
        print(f"\n{BUYERS} taps on {PIECES} pieces in {time.monotonic() - begun:.1f} s: {dict(ended)}")
        assert ended["PaymentSettled"] == PIECES
        assert ended.keys() <= {"PaymentSettled", *SOLD_OUT}
        now = (await shop.products([sold.key]))[sold.key]
        assert now is not None
        assert now.saleable == 0
        await shop.close()

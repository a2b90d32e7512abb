"""A shop in memory that really works: it sells, changes, signs webhooks, breaks down and lies when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping

from commerce_bridge.model.errors import (
    ForgedError,
    InvalidError,
    ShopError,
    ShopLiedError,
    ShopUnchangedError,
)
from commerce_bridge.model.product import Product
from commerce_bridge.ports import BadRow, Batch, Capability, Hint

SHOPS: dict[str, ToyShop] = {}
"""The ones that were opened last, by name."""
MINUTES_5 = 300_000_000


def open_shop(shop: str, options: Mapping[str, str]) -> ToyShop:
    """As every connector has it."""
    if "secret" not in options:
        raise InvalidError("a toy shop needs its secret", field="secret")
    without = {Capability(each) for each in options.get("without", "").split()}
    made = ToyShop(shop, options["secret"], frozenset(Capability) - without)
    if shop in SHOPS:  # it is the shop that goes on; what is new is who talks to it
        made.goods, made.log, made.open = SHOPS[shop].goods, SHOPS[shop].log, SHOPS[shop].open
    SHOPS[shop] = made
    return made


class ToyShop:
    """A `Shop`."""

    def __init__(self, name: str, secret: str, capabilities: frozenset[Capability]) -> None:
        self.name = name
        self.capabilities = capabilities
        self.goods: dict[str, Product] = {}
        self.log: list[str] = []
        """Keys in the order in which they changed; a cursor is how many there were."""
        self.bad: list[BadRow] = []
        self.failing: ShopError | None = None
        """What every question is answered with."""
        self.break_after: int | None = None
        """Pieces after which a catalog breaks off."""
        self.unchanged = False
        """It says so where nothing changed since all was told."""
        self.piece = 100
        self.open = asyncio.Event()
        """Cleared: a catalog does not go on."""
        self.open.set()
        self.asked: Counter[str] = Counter()
        self.closed = False
        self._told: list[Product] | None = None
        self._secret = secret.encode()

    # --- what happens in the shop

    def sell(self, *products: Product) -> None:
        """New or changed products."""
        for product in products:
            self.goods[product.key] = product
            self.log.append(product.key)

    def drop(self, key: str) -> None:
        """It is offered no longer."""
        del self.goods[key]

    def webhook(self, event: str, *keys: str, now: int, secret: str = "") -> tuple[dict[str, str], bytes]:
        """Headers and body of what it sends."""
        body = json.dumps({"event": event, "at": now, "products": keys}).encode()
        key = secret.encode() or self._secret
        return {"x-toy-signature": hmac.new(key, body, hashlib.sha256).hexdigest()}, body

    # --- the port

    async def everything(self) -> AsyncIterator[Batch]:
        self.asked["everything"] += 1
        goods = list(self.goods.values())
        for number, start in enumerate(range(0, max(1, len(goods)), self.piece)):
            await self.open.wait()
            if self.failing is not None:
                raise self.failing
            if self.unchanged and goods == self._told:
                raise ShopUnchangedError("it is as it was")
            if self.break_after is not None and number >= self.break_after:
                raise ShopLiedError("the catalog breaks off")
            bad = self.bad if start == 0 else []
            total = len(goods) + len(self.bad)
            yield Batch(goods[start : start + self.piece], bad, total=total)
        self._told = goods

    async def changes(self, cursor: str) -> AsyncIterator[Batch]:
        self.asked["changes"] += 1
        if self.failing is not None:
            raise self.failing
        keys = dict.fromkeys(self.log[int(cursor) :] if cursor else [])
        yield Batch([self.goods[key] for key in keys if key in self.goods], cursor=str(len(self.log)))

    async def products(self, keys: Collection[str]) -> Mapping[str, Product | None]:
        self.asked["products"] += 1
        assert 0 < len(keys) <= 100
        await asyncio.sleep(0)
        if self.failing is not None:
            raise self.failing
        return {key: self.goods.get(key) for key in keys}

    def hint(self, headers: Mapping[str, str], body: bytes, *, now: int) -> Hint:
        wanted = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("x-toy-signature", "").encode(), wanted.encode()):
            raise ForgedError("its signature is wrong")
        said = json.loads(body)
        if abs(said["at"] - now) > MINUTES_5:
            raise ForgedError("it is old")
        return Hint(said["event"], said["products"])

    async def close(self) -> None:
        self.closed = True

"""A shop on Vendure, as the port `Shop` wants it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from commerce_bridge.connectors.vendure import answers, queries, webhooks
from commerce_bridge.connectors.vendure.client import AdminApi
from commerce_bridge.connectors.vendure.options import Options
from commerce_bridge.connectors.vendure.pages import PAGE, Piece, key_of, pieces
from commerce_bridge.model.errors import InvalidError, ShopError, ShopLiedError
from commerce_bridge.model.product import Product
from commerce_bridge.ports import BadRow, Batch, Capability, Hint

SETTLED = 3_000_000
"""Microseconds. Some databases stamp changes with whole seconds, and a change shows when it is committed: what is newer than this
is looked at once more.
"""
_TOLD_LIMIT = 10_000
"""Ids of changes that are remembered so as not to tell them twice; beyond that some are: it does no harm."""
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class VendureShop:
    """See `commerce_bridge.ports.Shop`. What orders allocate is told by webhooks and by `products`, never by `changes`: allocation
    leaves a product's `updatedAt` as it was. That a product is no longer offered is told by webhooks, by `products` and by
    `everything`.
    """

    def __init__(self, shop: str, options: Options) -> None:
        self._shop = shop
        self._options = options
        self._api = AdminApi(options)
        self._rules: answers.Rules | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See the port. Webhooks where a secret is known, or a file that may hold one."""
        able = {Capability.FETCH, Capability.CHANGES, Capability.STOCK}
        if self._options.webhook_secret or self._options.secrets:
            able.add(Capability.WEBHOOKS)
        return frozenset(able)

    async def everything(self) -> AsyncIterator[Batch]:
        """See the port."""
        rules = await self._learn()
        row = 0
        async with aclosing(self._pieces(queries.everything(rules))) as pieces_of_all:
            async for piece in pieces_of_all:
                products, bad = self._read(piece.items, rules, first=row + 1)
                row += len(piece.items)
                done = min(1.0, piece.read / max(1, piece.total))
                yield Batch(products, bad, total=piece.total, done=done)

    async def changes(self, cursor: str) -> AsyncIterator[Batch]:
        """See the port. Until its end the batches have the cursor that was asked from: who stops early asks from there again.

        A cursor that is none of ours counts as empty.
        """
        rules = self._rules or await self._learn()
        since = _since(cursor)
        if since is None:
            now = (await self._api.ask(queries.RULES)).time
            if now is None:
                raise ShopLiedError("the shop does not say what time it has", field="Date")
            yield Batch((), cursor=_iso(now - SETTLED))
            return
        newest = since
        begun: int | None = None
        told: set[str] = set()
        for query in (queries.CHANGED_VARIANTS, queries.CHANGED_PRODUCTS):
            async with aclosing(self._pieces(query, after=_iso(since))) as changed_pieces:
                async for piece in changed_pieces:
                    begun = begun or piece.time
                    changed = [answers.read(answers.Changed, item) for item in piece.items]
                    newest = max([newest, *(each.updatedAt for each in changed)])
                    keys = dict.fromkeys(each.productId for each in changed if each.productId not in told)
                    if len(told) > _TOLD_LIMIT:
                        told.clear()
                    told |= keys.keys()
                    products, bad = await self._some(list(keys), rules)
                    if products or bad:
                        yield Batch(products, bad, cursor=cursor)
        yield Batch((), cursor=_iso(max(since, min(newest, (begun or newest) - SETTLED))))

    async def products(self, keys: Collection[str]) -> Mapping[str, Product | None]:
        """See the port."""
        if len(keys) > PAGE:
            raise InvalidError(f"{len(keys)} products at once: {PAGE} can be", field="keys")
        rules = self._rules or await self._learn()
        found, bad = await self._some([key for key in keys if _KEY.fullmatch(key)], rules)
        if bad and len(keys) == 1:
            raise ShopLiedError(bad[0].reason, field=bad[0].field)
        unusable = {row.key for row in bad}
        there = {product.key: product for product in found}
        return {key: there.get(key) for key in keys if key not in unusable}

    def hint(self, headers: Mapping[str, str], body: bytes, *, now: int) -> Hint:
        """See the port. The secret's file is read where it was not yet."""
        secret = self._api.keys.webhook_secret
        if not secret:
            try:
                secret = self._api.read_keys().webhook_secret
            except ShopError:
                secret = ""  # then nothing can be the shop's own
        return webhooks.read(headers, body, secret=secret, now=now)

    async def close(self) -> None:
        """See the port."""
        await self._api.close()

    # --- reading ------------------------------------------------------------------------------------------------

    async def _learn(self) -> answers.Rules:
        settings = answers.read(
            answers.GlobalSettings, (await self._api.ask(queries.RULES)).data.get("globalSettings")
        )
        self._rules = answers.rules(settings, self._options.fields)
        return self._rules

    async def _some(self, keys: list[str], rules: answers.Rules) -> tuple[list[Product], list[BadRow]]:
        """At most `PAGE` products."""
        if not keys:
            return [], []
        answer = await self._api.ask(queries.some(rules), {"take": PAGE, "ids": keys})
        items = answers.read(answers.Page, answer.data.get("page")).items
        if strange := {key_of(item) for item in items} - set(keys):
            raise ShopLiedError(f"the shop tells of products that were not asked for: {sorted(strange)[:3]}")
        return self._read(items, rules, first=1)

    def _read(
        self, items: list[dict[str, Any]], rules: answers.Rules, *, first: int
    ) -> tuple[list[Product], list[BadRow]]:
        """The products that are offered and those that cannot be used; `first` is the number of the first item."""
        products: list[Product] = []
        bad: list[BadRow] = []
        for row, item in enumerate(items, first):
            try:
                answer = answers.read(answers.ProductAnswer, item)
                product = answers.product(self._shop, answer, rules, store=self._options.store)
            except (InvalidError, ShopLiedError) as error:
                bad.append(BadRow(row, error.field or "", str(error), key=key_of(item)))
            else:
                products += [product] if product else []
        return products, bad

    def _pieces(self, query: str, **variables: str) -> AsyncGenerator[Piece]:
        return pieces(lambda skip, take: self._api.ask(query, {"skip": skip, "take": take, **variables}))


def _iso(micros: int) -> str:
    """UTC with milliseconds, as Vendure writes it; what is lost is looked at once more."""
    return datetime.fromtimestamp(micros // 1000 / 1000, UTC).isoformat(timespec="milliseconds")


def _since(cursor: str) -> int | None:
    """Unix microseconds; None where it is none that we gave."""
    try:
        time = datetime.fromisoformat(cursor)
        return round(time.timestamp() * 1_000_000) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None

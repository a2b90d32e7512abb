"""What every connector of a shop does: the promises of `commerce_bridge.ports.Shop`, on each factory of tests/support/shops.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from commerce_bridge.model.errors import (
    ForgedError,
    ShopDownError,
    ShopError,
    ShopLiedError,
    ShopRefusedError,
    ShopUnchangedError,
)
from commerce_bridge.model.product import TEXT_LIMIT, Product, checked
from commerce_bridge.ports import BadRow, Batch, Capability, Shop
from tests.support.shops import FACTORIES, Fault, Item, Lie, ShopUnderTest

DEADLINE = 20.0
MOST_IN_A_BATCH = 500
NOW = 1_780_000_000_000_000
MINUTE = 60_000_000
RAISED: dict[Fault, tuple[type[ShopError], ...]] = {
    Fault.DOWN: (ShopDownError,),
    Fault.BUSY: (ShopDownError,),
    Fault.REFUSED: (ShopRefusedError,),
    Fault.SLOW: (ShopDownError,),
    Fault.GARBAGE: (ShopLiedError,),
    Fault.BROKEN_OFF: (ShopLiedError, ShopDownError),
}
GOOD = Item("good", "청송 햇사과", 12_900, stock=7)


@dataclass
class Told:
    """A whole catalog."""

    products: dict[str, Product] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)


async def everything(shop: Shop) -> Told:
    told = Told()
    async with asyncio.timeout(DEADLINE):
        async for batch in shop.everything():
            told.batches.append(batch)
            told.bad += batch.bad
            for product in batch.products:
                assert product.key not in told.products, "told twice"
                told.products[product.key] = product
    return told


def many(count: int) -> list[Item]:
    return [Item(f"m{n}", f"상품 {n}", 1000 + n, stock=n) for n in range(count)]


@pytest.fixture(params=FACTORIES)
async def under(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ShopUnderTest]:
    async with FACTORIES[request.param](tmp_path) as running:
        yield running


class TestShop:
    """A class, so that a connector elsewhere can be put through it: derive from it beside a fixture `under` of your own."""

    async def test_a_catalog_is_told_as_it_is(self, under: ShopUnderTest) -> None:
        reduced = Item("r", "한라봉 3kg", 19_000, stock=0, list_price=25_000, description="제주에서 옵니다.")
        one, two = await under.put(GOOD, reduced)
        told = await everything(under.shop)
        assert not told.bad
        assert told.products.keys() == {one, two}
        assert (told.products[one].title, told.products[one].price) == (GOOD.title, GOOD.price)
        assert told.products[one].list_price == 0
        assert (told.products[two].title, told.products[two].price) == (reduced.title, reduced.price)
        assert told.products[two].list_price in {0, reduced.list_price}
        assert reduced.description in told.products[two].description
        stocks = [told.products[key].saleable for key in (one, two)]
        assert stocks == ([7, 0] if Capability.STOCK in under.capabilities else [None, None])
        assert under.shop.capabilities == under.capabilities

    async def test_a_catalog_of_nothing_is_told_too(self, under: ShopUnderTest) -> None:
        await under.put(GOOD)
        await under.delete(GOOD.key)
        told = await everything(under.shop)
        assert not told.products
        assert not told.bad

    async def test_batches_are_bounded_and_say_how_far_they_are(self, under: ShopUnderTest) -> None:
        keys = await under.put(*many(under.many))
        told = await everything(under.shop)
        assert told.products.keys() == set(keys)
        assert all(len(batch.products) + len(batch.bad) <= MOST_IN_A_BATCH for batch in told.batches)
        done = [batch.done for batch in told.batches if batch.done is not None]
        assert done == sorted(done)
        assert all(0 <= each <= 1 for each in done)
        assert {batch.total for batch in told.batches} <= {None, under.many}

    async def test_products_come_checked(self, under: ShopUnderTest) -> None:
        await under.put(*many(5))
        for product in (await everything(under.shop)).products.values():
            assert checked(product) == product

    async def test_what_did_not_change_is_told_again_or_said_to_be_the_same(
        self, under: ShopUnderTest
    ) -> None:
        await under.put(GOOD, *many(20))
        first = await everything(under.shop)
        try:
            again = await everything(under.shop)
        except ShopUnchangedError:
            pass
        else:
            assert again.products == first.products
            assert again.bad == first.bad
        await under.put(replace(GOOD, price=11_000))
        assert (await everything(under.shop)).products != first.products

    async def test_what_is_changed_added_and_deleted_shows(self, under: ShopUnderTest) -> None:
        one, two = await under.put(GOOD, Item("b", "배", 8000))
        await everything(under.shop)
        await under.put(replace(GOOD, price=9900, stock=0))
        await under.delete("b")
        (three,) = await under.put(Item("c", "감", 5000))
        told = await everything(under.shop)
        assert told.products.keys() == {one, three}
        assert two not in told.products
        assert told.products[one].price == 9900
        if Capability.STOCK in under.capabilities:
            assert told.products[one].saleable == 0

    async def test_two_passes_at_once_do_not_meet(self, under: ShopUnderTest) -> None:
        keys = await under.put(*many(under.many))
        first, second = await asyncio.gather(everything(under.shop), everything(under.shop))
        assert first.products == second.products
        assert first.products.keys() == set(keys)

    async def test_a_pass_that_is_left_is_no_whole_one(self, under: ShopUnderTest) -> None:
        keys = await under.put(*many(under.many))
        async with asyncio.timeout(DEADLINE):
            passing = under.shop.everything()
            assert isinstance(passing, AsyncGenerator), "whoever leaves must be able to say so"
            async with aclosing(passing) as batches:
                async for batch in batches:
                    assert batch.products
                    break
        assert (await everything(under.shop)).products.keys() == set(keys)

    async def test_closing_twice_is_fine(self, under: ShopUnderTest) -> None:
        await under.put(GOOD)
        await everything(under.shop)
        await under.shop.close()
        await under.shop.close()

    async def test_a_fault_raises_what_the_port_says_and_passes(self, under: ShopUnderTest) -> None:
        keys = await under.put(GOOD, *many(under.many))
        price = GOOD.price
        for fault in sorted(under.faults):
            await under.fault(fault)
            with pytest.raises(RAISED[fault]) as raised:
                await everything(under.shop)
            assert str(raised.value), fault
            assert "secret" not in str(raised.value), "what opens a shop is in no message"
            if fault is Fault.BUSY:
                assert isinstance(raised.value, ShopDownError)
                assert raised.value.retry_after == 7
            await under.fault(None)
            price += 100
            await under.put(replace(GOOD, price=price))
            assert (await everything(under.shop)).products.keys() == set(keys), fault

    async def test_a_fault_behind_a_whole_pass_is_no_unchanged_catalog(self, under: ShopUnderTest) -> None:
        await under.put(GOOD, *many(3))
        await everything(under.shop)
        for fault in sorted(under.faults):
            await under.fault(fault)
            with pytest.raises(RAISED[fault]):
                await everything(under.shop)

    async def test_what_costs_nothing_is_not_sold(self, under: ShopUnderTest) -> None:
        if Lie.FREE not in under.lies:
            return
        free, good = await under.put(Item("free", "공짜", 0), GOOD)
        told = await everything(under.shop)
        assert told.products.keys() == {good}
        assert [each.key for each in told.bad] == [free]
        assert told.bad[0].row >= 1
        assert told.bad[0].field
        assert told.bad[0].reason
        if Capability.FETCH in under.capabilities:
            with pytest.raises(ShopLiedError):
                await under.shop.products([free])
            assert (await under.shop.products([free, good])).keys() == {good}

    async def test_what_is_oversold_is_sold_out(self, under: ShopUnderTest) -> None:
        if Lie.OVERSOLD not in under.lies:
            return
        (key,) = await under.put(replace(GOOD, stock=-3))
        expected = 0 if Capability.STOCK in under.capabilities else None
        assert (await everything(under.shop)).products[key].saleable == expected

    async def test_a_flood_costs_one_product_at_most(self, under: ShopUnderTest) -> None:
        if Lie.HUGE not in under.lies:
            return
        huge, good, more = await under.put(
            Item("huge", "긴 글", 1000, description="사과 {[<\\ " * 1_000_000), GOOD, Item("z", "배", 2000)
        )
        told = await everything(under.shop)
        assert {good, more} <= told.products.keys()
        if huge in told.products:
            assert len(told.products[huge].description) <= TEXT_LIMIT
        else:
            assert [each.key for each in told.bad] in ([huge], [""])

    async def test_markup_in_a_name_is_text(self, under: ShopUnderTest) -> None:
        if Lie.MARKUP not in under.lies:
            return
        title = "<b>사과</b><script>alert(1)</script> & 배\u202e"
        (key,) = await under.put(Item("x", title, 1000, description='"<img src=x onerror=alert(1)>'))
        told = await everything(under.shop)
        assert told.products[key].title == "사과 & 배"
        assert "<" not in told.products[key].description

    async def test_products_are_fetched_as_they_are_now(self, under: ShopUnderTest) -> None:
        if Capability.FETCH not in under.capabilities:
            return
        one, two, three = await under.put(GOOD, Item("b", "배", 8000), Item("c", "감", 5000))
        whole = await everything(under.shop)
        assert await under.shop.products([one, two]) == {key: whole.products[key] for key in (one, two)}
        assert await under.shop.products([]) == {}
        await under.put(replace(GOOD, price=9900, stock=1))
        await under.delete("b")
        found = await under.shop.products([one, two, three])
        assert found.keys() == {one, two, three}
        assert found[two] is None
        now = found[one]
        assert now is not None
        assert now.price == 9900
        for fault in sorted(under.faults - {Fault.BROKEN_OFF}):
            await under.fault(fault)
            async with asyncio.timeout(DEADLINE):
                with pytest.raises(RAISED[fault]):
                    await under.shop.products([one])

    async def test_changes_are_told_since_a_cursor(self, under: ShopUnderTest) -> None:
        if Capability.CHANGES not in under.capabilities:
            return

        async def since(cursor: str) -> tuple[dict[str, Product], str]:
            products: dict[str, Product] = {}
            async with asyncio.timeout(DEADLINE):
                async for batch in under.shop.changes(cursor):
                    assert len(batch.products) + len(batch.bad) <= MOST_IN_A_BATCH
                    products |= {product.key: product for product in batch.products}
                    cursor = batch.cursor or cursor
            return products, cursor

        one, _ = await under.put(GOOD, Item("b", "배", 8000))
        nothing, cursor = await since("")
        assert not nothing
        assert cursor
        await under.put(replace(GOOD, price=9900))
        changed, later = await since(cursor)
        assert changed[one].price == 9900
        assert (await since(cursor))[0][one].price == 9900, "asked again, it tells again"
        await under.put(Item("c", "감", 5000))
        added, _ = await since(later)
        assert "감" in {product.title for product in added.values()}

    async def test_a_webhook_is_believed_where_it_is_the_shops(self, under: ShopUnderTest) -> None:
        if Capability.WEBHOOKS not in under.capabilities:
            return
        (key,) = await under.put(GOOD)
        headers, body = under.webhook(key, now=NOW)
        hint = under.shop.hint(headers, body, now=NOW + MINUTE)
        assert hint.event
        assert key in hint.products or not hint.products
        assert under.shop.hint(headers, body, now=NOW + MINUTE) == hint, "the same event has the same id"
        other, more = under.webhook(key, now=NOW + 1_000_000)
        assert under.shop.hint(other, more, now=NOW).event != hint.event
        for late in (6 * MINUTE, -6 * MINUTE):
            with pytest.raises(ForgedError):
                under.shop.hint(headers, body, now=NOW + late)
        for forged_headers, forged in (
            (headers, body + b" "),
            ({}, body),
            (headers, b""),
            ({name: value[:-1] for name, value in headers.items()}, body),
        ):
            with pytest.raises(ForgedError):
                under.shop.hint(forged_headers, forged, now=NOW)

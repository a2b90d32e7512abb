"""What every store of the catalog does, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from commerce_bridge.adapters.migrations import BRANCH
from commerce_bridge.adapters.sql import WEEK, SqlCatalogStore
from commerce_bridge.model.errors import StoreError
from commerce_bridge.model.product import Product, Stock, Variant
from commerce_bridge.ports import CatalogStore, Kept
from runtime.database import Database
from runtime.migrations import upgrade
from tests.support import databases
from tests.support.goods import product

T = 1_795_000_000_123_456


@pytest.fixture(params=databases.KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CatalogStore]:
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [BRANCH])
        yield SqlCatalogStore(database)


async def kept(store: CatalogStore, made: Product) -> Kept:
    return (await store.get([made.id]))[made.id]


async def test_a_product_comes_back_as_it_was_kept(store: CatalogStore) -> None:
    full = product(1, "청송 사과 “꿀”")
    bare = Product("mall", "가/b", "빵", (Variant("v", 10**12),), "https://mall.example/가")
    many = product(
        3, variants=tuple(Variant(f"v{n}", 100 + n, stock=Stock(n or None, 1, 2)) for n in range(200))
    )
    assert set(await store.put([full, bare, many], seen=T)) == {full.id, bare.id, many.id}
    found = await store.get([bare.id, "0000000000000000", full.id, many.id])
    assert found == {each.id: Kept(each, T) for each in (full, bare, many)}
    assert await store.get([]) == {}


async def test_only_what_is_new_or_differs_is_told(store: CatalogStore) -> None:
    one, two = product(1), product(2)
    await store.put([one, two], seen=T)
    assert await store.put([one, two], seen=T + 1) == []
    assert (await kept(store, one)).seen == T + 1
    cheaper = product(2, price=9_000)
    assert await store.put([one, cheaper, product(3)], seen=T + 2) == sorted([cheaper.id, product(3).id])
    assert await kept(store, two) == Kept(cheaper, T + 2)
    sold = product(2, price=9_000, stock=0)
    assert await store.put([sold], seen=T + 3) == [sold.id]


async def test_of_one_product_told_twice_the_later_one_counts(store: CatalogStore) -> None:
    assert await store.put([product(1), product(1, price=5_000)], seen=T) == [product(1).id]
    assert (await kept(store, product(1))).product.price == 5_000


async def test_hints_overtake_lists(store: CatalogStore) -> None:
    fresh = product(1, price=9_000, updated=2_000)
    await store.put([fresh], seen=T)
    assert await store.put([product(1)], seen=T - 1) == []
    assert await kept(store, fresh) == Kept(fresh, T)
    # An old list that comes later: it says that it is offered, and nothing else that is believed.
    assert await store.put([product(1)], seen=T + 5) == []
    assert await kept(store, fresh) == Kept(fresh, T + 5)
    # Where the shop tells no time, what comes later is newer.
    assert await store.put([product(1, updated=0)], seen=T + 6) == [fresh.id]


async def test_a_later_time_of_the_shops_is_noted_without_a_change(store: CatalogStore) -> None:
    await store.put([product(1, updated=1_000)], seen=T)
    assert await store.put([product(1, updated=3_000)], seen=T + 1) == []
    assert await store.put([product(1, price=1, updated=2_000)], seen=T + 2) == []
    assert (await kept(store, product(1))).product.updated == 3_000


async def test_what_was_not_seen_is_gone_and_may_come_back(store: CatalogStore) -> None:
    await store.put([product(1), product(2), product(3, shop="farm")], seen=T)
    await store.put([product(1)], seen=T + 10)
    gone = product(2)
    assert await store.gone("mall", keys=None, before=T + 10) == [gone.id]
    assert await store.gone("mall", keys=None, before=T + 10) == []
    assert await kept(store, gone) == Kept(gone, T + 10, gone=True)
    assert [await store.count(shop) for shop in ("mall", "farm", "none")] == [1, 1, 0]
    assert await store.put([gone], seen=T + 9) == [], "a list from before it was gone"
    assert await store.put([gone], seen=T + 11) == [gone.id]
    assert not (await kept(store, gone)).gone


async def test_all_that_is_not_gone_was_seen_again(store: CatalogStore) -> None:
    await store.put([product(n) for n in range(40)], seen=T)
    await store.put([product(0)], seen=T + 9)
    await store.put([product(0, shop="farm")], seen=T)
    await store.gone("mall", keys=["p1"], before=T + 1)
    await store.seen_again("mall", seen=T + 5)
    found = await store.get([product(n).id for n in range(40)])
    assert [found[product(n).id].seen for n in range(3)] == [T + 9, T + 1, T + 5]
    assert {each.seen for each in found.values()} == {T + 1, T + 5, T + 9}
    assert (await kept(store, product(0, shop="farm"))).seen == T


async def test_what_no_store_can_keep_becomes_a_question_mark(store: CatalogStore) -> None:
    odd = replace(product(1), description="a\ud800b")
    assert await store.put([odd], seen=T) == [odd.id]
    assert await store.put([odd], seen=T + 1) == []
    assert (await kept(store, odd)).product.description == "a?b"


async def test_named_ones_are_gone(store: CatalogStore) -> None:
    await store.put([product(n) for n in range(4)], seen=T)
    await store.put([product(0)], seen=T + 10)
    marked = await store.gone("mall", keys=["p0", "p1", "p2", "none"], before=T + 5)
    assert sorted(marked) == sorted(product(n).id for n in (1, 2))
    assert await store.gone("mall", keys=[], before=T + 5) == []


async def test_texts_are_of_all_that_are_not_gone(
    store: CatalogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commerce_bridge.adapters.sql.PAGE", 3)
    await store.put([product(n) for n in range(7)], seen=T)
    await store.gone("mall", keys=["p3"], before=T + 1)
    pages = [page async for page in store.texts()]
    assert [len(page) for page in pages] == [3, 3]
    assert sorted(line for page in pages for line in page) == sorted(
        (product(n).id, "mall", f"상품 {n}\t청송 과일 SKU-{n} p{n}") for n in range(7) if n != 3
    )


async def test_many_at_once_and_by_several(store: CatalogStore) -> None:
    goods = [product(n) for n in range(1200)]
    told = await asyncio.gather(*(store.put(some, seen=T) for some in (goods, goods[::-1], goods[::2])))
    assert len({each for some in told for each in some}) == 1200
    assert await store.count("mall") == 1200
    assert len(await store.gone("mall", keys=[each.key for each in goods], before=T + 1)) == 1200


async def test_notes_of_a_sync(store: CatalogStore) -> None:
    assert await store.get_state("mall") == {}
    await store.put_state("mall", {"cursor": "1", "note": "가"})
    await store.put_state("mall", {"cursor": "2"})
    await store.put_state("farm", {})
    assert await store.get_state("mall") == {"cursor": "2"}
    assert await store.get_state("farm") == {}


async def test_an_event_is_new_once(store: CatalogStore) -> None:
    long = "e" * 5000
    assert [await store.first_time("mall", each, at=T) for each in ("e1", "e1", long, long)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert await store.first_time("farm", "e1", at=T)
    twice = await asyncio.gather(*(store.first_time("mall", "e2", at=T) for _ in range(5)))
    assert twice.count(True) == 1
    assert await store.first_time("mall", "e3", at=T + WEEK + 1)
    assert await store.first_time("mall", "e1", at=T + WEEK + 1)  # forgotten


async def test_a_database_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:  # no tables
        store = SqlCatalogStore(database)
        with pytest.raises(StoreError):
            await store.get(["x"])
        with pytest.raises(StoreError):
            await store.put([replace(product(1))], seen=T)

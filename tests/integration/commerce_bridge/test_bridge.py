"""The bridge from end to end: over a bus, with a database, and shops that sell, change, break down and lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import pytest

from commerce_bridge.adapters.migrations import BRANCH
from commerce_bridge.catalog import sync
from commerce_bridge.connectors import KINDS
from commerce_bridge.contracts.products import (
    HearWebhook,
    ListShops,
    ProductChanged,
    ProductView,
    SearchProducts,
    ShopChanged,
    SyncShop,
    WatchProducts,
)
from commerce_bridge.model.errors import ShopDownError, ShopRefusedError
from commerce_bridge.ports import BadRow
from commerce_bridge.settings import ShopSeed
from runtime.bus.calls import call, events
from runtime.bus.contract import CommandError, Fault
from runtime.database import Database
from runtime.migrations import upgrade
from tests.support.bridge_house import DEADLINE, House, seed, until
from tests.support.goods import product
from tests.support.toy_shop import SHOPS, ToyShop

SLOW = 1000.0


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setitem(KINDS, "toy", "tests.support.toy_shop")
    SHOPS.clear()
    for name in ("mall", "farm"):
        SHOPS[name] = ToyShop(name, "s", frozenset())  # its goods are there before anybody connects
    async with Database(f"sqlite:///{tmp_path / 'bridge.db'}") as database:
        await upgrade(database, [BRANCH])
        made = House(database)
        yield made
        await made.bus.close()


@pytest.fixture
def mall(house: House) -> ToyShop:
    return SHOPS["mall"]


async def changed(stream: AsyncIterator[ProductChanged]) -> ProductView:
    async with asyncio.timeout(DEADLINE):
        return (await anext(stream)).product


async def test_a_catalog_is_read_at_the_first_start_and_found(house: House, mall: ToyShop) -> None:
    mall.sell(*(product(n, f"빵 {n}") for n in range(250)), product(900, "청송 사과"))
    async with house.bridge(seed()):
        view = await house.read()
        assert (view.products, view.error, view.kind, view.name) == (251, "", "toy", "장터")
        assert (view.sync.changed, view.sync.gone, view.sync.done) == (251, 0, 1.0)
        assert view.reached >= view.sync.started > 0
        assert await house.found("ㅅㄱ") == ["청송 사과"]
        page = await call(house.bus, SearchProducts(text="빵", limit=100))
        rest = await call(house.bus, SearchProducts(text="빵", limit=100, cursor=page.next))
        assert len({each.id for each in (*page.products, *rest.products)}) == 200
        assert await house.found("빵", shop="farm") == []
        one = await house.get(900)
        assert (one.price, one.list_price, one.saleable, one.missing) == (10_000, 20_000, 10, [])
        with pytest.raises(CommandError) as refused:
            await call(house.bus, SearchProducts(cursor="nonsense"))
        assert (refused.value.fault, refused.value.field) == (Fault.INVALID, "cursor")


async def test_bad_rows_are_counted_and_the_first_hundred_told(house: House, mall: ToyShop) -> None:
    mall.sell(product(1))
    async with house.bridge():
        shop = SHOPS["mall"]
        await house.read()
        shop.bad = [BadRow(n, "price", "it is 0", f"b{n}") for n in range(150)]
        assert (await call(house.bus, SyncShop(shop="mall"))).sync.running
        view = (await house.read()).sync
        assert (view.rows, view.bad, len(view.bad_rows)) == (151, 150, 100)
        assert (view.bad_rows[99].key, view.bad_rows[99].field) == ("b99", "price")


async def test_what_a_whole_pass_does_not_tell_is_gone_and_a_broken_one_tells_nothing(
    house: House, mall: ToyShop
) -> None:
    mall.sell(*(product(n) for n in range(250)))
    async with house.bridge(changes_interval=SLOW):
        shop = SHOPS["mall"]
        await house.read()
        for n in range(200, 250):
            shop.drop(f"p{n}")
        shop.break_after = 1
        await call(house.bus, SyncShop(shop="mall"))
        view = await house.read()
        assert "breaks off" in view.sync.error
        assert (view.products, view.sync.gone, view.sync.rows) == (250, 0, 100)
        shop.break_after = None
        await call(house.bus, SyncShop(shop="mall"))
        view = await house.read()
        assert (view.products, view.sync.gone, view.sync.error) == (200, 50, "")
        assert await house.found("상품 249") == []
        assert (await house.get(249)).gone
        shop.goods.clear()
        await call(house.bus, SyncShop(shop="mall"))
        view = await house.read()
        assert "empty" in view.sync.error
        assert view.products == 200


async def test_changes_are_asked_for_and_only_what_is_watched_is_told(house: House, mall: ToyShop) -> None:
    mall.sell(*(product(n) for n in range(10)))
    async with house.bridge(watch_interval=60.0), events(house.bus, ProductChanged) as stream:
        shop = SHOPS["mall"]
        await house.read()
        ids = [product(n).id for n in (1, 2)]
        watched = await call(house.bus, WatchProducts(ids=[*ids, "0000000000000000"]))
        assert [each.id for each in watched.products] == ids
        shop.sell(product(5, price=9_000), product(1, price=8_000))
        told = await changed(aiter(stream))
        assert (told.id, told.price) == (ids[0], 8_000)
        assert (await house.get(5)).price == 9_000
        state = await house.store.get_state("mall")
        assert int(state["cursor"]) >= 11


async def test_what_is_watched_is_looked_at_at_once(house: House, mall: ToyShop) -> None:
    mall.sell(*(product(n) for n in range(150)))
    async with house.bridge(changes_interval=SLOW), events(house.bus, ProductChanged) as stream:
        shop, told = SHOPS["mall"], aiter(stream)
        await house.read()
        assert shop.asked["products"] == 0
        for start in (0, 100):
            await call(house.bus, WatchProducts(ids=[product(n).id for n in range(start, start + 50)]))
        shop.sell(product(120, stock=0))
        view = await changed(told)
        assert (view.id, view.saleable) == (product(120).id, 0)
        shop.drop("p7")
        view = await changed(told)
        assert (view.id, view.gone) == (product(7).id, True)
        shop.sell(product(7))
        assert not (await changed(told)).gone


async def test_a_webhook_is_a_hint(house: House, mall: ToyShop) -> None:
    mall.sell(product(1), product(2))
    async with house.bridge(changes_interval=SLOW, watch_interval=0.05):
        shop = SHOPS["mall"]
        await house.read()
        shop.sell(product(1, price=7_000))
        assert (await house.hear(shop, "e1", "p1")).fresh

        async def cheaper() -> bool:
            return (await house.get(1)).price == 7_000

        await until(cheaper)
        asked = shop.asked["products"]
        assert not (await house.hear(shop, "e1", "p1")).fresh
        with pytest.raises(CommandError) as forged:
            await house.hear(shop, "e2", "p1", secret="wrong")
        assert (forged.value.fault, forged.value.field) == (Fault.INVALID, "signature")
        assert shop.asked["products"] == asked
        # Without a product's name anything may have changed.
        shop.sell(product(3))
        assert (await house.hear(shop, "e3")).fresh

        async def third() -> bool:
            return await house.found("상품 3") == ["상품 3"]

        await until(third)
        with pytest.raises(CommandError) as unknown:
            await call(house.bus, HearWebhook(shop="nobody", headers={}, body=""))
        assert unknown.value.fault is Fault.NOT_FOUND


async def test_a_hint_overtakes_the_pass_that_runs(house: House, mall: ToyShop) -> None:
    """The list that is being read was made before the change."""
    mall.sell(*(product(n) for n in range(150)))
    async with house.bridge(changes_interval=SLOW):
        shop = SHOPS["mall"]
        await house.read()
        shop.open.clear()
        await call(house.bus, SyncShop(shop="mall"))

        async def begun() -> bool:
            return shop.asked["everything"] == 2

        await until(begun)  # it has taken its list
        shop.sell(product(149, price=5_000, updated=0))
        await house.hear(shop, "e1", "p149")

        async def cheaper() -> bool:
            return (await house.get(149)).price == 5_000

        await until(cheaper)
        shop.open.set()
        assert (await house.read()).sync.error == ""
        assert (await house.get(149)).price == 5_000


async def test_a_shop_that_is_down_holds_up_nothing_and_comes_back(
    house: House, mall: ToyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mall.sell(product(1))
    async with house.bridge():
        await house.read()
    monkeypatch.setattr("commerce_bridge.catalog.circuit.FIRST", 0.05)
    async with house.bridge(), events(house.bus, ShopChanged) as stream:
        shop = SHOPS["mall"]
        assert await house.found() == ["상품 1"]
        shop.failing = ShopDownError("it is being painted")
        seen = await call(house.bus, WatchProducts(ids=[product(1).id]))
        assert seen.products[0].price == 10_000

        await told_with(stream, "it is being painted")
        assert (await house.shop()).error == "it is being painted"
        assert (await house.get(1)).seen == seen.products[0].seen  # with its age
        shop.failing = None
        shop.sell(product(1, price=6_000))
        await told_with(stream, "")

        async def back() -> bool:
            return (await house.get(1)).price == 6_000

        await until(back)


async def told_with(stream: AsyncIterable[ShopChanged], error: str) -> None:
    """Wait until a shop is told of with this error."""
    async with asyncio.timeout(DEADLINE):
        async for event in stream:
            if event.shop.error == error:
                return


async def test_a_shop_that_does_not_answer_delays_neither_start_nor_stop(house: House, mall: ToyShop) -> None:
    mall.sell(product(1))
    mall.open.clear()
    async with house.bridge(seed(without="changes"), shop_timeout=600.0):
        view = await house.shop()
        assert (view.products, view.reached) == (0, 0)
        assert await house.found() == []
    async with house.bridge(seed(without="changes"), shop_timeout=0.1):

        async def late() -> bool:
            return "did not answer within 0.1 s" in (await house.shop()).error

        await until(late)
        mall.open.set()

        async def read() -> bool:
            return (await house.shop()).products == 1

        await until(read)


async def test_a_shop_that_refuses_is_left_alone_until_somebody_asks(house: House, mall: ToyShop) -> None:
    mall.sell(product(1))
    async with house.bridge(seed(), seed("farm")):
        shop = SHOPS["mall"]
        await house.read()
        shop.failing = ShopRefusedError("the key is wrong")

        async def refused() -> bool:
            return (await house.shop()).error == "the key is wrong"

        await until(refused)
        asked = shop.asked.total()
        await asyncio.sleep(0.3)
        assert shop.asked.total() == asked
        assert (await house.shop("farm")).error == ""
        shop.failing = None
        await call(house.bus, SyncShop(shop="mall"))
        assert (await house.read()).error == ""


async def test_a_start_goes_on_where_the_last_one_ended(house: House, mall: ToyShop) -> None:
    mall.sell(product(1))
    async with house.bridge():
        first = (await house.read()).sync
    assert SHOPS["mall"].closed
    mall.sell(product(2))
    async with house.bridge():
        shop = SHOPS["mall"]

        async def second() -> bool:
            return await house.found("상품 2") == ["상품 2"]

        await until(second)  # of the changes, from the cursor that was kept
        assert (await house.shop()).sync == first
        assert shop.asked["everything"] == 0


async def test_a_shop_without_more_than_a_list_is_read_again(
    house: House, mall: ToyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "HINTED_PASS", 0.0)
    mall.sell(product(1))
    bare = seed(without="fetch changes")
    async with house.bridge(bare, reread_interval=0.2):
        shop = SHOPS["mall"]
        await house.read()
        shop.sell(product(1, price=5_000))

        async def cheaper() -> bool:
            return (await house.get(1)).price == 5_000

        await until(cheaper)
    async with house.bridge(bare, reread_interval=0):
        shop = SHOPS["mall"]
        shop.sell(product(1, price=4_000))
        await house.hear(shop, "e1", "p1")

        async def cheaper_still() -> bool:
            return (await house.get(1)).price == 4_000

        await until(cheaper_still)
        assert shop.asked.keys() == {"everything"}


async def test_a_list_that_did_not_change_was_seen_again(house: House, mall: ToyShop) -> None:
    mall.sell(*(product(n) for n in range(3)))
    async with house.bridge(seed(without="fetch changes")):
        shop = SHOPS["mall"]
        shop.unchanged = True
        first = (await house.read()).sync
        for _ in range(2):
            await call(house.bus, SyncShop(shop="mall"))
            view = (await house.read()).sync
            assert (view.rows, view.changed, view.gone, view.done, view.error) == (3, 0, 0, 1.0, "")
            assert view.started > first.started
            assert (await house.get(1)).seen == view.started
        shop.drop("p1")
        await call(house.bus, SyncShop(shop="mall"))
        assert (await house.read()).sync.gone == 1
        # An empty list is not believed, and neither is what is said of it afterwards.
        shop.goods.clear()
        for words in ("empty", "not taken"):
            await call(house.bus, SyncShop(shop="mall"))
            assert words in (await house.read()).sync.error
        assert (await house.shop()).products == 2


async def test_a_shop_whose_settings_are_wrong_is_told_and_the_others_work(
    house: House, mall: ToyShop
) -> None:
    mall.sell(product(1))
    wrong = ShopSeed(id="farm", kind="toy")
    async with house.bridge(wrong, seed()):
        await house.read()
        view = await house.shop("farm")
        assert "options.secret" in view.error
        with pytest.raises(CommandError) as refused:
            await call(house.bus, SyncShop(shop="farm"))
        assert refused.value.fault is Fault.CONFLICT
        with pytest.raises(CommandError) as deaf:
            await call(house.bus, HearWebhook(shop="farm", headers={}, body=""))
        assert deaf.value.fault is Fault.NOT_FOUND


async def test_a_bridge_without_shops_answers(house: House) -> None:
    async with house.bridge(none=True):
        assert (await call(house.bus, ListShops())).shops == []
        assert await house.found("빵") == []
        assert (await call(house.bus, WatchProducts(ids=["0000000000000000"]))).products == []

"""Cards of a show from plan to replay: a studio over a bus, with a media and a bridge that behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.contracts.channels import WorkerStarted
from runtime.bus.calls import events, publish
from runtime.bus.contract import Fault
from runtime.bus.local import LocalBus
from runtime.migrations import upgrade
from studio.adapters.migrations import BRANCH
from studio.contracts.cards import (
    CardsChanged,
    EndSale,
    GetCards,
    HideCard,
    LineupItem,
    PinCard,
    PutLineup,
    ShowCard,
    StartSale,
    UnpinCard,
)
from studio.contracts.shows import DeleteShow, ShowState, StartShow, StopShow
from tests.support import databases
from tests.support.card_house import DEADLINE, CardHouse, card, on_picture, refused
from tests.support.media_owner import AHEAD
from tests.support.product_owner import product

HOUR = 3_600_000_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[CardHouse]:
    bus = LocalBus()
    async with databases.fresh("sqlite", tmp_path) as database:
        await upgrade(database, [BRANCH])
        house = CardHouse(bus, database, tmp_path)
        async with house.media.serving(), house.shop.serving():
            yield house
    await bus.close()


async def test_a_show_sells_from_plan_to_replay_over_a_restart_of_the_studio(house: CardHouse) -> None:
    async with house.studio(crash=True):
        show = await house.planned("bread", "rice", talking_points="오늘만", sale_price=7_000)
        view = await house.cards(show)
        assert [(each.product.title, each.state) for each in view.cards] == [
            ("상품 bread", "queued"),
            ("상품 rice", "queued"),
        ]
        assert (view.version, view.cards[0].talking_points, view.cards[0].sale_price) == (1, "오늘만", 7_000)
        live = await house.ask(StartShow(show=show))
        await house.ask(PinCard(show=show, product="rice", cause="desk"))
        await house.ranges(1)
        shown = await house.ask(ShowCard(show=show, product="bread"))
        assert [each.state for each in shown.cards] == ["shown", "pinned"]
        await house.ask(StartSale(show=show, product="bread", price=7_000, seconds=600, quantity=3))
        await house.shop.change("bread", saleable=4)
        view = await house.until(show, lambda cards: card(cards, "bread").product.saleable == 4)
        before = view
        await house.types(show, 4)

    async with house.studio():
        view = await house.until(show, lambda cards: cards.cards[0].product.saleable == 4)
        assert view == before
        await house.shop.change("bread", saleable=0)
        view = await house.until(show, lambda cards: card(cards, "bread").state == "sold_out")
        assert card(view, "bread").sale is None  # three were sold
        await house.ask(HideCard(show=show, product="bread"))
        assert on_picture(await house.cards(show)) == "rice"
        over = await house.ask(StopShow(show=show))
        replay = await house.cards(show)

    async with house.studio():
        assert await house.cards(show) == replay  # read from the log
        entries = await house.entries(show)
    assert [each.type for each in entries] == [
        "card.lineup",
        "card.pinned",
        "card.shown",
        "sale.started",
        "card.sold_out",
        "sale.ended",
        "card.hidden",
    ]
    assert [(each.product, each.pinned, each.price, each.list_price) for each in replay.moments] == [
        ("rice", True, 30_000, 40_000),
        ("bread", False, 10_000, 0),
        ("bread", False, 7_000, 10_000),
        ("bread", False, 10_000, 0),
        ("rice", True, 30_000, 40_000),
    ]
    times = [each.time for each in replay.moments]
    assert times == sorted(times)
    assert live.started <= times[0]
    assert times[-1] <= over.ended
    ranges = house.media.ranges["main"]
    assert ranges[0].attributes == {"X-PRODUCT": "rice", "X-TITLE": "상품 rice", "X-PRICE": "30000"}
    assert (ranges[0].class_, ranges[0].starts, ranges[0].duration) == ("kr.gachi.card", times[0], None)
    assert {each.starts for each in ranges} <= set(times)


async def test_entries_say_who_when_and_what_it_cost(house: CardHouse) -> None:
    async with house.studio():
        live = await house.live("rice")
        await house.ask(ShowCard(show=live.id, product="rice", cause="api:minji"))
        await house.types(live.id, 2)
        lineup, shown = await house.entries(live.id)
    assert lineup.data["items"][0]["title"] == "상품 rice"
    assert lineup.data["items"][0]["url"] == "https://shop.example/rice"
    assert shown.data == {
        "product": "rice",
        "cause": "api:minji",
        "title": "상품 rice",
        "price": 30_000,
        "list_price": 40_000,
    }
    assert abs(shown.time - shown.at - AHEAD) < 50_000


async def test_two_hosts_at_once_and_commands_said_twice(house: CardHouse) -> None:
    async with house.studio():
        live = await house.live("bread", "rice")
        show = live.id
        pins = [PinCard(show=show, product=each) for each in ("bread", "rice")] * 5
        await asyncio.gather(*(house.ask(each) for each in pins))
        view = await house.cards(show)
        assert sum(each.state == "pinned" for each in view.cards) == 1
        assert sum(bool(each.pinned) for each in view.moments[-1:]) == 1
        pinned = on_picture(view)
        count = len(await house.types(show, len(view.moments)))
        for again in (PinCard(show=show, product=pinned), HideCard(show=show, product="tea")):
            assert await house.ask(again) == view
        sale = StartSale(show=show, product="bread", price=9_000, seconds=60)
        first, second = await house.ask(sale), await house.ask(sale)
        assert first == second
        assert (await refused(house, sale.model_copy(update={"price": 8_000}))).fault is Fault.CONFLICT
        assert (await refused(house, sale.model_copy(update={"product": "tea"}))).fault is Fault.CONFLICT
        high = StartSale(show=show, product="rice", price=30_000, seconds=60)
        assert (await refused(house, high)).field == "price"
        for _ in range(2):
            ended = await house.ask(EndSale(show=show, product="bread"))
            assert card(ended, "bread").sale is None
        assert len(await house.types(show, count + 2)) == count + 2
        await house.ask(StopShow(show=show))
        late = await refused(house, UnpinCard(show=show, product=pinned))
        assert (late.fault, str(late)) == (Fault.CONFLICT, "the show has ended")


async def test_before_a_show_starts_nothing_is_shown(house: CardHouse) -> None:
    async with house.studio():
        show = await house.planned("bread")
        early = await refused(house, ShowCard(show=show, product="bread"))
        assert (early.fault, str(early)) == (Fault.CONFLICT, "the show has not started")
        assert (await refused(house, ShowCard(show="none", product="bread"))).fault is Fault.NOT_FOUND
        assert (await refused(house, GetCards(show="none"))).fault is Fault.NOT_FOUND


async def test_a_lineup_is_replaced_whole_by_whoever_knows_its_version(house: CardHouse) -> None:
    async with house.studio():
        show = await house.planned("bread", "rice")
        tea = [LineupItem(product="tea")]
        stale = await refused(house, PutLineup(show=show, version=0, items=tea))
        assert (stale.fault, stale.field) == (Fault.CONFLICT, "version")
        put = await house.ask(PutLineup(show=show, version=1, items=tea))
        assert (put.version, [each.product.id for each in put.cards]) == (2, ["tea"])
        strange = PutLineup(show=show, items=[*tea, LineupItem(product="strange")])
        wrong = await refused(house, strange)
        assert (wrong.fault, wrong.field) == (Fault.INVALID, "items.1.product")
        twice = await refused(house, PutLineup(show=show, items=tea * 2))
        assert (twice.fault, twice.field) == (Fault.INVALID, "items")
        long = LineupItem(product="tea", talking_points="말" * 2000)
        many = [long.model_copy(update={"product": f"p{number}"}) for number in range(60)]
        assert (await refused(house, PutLineup(show=show, items=many))).fault is Fault.INVALID

        await house.ask(StartShow(show=show))
        await house.ask(ShowCard(show=show, product="tea"))
        without = await refused(house, PutLineup(show=show, items=[LineupItem(product="bread")]))
        assert (without.fault, without.field) == (Fault.CONFLICT, "items")
        items = [LineupItem(product="bread"), *tea]
        more = await house.ask(PutLineup(show=show, version=2, items=items))
        assert [(each.product.id, each.state) for each in more.cards] == [
            ("bread", "queued"),
            ("tea", "shown"),
        ]
        assert await house.types(show, 3) == ["card.lineup", "card.shown", "card.lineup"]
        house.shop.put(product("bad", missing=["phone"]))
        bad = await refused(house, PutLineup(show=show, items=[*items, LineupItem(product="bad")]))
        assert (bad.fault, bad.field) == (Fault.CONFLICT, "products")
        await house.ask(StopShow(show=show))
        assert (await refused(house, PutLineup(show=show, items=[]))).fault is Fault.CONFLICT
        await house.ask(DeleteShow(show=show))
        assert (await refused(house, GetCards(show=show))).fault is Fault.NOT_FOUND


async def test_a_show_whose_products_lack_what_the_law_wants_does_not_start(house: CardHouse) -> None:
    house.shop.put(
        product("bad", title="김치", missing=["seller", "phone"]), product("old", title="떡", gone=True)
    )
    async with house.studio():
        show = await house.planned("bread", "bad", "old")
        error = await refused(house, StartShow(show=show))
        assert error.fault is Fault.CONFLICT
        assert str(error) == (
            "the show was not started: “김치” lacks seller, phone; “떡” is no longer offered by its shop"
        )
        assert not house.media.recordings
        house.shop.put(product("bad"), product("old"))
        assert (await house.ask(StartShow(show=show))).state is ShowState.LIVE


async def test_what_is_sold_out_at_the_start_says_so(house: CardHouse) -> None:
    house.shop.put(product("bread", saleable=0))
    async with house.studio():
        live = await house.live("bread")
        assert (await house.cards(live.id)).cards[0].state == "sold_out"
        await house.shop.change("bread", saleable=1)
        await house.until(live.id, lambda cards: cards.cards[0].state == "queued")
        assert await house.types(live.id, 3) == ["card.lineup", "card.sold_out", "card.back"]


async def test_a_show_without_products_starts_whatever_the_bridge_does(house: CardHouse) -> None:
    house.shop.answering.clear()
    async with house.studio():
        empty = await house.live()
        assert (await house.cards(empty.id)).cards == []
        assert await house.entries(empty.id) == []
        await house.ask(StopShow(show=empty.id))
        show = await house.planned("bread")
        error = await refused(house, StartShow(show=show))
        assert error.fault is Fault.UNAVAILABLE
        house.shop.answering.set()
        await house.ask(StartShow(show=show))


async def test_a_bridge_that_is_away_takes_no_card_away(house: CardHouse) -> None:
    async with house.studio():
        live = await house.live("rice")
        house.shop.answering.clear()
        view = await house.ask(ShowCard(show=live.id, product="rice"))
        assert view.cards[0].product == house.shop.products["rice"]
        await house.types(live.id, 2)
    async with house.studio():
        view = await house.until(live.id, lambda _: True)
        known = view.cards[0].product
        assert (known.title, known.price, known.list_price) == ("상품 rice", 30_000, 40_000)
        assert (known.url, known.saleable, view.cards[0].state) == (
            "https://shop.example/rice",
            None,
            "shown",
        )
        house.shop.answering.set()


async def test_a_media_that_is_away_delays_nothing_and_is_told_later(house: CardHouse) -> None:
    async with house.studio(media_timeout=60):
        live = await house.live("bread", "rice")
        house.media.answering.clear()
        async with asyncio.timeout(DEADLINE):  # less than the media's time-out
            for each in ("bread", "rice"):
                await house.ask(ShowCard(show=live.id, product=each))
        house.media.answering.set()
        ranges = await house.ranges(1)
        await publish(house.bus, WorkerStarted(channel="main", epoch=2, anchor=1))
        count = len(ranges)
        assert (await house.ranges(count + 1))[-1].attributes["X-PRODUCT"] == "rice"


async def test_a_range_opens_with_its_card_and_is_closed_under_the_same_id(house: CardHouse) -> None:
    house.shop.put(product("bread", title='빵 "특가"\n하나 더'))
    async with house.studio():
        live = await house.live("bread", "rice")
        await house.ask(ShowCard(show=live.id, product="bread"))
        await house.ranges(1)
        view = await house.ask(ShowCard(show=live.id, product="rice"))
        first, second = view.moments
        opened, closed, then = await house.ranges(3)
        assert opened.attributes["X-TITLE"] == "빵 ”특가” 하나 더"
        assert closed == opened.model_copy(update={"duration": (second.time - first.time) / 1_000_000})
        assert (then.starts, then.duration) == (second.time, None)
        over = await house.ask(StopShow(show=live.id))
        last = (await house.ranges(4))[-1]
        assert (last.id, last.starts + round((last.duration or 0) * 1e6)) == (then.id, over.ended)


async def test_a_product_is_deleted_while_it_is_shown(house: CardHouse) -> None:
    async with house.studio():
        live = await house.live("bread", "rice")
        await house.ask(PinCard(show=live.id, product="rice"))
        await house.ask(ShowCard(show=live.id, product="bread"))
        await house.shop.change("bread", gone=True)
        view = await house.until(live.id, lambda cards: card(cards, "bread").product.gone)
        assert (on_picture(view), card(view, "bread").state) == ("rice", "sold_out")
        error = await refused(house, ShowCard(show=live.id, product="bread"))
        assert (error.fault, str(error)) == (
            Fault.CONFLICT,
            "“상품 bread” is no longer offered by its shop",
        )
        await house.shop.change("bread", gone=False)
        await house.until(live.id, lambda cards: card(cards, "bread").state == "hidden")
        assert (await house.types(live.id, 6))[-3:] == ["card.sold_out", "card.hidden", "card.back"]


async def test_a_price_changes_during_a_sale(house: CardHouse) -> None:
    async with house.studio():
        live = await house.live("bread")
        await house.ask(ShowCard(show=live.id, product="bread"))
        await house.ask(StartSale(show=live.id, product="bread", price=8_000, seconds=60))
        await house.shop.change("bread", price=12_000)
        view = await house.until(live.id, lambda cards: cards.cards[0].product.price == 12_000)
        sale = view.cards[0].sale
        assert sale is not None
        assert (sale.price, view.moments[-1].price, view.moments[-1].list_price) == (8_000, 8_000, 12_000)
        await house.shop.change("bread", price=6_000)
        view = await house.until(live.id, lambda cards: cards.cards[0].sale is None)
        assert view.moments[-1].price == 6_000
        assert (await house.entries(live.id))[-1].data["cause"] == "price"


async def test_a_sale_ends_by_itself_and_everybody_is_told(house: CardHouse) -> None:
    async with house.studio(), events(house.bus, CardsChanged) as told:
        live = await house.live("bread")
        await house.ask(ShowCard(show=live.id, product="bread"))
        view = await house.ask(StartSale(show=live.id, product="bread", price=8_000, seconds=10))
        sale = view.cards[0].sale
        assert sale is not None
        assert sale.ends - sale.started == 10_000_000
        house.clock.run_on(11)
        async with asyncio.timeout(DEADLINE):
            async for event in told:
                if (
                    event.cards.moments
                    and event.cards.moments[-1].price == 10_000
                    and len(event.cards.moments) == 3
                ):
                    assert event.cards == await house.cards(live.id)
                    break
        assert (await house.entries(live.id))[-1].data["cause"] == "time"


async def test_changes_of_a_moment_are_told_as_one(house: CardHouse) -> None:
    async with house.studio(), events(house.bus, CardsChanged) as told:
        live = await house.live("bread", "rice")
        house.clock.free.clear()
        for each in ("bread", "rice"):
            await house.ask(ShowCard(show=live.id, product=each))
        view = await house.ask(ShowCard(show=live.id, product="bread"))
        house.clock.free.set()
        async with asyncio.timeout(DEADLINE):
            async for event in told:
                assert len(event.cards.moments) in {0, 3}
                if event.cards == view:
                    break


@pytest.mark.parametrize("by", [-HOUR, HOUR])
async def test_the_servers_clock_is_set_during_a_sale(house: CardHouse, by: int) -> None:
    async with house.studio():
        live = await house.live("bread", "rice")
        await house.ask(ShowCard(show=live.id, product="bread"))
        view = await house.ask(StartSale(show=live.id, product="bread", price=8_000, seconds=300))
        before = view.cards[0].sale
        house.clock.by = by
        view = await house.ask(ShowCard(show=live.id, product="rice"))
        moved = card(view, "bread").sale
        assert moved is not None
        assert (moved.id, moved.ends - moved.started) == (before.id, 300_000_000)
        assert abs(moved.ends - before.ends - by) < 50_000_000
        times = [each.time for each in view.moments]
        assert times == sorted(times)
        assert times[-1] - times[0] < 50_000_000  # programme time is nobody's wall clock
        assert "sale.moved" in await house.types(live.id, 5)


async def test_news_that_matter_to_nobody_are_not_in_the_log(house: CardHouse) -> None:
    async with house.studio():
        live = await house.live("bread")
        await house.until(live.id, lambda cards: cards.cards[0].product.saleable == 5)
        assert "bread" in house.shop.watched
        await house.shop.change("bread", saleable=2, description="새로")
        await house.shop.change("bread", saleable=1)
        await house.until(live.id, lambda cards: cards.cards[0].product.saleable == 1)
        old = house.shop.products["bread"].model_copy(update={"saleable": 9, "seen": 1})
        await house.shop.change("bread", **old.model_dump(include={"saleable", "seen"}))
        await house.shop.change("rice", saleable=1)
        assert (await house.cards(live.id)).cards[0].product.saleable == 1
        assert await house.types(live.id, 1) == ["card.lineup"]

"""A show's cards over HTTP, and as they are told live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from commerce_bridge.cards.state import Cards, Facts, Item, Lineup
from studio.cards.views import view_of
from studio.contracts.cards import CardsView, Moment
from tests.support.card_owner import no_link
from tests.support.following import Follower
from tests.support.product_owner import product
from tests.support.sites import ADMIN, Site, site
from web.api.cards import cards_of
from web.realtime.state import Board, Store

V1 = "/api/v1"
DEADLINE = 10.0


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        made.owners.cards.products = {
            "bread": product("bread", description="맛있는 빵", image="https://shop.example/bread.png"),
            "rice": product("rice", 30_000, list_price=40_000, saleable=None),
        }
        await made.ask("POST", f"{V1}/channels", json={"id": "main"}, status=201)
        await made.ask("POST", f"{V1}/shows", json={"title": "장날", "channel": "main"}, status=201)
        yield made


ITEMS = [{"product": "bread", "talking_points": "오늘만", "sale_price": 7_000}, {"product": "rice"}]


async def lined_up(live: Site, **more: Any) -> dict[str, Any]:
    put: dict[str, Any] = await live.ask("PUT", f"{V1}/shows/s1/lineup", json={"items": ITEMS}, **more)
    return put


async def started(live: Site) -> None:
    await lined_up(live)
    await live.ask("POST", f"{V1}/shows/s1/start")


async def test_a_lineup_is_put_and_what_the_host_means_to_say_is_not_everybodys(live: Site) -> None:
    put = await lined_up(live)
    assert (put["version"], put["moments"]) == (1, [])
    first, second = put["cards"]
    assert (first["talking_points"], first["sale_price"], second["sale_price"]) == ("오늘만", 7_000, None)
    assert (first["state"], first["buy"]) == ("queued", None)
    assert first["product"]["picture"].startswith("/pictures/bread/")
    assert second["product"]["picture"] is None
    assert await live.ask("GET", f"{V1}/shows/s1/cards") == put
    guest = await live.ask("GET", f"{V1}/shows/s1/cards", token=None)
    assert "오늘만" not in json.dumps(guest, ensure_ascii=False)
    assert [each["sale_price"] for each in guest["cards"]] == [None, None]
    assert guest["cards"][0]["product"] == first["product"]


async def test_a_stale_lineup_is_refused(live: Site) -> None:
    await lined_up(live)
    stale = await lined_up(live, headers={"If-Match": '"0"'}, status=412)
    assert stale["type"] == "/problems/stale"
    assert (await lined_up(live, headers={"If-Match": '"1"'}))["version"] == 1
    twice = {"items": [ITEMS[1], ITEMS[1]]}
    wrong = await live.ask("PUT", f"{V1}/shows/s1/lineup", json=twice, status=422)
    assert wrong["type"] == "/problems/invalid"
    await live.ask("PUT", f"{V1}/shows/none/lineup", json={"items": ITEMS}, status=404)


async def test_cards_are_shown_pinned_and_sold(live: Site) -> None:
    base = f"{V1}/shows/s1/cards"
    await lined_up(live)
    await live.ask("POST", f"{base}/bread/show", status=409)
    await live.ask("POST", f"{V1}/shows/s1/start")
    await live.ask("POST", f"{base}/rice/pin")
    shown = await live.ask("POST", f"{base}/bread/show")
    assert [each["state"] for each in shown["cards"]] == ["shown", "pinned"]
    moments = [
        (each["product"], each["pinned"], each["price"], each["list_price"]) for each in shown["moments"]
    ]
    assert moments == [("rice", True, 30_000, 40_000), ("bread", False, 10_000, None)]
    body = {"price": 7_000, "seconds": 60, "quantity": 3}
    sale = (await live.ask("POST", f"{base}/bread/sale", json=body))["cards"][0]["sale"]
    assert (sale["price"], sale["quantity"], sale["per_buyer"]) == (7_000, 3, None)
    high = await live.ask("POST", f"{base}/rice/sale", json={"price": 30_000, "seconds": 60}, status=422)
    assert high["field"] == "price"
    await live.ask("POST", f"{base}/bread/sale", json={"price": 1, "seconds": 9}, status=422)
    for _ in range(2):
        over = await live.ask("DELETE", f"{base}/bread/sale")
        assert over["cards"][0]["sale"] is None
    hidden = await live.ask("POST", f"{base}/bread/hide")
    assert hidden["moments"][-1]["product"] == "rice"
    empty = await live.ask("POST", f"{base}/rice/unpin")
    assert empty["moments"][-1]["product"] is None
    await live.ask("POST", f"{base}/tea/show", status=409)


async def test_everybody_is_told_of_the_cards_of_live_shows(live: Site) -> None:
    guest = await Follower.connect(live.client, live.url, ["cards"])
    host = await Follower.connect(live.client, live.url, ["cards"], token=ADMIN)

    async def told(follower: Follower, **fields: object) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            while True:
                found: dict[str, Any] | None = follower.documents.topics.get("cards", {}).get("s1")
                if found and all(found[name] == value for name, value in fields.items()):
                    return found
                await follower.read()

    try:
        await lined_up(live)
        await live.ask("POST", f"{V1}/shows/s1/start")
        await live.ask("POST", f"{V1}/shows/s1/cards/bread/show")
        listed = await live.ask("GET", f"{V1}/shows/s1/cards")
        assert await told(host, moments=listed["moments"]) == listed
        seen = await told(guest, moments=listed["moments"])
        assert seen == await live.ask("GET", f"{V1}/shows/s1/cards", token=None)
        await live.owners.cards.tell(product("bread", saleable=0))
        async with asyncio.timeout(DEADLINE):
            while guest.documents.topics["cards"]["s1"]["cards"][0]["state"] != "sold_out":
                await guest.read()
    finally:
        await guest.close()
        await host.close()


def big() -> CardsView:
    """A show of a hundred products, five hundred moments into it."""
    names = [f"p{number}" for number in range(100)]
    views = {name: product(name, description="가" * 200) for name in names}
    cards = Cards(
        lineup=Lineup(tuple(Item(name, "말" * 200) for name in names), 1),
        facts={name: Facts(view.title, view.price) for name, view in views.items()},
    )
    moments = [
        Moment(
            seq=n, time=1_795_000_000_000_000 + n, product=names[n % 100], pinned=False, price=1, list_price=0
        )
        for n in range(500)
    ]
    return view_of("s1", cards, moments, views)


def test_a_change_of_stock_does_not_send_the_moments_again() -> None:
    store, board = Store(10), Board("cards", known=True)
    view = big()
    store.put(board, "s1", cards_of(view, no_link, inside=False).model_dump(mode="json"))
    before = store.offset
    one = view.cards[3]
    sold = one.model_copy(update={"product": one.product.model_copy(update={"saleable": 4})})
    changed = view.model_copy(update={"cards": [*view.cards[:3], sold, *view.cards[4:]]})
    store.put(board, "s1", cards_of(changed, no_link, inside=False).model_dump(mode="json"))
    delta = store.since([board], before)
    assert delta is not None
    assert set(json.loads(delta.set["cards"]["s1"])) == {"cards"}

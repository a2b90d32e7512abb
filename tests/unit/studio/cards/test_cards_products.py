from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runtime.bus.local import LocalBus
from studio.cards.products import AT_ONCE, AWAY, FRESH, KEPT, ProductDesk
from tests.support.product_owner import ProductOwner, product


class World:
    def __init__(self, bus: LocalBus) -> None:
        self.now = 100.0
        self.shop = ProductOwner(bus)
        self.desk = ProductDesk(bus, clock=lambda: self.now, timeout=0.05)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    bus = LocalBus()
    world = World(bus)
    async with world.shop.serving():
        yield world
    await bus.close()


async def test_many_are_asked_for_in_pieces_and_told_in_the_order_asked(world: World) -> None:
    names = [f"p{number}" for number in range(2 * AT_ONCE + 1)]
    world.shop.put(*(product(name) for name in names))
    look = await world.desk.look([*names[::-1], "none"])
    assert look.answered
    assert list(look.views) == names[::-1]


async def test_what_was_told_a_moment_ago_is_not_asked_for_again(world: World) -> None:
    world.shop.put(product("a"))
    await world.desk.look(["a"])
    world.shop.put(product("a", 9_000, seen=2))
    assert (await world.desk.look(["a"])).views["a"].price == 10_000
    assert (await world.desk.look(["a"], fresh=True)).views["a"].price == 9_000
    world.shop.put(product("a", 8_000, seen=3))
    world.now += FRESH
    assert (await world.desk.look(["a"])).views["a"].price == 8_000


async def test_a_bridge_that_is_away_is_waited_for_once(world: World) -> None:
    world.shop.put(product("a"))
    await world.desk.look(["a"])
    world.shop.answering.clear()
    world.now += FRESH
    look = await world.desk.look(["a", "b"])
    assert (look.answered, list(look.views)) == (False, ["a"])
    asked = world.shop.asked
    assert not (await world.desk.look(["a", "b"])).answered
    assert world.shop.asked == asked
    world.shop.answering.set()
    world.now += AWAY
    assert (await world.desk.look(["a", "b"])).answered


async def test_news_are_what_differs_and_old_ones_are_none(world: World) -> None:
    desk = world.desk
    assert desk.learn(product("a", seen=5))
    assert not desk.learn(product("a", seen=6))  # told again, the same
    assert not desk.learn(product("a", saleable=1, seen=5))  # overtaken
    assert desk.learn(product("a", saleable=1, seen=7))
    known = desk.known("a")
    assert known is not None
    assert known.saleable == 1


async def test_so_many_are_remembered(world: World) -> None:
    for number in range(KEPT + 1):
        world.desk.learn(product(f"p{number}"))
    assert world.desk.known("p0") is None
    assert world.desk.known("p1") is not None

"""What every store of lineups does, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commerce_bridge.cards.state import Item, Lineup
from runtime.database import Database
from runtime.migrations import upgrade
from studio.adapters.migrations import BRANCH
from studio.adapters.sql_lineups import SqlLineupStore
from studio.model.errors import ConflictError, StoreError
from studio.ports import LineupStore
from tests.support import databases

BREAD = Item("bread", "갓 구운 빵 “하나 더”\n두 줄", 9_900)
RICE = Item("rice")


@pytest.fixture(params=databases.KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LineupStore]:
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [BRANCH])
        yield SqlLineupStore(database)


async def test_a_lineup_comes_back_as_it_was_kept_in_its_order(store: LineupStore) -> None:
    assert await store.get("s1") == Lineup()
    first = Lineup((RICE, BREAD), 1)
    await store.put("s1", first, was=0)
    assert await store.get("s1") == first
    second = Lineup((BREAD,), 2)
    await store.put("s1", second, was=1)
    assert await store.get("s1") == second
    assert await store.get("s2") == Lineup()


async def test_one_that_was_changed_meanwhile_is_not_replaced(store: LineupStore) -> None:
    with pytest.raises(ConflictError):
        await store.put("s1", Lineup((BREAD,), 5), was=4)
    kept = Lineup((BREAD,), 1)
    await store.put("s1", kept, was=0)
    for was in (0, 2):
        with pytest.raises(ConflictError):
            await store.put("s1", Lineup((RICE,), 3), was=was)
    assert await store.get("s1") == kept


async def test_an_emptied_lineup_keeps_its_version_and_a_removed_one_does_not(store: LineupStore) -> None:
    await store.put("s1", Lineup((BREAD,), 1), was=0)
    await store.put("s1", Lineup((), 2), was=1)
    assert await store.get("s1") == Lineup((), 2)
    await store.delete("s1")
    await store.delete("s1")
    assert await store.get("s1") == Lineup()


async def test_a_database_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:  # no tables
        with pytest.raises(StoreError):
            await SqlLineupStore(database).get("s1")

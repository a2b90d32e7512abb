"""What every store of shows does, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.database import Database
from runtime.migrations import upgrade
from studio.adapters.migrations import BRANCH
from studio.adapters.sql import SqlShowStore
from studio.model.errors import ConflictError, NotFoundError, StoreError
from studio.model.show import Show, ShowState, begin, draft, end, went_live
from studio.ports import ShowStore
from tests.support import databases


@pytest.fixture(params=databases.KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ShowStore]:
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [BRANCH])
        yield SqlShowStore(database)


def planned(name: str, created: int = 1, channel: str = "main") -> Show:
    return draft(show=name, title="빵", channel=channel, created=created)


async def made_live(store: ShowStore, show: Show, started: int = 5) -> Show:
    live = went_live(begin(show), started=started)
    await store.save(live, was=show)
    return live


async def test_a_show_comes_back_as_it_was_kept(store: ShowStore) -> None:
    show = planned("s1", created=1_795_000_000_123_456)
    await store.add(show)
    assert await store.get("s1") == show
    live = await made_live(store, show, started=1_795_000_000_999_999)
    assert await store.get("s1") == live
    with pytest.raises(ConflictError):
        await store.add(show)
    with pytest.raises(NotFoundError):
        await store.get("s2")


async def test_a_save_over_something_else_is_refused(store: ShowStore) -> None:
    show = planned("s1")
    await store.add(show)
    pending = begin(show)
    await store.save(pending, was=show)
    with pytest.raises(ConflictError):
        await store.save(replace(show, title="other", version=2), was=show)
    assert await store.get("s1") == pending


async def test_the_database_holds_one_live_show_per_channel(store: ShowStore) -> None:
    first, second, elsewhere = planned("s1"), planned("s2"), planned("s3", channel="second")
    for show in (first, second, elsewhere):
        await store.add(show)
    live = await made_live(store, first)
    await made_live(store, elsewhere)
    with pytest.raises(ConflictError):
        await made_live(store, second)
    await store.save(end(live, ended=9), was=live)
    await made_live(store, second)


async def test_pages(store: ShowStore) -> None:
    for i in range(5):
        await store.add(planned(f"s{i}", created=100 + i // 2))
    first = await store.page(state=None, channel=None, limit=3, after=None)
    assert [s.id for s in first] == ["s4", "s3", "s2"]
    rest = await store.page(state=None, channel=None, limit=3, after=(first[-1].created, first[-1].id))
    assert [s.id for s in rest] == ["s1", "s0"]
    live = await made_live(store, rest[0])
    assert await store.page(state=ShowState.LIVE, channel="main", limit=3, after=None) == [live]
    assert await store.page(state=None, channel="other", limit=3, after=None) == []


async def test_what_is_unsettled_is_found(store: ShowStore) -> None:
    shows = [planned(f"s{i}", created=i, channel=f"c{i}") for i in range(3)]
    for show in shows:
        await store.add(show)
    pending = begin(shows[1])
    await store.save(pending, was=shows[1])
    live = await made_live(store, shows[2])
    assert await store.unsettled() == [pending, live]
    await store.delete("s1")
    await store.delete("s1")
    assert await store.unsettled() == [live]


async def test_a_database_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:  # no tables
        with pytest.raises(StoreError):
            await SqlShowStore(database).get("s1")

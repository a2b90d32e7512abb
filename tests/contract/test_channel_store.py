"""What a store of channels does, on each database."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.adapters.sql.channels import SqlChannelStore
from media.contracts.channels import ChannelSettings, Program
from media.model.errors import ConflictError, NotFoundError, StoreError
from media.node.store import ChannelRecord, ChannelStore
from tests.support import databases, media_database


@pytest.fixture(params=databases.KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChannelStore]:
    async with media_database.fresh(request.param, tmp_path) as database:
        yield SqlChannelStore(database.engine)


RECORD = ChannelRecord("main", ChannelSettings(name="부엌", rate="30000/1001"), 1, True, Program(feed="a"))


async def test_what_is_kept_comes_back_whole(store: ChannelStore) -> None:
    await store.add(RECORD)
    await store.add(dataclasses.replace(RECORD, id="another", program=Program()))
    assert [record.id for record in await store.all()] == ["another", "main"]
    assert await store.get("main") == RECORD


async def test_a_change_replaces_the_whole_record(store: ChannelStore) -> None:
    await store.add(RECORD)
    changed = dataclasses.replace(
        RECORD,
        settings=ChannelSettings(name="x"),
        version=2,
        wanted=False,
        program=Program(feed="b", backup="c"),
    )
    await store.save(changed)
    assert await store.get("main") == changed


async def test_an_id_is_taken_once(store: ChannelStore) -> None:
    await store.add(RECORD)
    with pytest.raises(ConflictError):
        await store.add(dataclasses.replace(RECORD, version=7))
    assert (await store.get("main")).version == 1


async def test_what_is_gone_is_gone(store: ChannelStore) -> None:
    with pytest.raises(NotFoundError):
        await store.get("main")
    with pytest.raises(NotFoundError):
        await store.save(RECORD)
    await store.add(RECORD)
    await store.remove("main")
    await store.remove("main")
    assert list(await store.all()) == []


async def test_reading_waits_for_no_writer_and_an_error_says_what_the_database_said(tmp_path: Path) -> None:
    # A worker reads its channel when it starts: it must not queue for the write lock behind a recorder or a sweep.
    async with media_database.fresh("sqlite", tmp_path, busy_timeout=0.2) as database:
        store = SqlChannelStore(database.engine)
        await store.add(RECORD)
        async with database.engine.begin():
            assert await store.get("main") == RECORD
            assert await store.all() == [RECORD]
            with pytest.raises(StoreError) as failed:
                await store.save(RECORD)
    assert "while changing a channel" in str(failed.value)
    assert str(failed.value).endswith("database is locked")

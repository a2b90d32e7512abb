"""What keeping feeds means, in memory and on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from media.adapters.sql.feeds import SqlFeedStore
from media.ingest.keys import hash_key
from media.ingest.store import FeedRecord, FeedStore, MemoryFeedStore
from media.model.errors import ConflictError, NotFoundError, StoreError
from media.model.feed import FeedKind, FeedSpec, SecondPublisher
from runtime.database import Database
from tests.support import databases, media_database


@pytest.fixture(params=["memory", *databases.KINDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FeedStore]:
    if request.param == "memory":
        yield MemoryFeedStore()
        return
    async with media_database.fresh(request.param, tmp_path) as database:
        yield SqlFeedStore(database.engine)


def record(feed: str, key: str | None = None) -> FeedRecord:
    spec = FeedSpec(
        feed,
        FeedKind.RTMP,
        "한 대의 카메라",
        SecondPublisher.TAKE_OVER,
        (("a", "1"), ("b", "둘")),
        "비밀 passphrase",
    )
    return FeedRecord(spec, hash_key(key) if key else None, 1, 1_795_375_963_343_272)


async def test_what_is_added_is_there(store: FeedStore) -> None:
    second, first = record("cam-2"), record("cam-1", "key-one")
    await store.add(second)
    await store.add(first)
    assert list(await store.all()) == [first, second]


async def test_ids_and_keys_are_unique(store: FeedStore) -> None:
    await store.add(record("cam-1", "key"))
    with pytest.raises(ConflictError) as taken:
        await store.add(record("cam-1", "other"))
    assert taken.value.field == "feed"
    with pytest.raises(ConflictError) as same_key:
        await store.add(record("cam-2", "key"))
    assert same_key.value.field == "stream_key"
    await store.add(record("cam-3"))
    await store.add(record("cam-4"))  # any number of feeds have no key
    with pytest.raises(ConflictError):
        await store.save(replace(record("cam-3", "key"), version=2), expected=1)


async def test_a_save_needs_the_version_it_was_made_from(store: FeedStore) -> None:
    kept = record("cam-1", "key")
    await store.add(kept)
    changed = replace(kept, spec=replace(kept.spec, name="새 이름"), version=2)
    await store.save(changed, expected=1)
    assert list(await store.all()) == [changed]
    with pytest.raises(ConflictError) as stale:
        await store.save(replace(changed, version=3), expected=1)
    assert stale.value.field == "version"
    with pytest.raises(NotFoundError):
        await store.save(record("cam-9"), expected=1)


async def test_what_is_removed_is_gone(store: FeedStore) -> None:
    await store.add(record("cam-1", "key"))
    await store.remove("cam-1")
    await store.remove("cam-1")
    assert list(await store.all()) == []
    await store.add(record("cam-2", "key"))


async def test_a_database_that_fails_is_a_store_error(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path / 'empty.db'}") as database:
        with pytest.raises(StoreError):
            await SqlFeedStore(database.engine).all()


async def test_a_secret_is_in_no_word_of_a_database_that_fails(tmp_path: Path) -> None:
    """SQLAlchemy's own text has the statement's values: a log would keep a camera's password."""
    async with databases.fresh("sqlite", tmp_path) as database:  # its tables were never made
        with pytest.raises(StoreError) as failed:
            await SqlFeedStore(database.engine).add(record("cam-1", "key"))
    assert "no such table" in str(failed.value)
    assert "passphrase" not in str(failed.value)

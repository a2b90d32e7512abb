"""What every segment store does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from media.adapters.obstore_store import ObstoreSegmentStore
from media.model.errors import NotFoundError, StoreError
from media.ports import SegmentStore

STORES: dict[str, Callable[[Path], SegmentStore]] = {
    "local": ObstoreSegmentStore.local,
    "memory": lambda _: ObstoreSegmentStore.memory(),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SegmentStore:
    return STORES[request.param](tmp_path / "tape")


async def test_what_is_put_is_got_whole_and_by_range(store: SegmentStore) -> None:
    data = bytes(range(256)) * 100
    await store.put("main/v360/1-0.m4s", data)
    assert await store.get("main/v360/1-0.m4s") == data
    assert await store.get_range("main/v360/1-0.m4s", 10, 20) == data[10:20]
    assert await store.get_range("main/v360/1-0.m4s", len(data) - 5, len(data) + 5) == data[-5:]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (9, 3), (1000, 1001), (-1, 2), (0, 1 << 70)])
async def test_an_empty_or_impossible_range_is_refused(store: SegmentStore, start: int, end: int) -> None:
    await store.put("a", b"x" * 100)
    with pytest.raises(StoreError):
        await store.get_range("a", start, end)


async def test_an_object_is_written_once(store: SegmentStore) -> None:
    await store.put("a/b", b"first")
    with pytest.raises(StoreError):
        await store.put("a/b", b"second")
    assert await store.get("a/b") == b"first"


async def test_of_two_that_put_at_once_one_wins_whole(store: SegmentStore) -> None:
    bodies = [bytes([n]) * 200_000 for n in range(8)]
    done = await asyncio.gather(*(store.put("race", body) for body in bodies), return_exceptions=True)
    won = [n for n, result in enumerate(done) if result is None]
    assert len(won) == 1
    assert all(isinstance(result, StoreError) for n, result in enumerate(done) if n not in won)
    assert await store.get("race") == bodies[won[0]]


async def test_what_is_not_there_is_not_found(store: SegmentStore) -> None:
    with pytest.raises(NotFoundError):
        await store.get("nothing")
    with pytest.raises(NotFoundError):
        await store.get_range("main/nothing", 0, 1)


async def test_keys_are_listed_by_folder_with_sizes(store: SegmentStore) -> None:
    for key in ("b/2", "b/1", "b/c/3", "bb/4"):
        await store.put(key, key.encode())
    assert await store.list("b") == [("b/1", 3), ("b/2", 3), ("b/c/3", 5)]
    assert [key for key, _ in await store.list("")] == ["b/1", "b/2", "b/c/3", "bb/4"]
    assert await store.list("nothing") == []


async def test_deleting_what_is_not_there_is_no_error(store: SegmentStore) -> None:
    await store.put("a/1", b"1")
    await store.put("a/2", b"2")
    await store.delete(["a/0", "a/1", "a/1", "b/0"])
    assert [key for key, _ in await store.list("")] == ["a/2"]


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a//b", "../a", "a/../b", "a/..", ".", "a\\b", "a b", "a/\0", "ü", "a/", "a%2e%2e", "x" * 200],
)
async def test_a_key_that_could_lead_elsewhere_is_refused(store: SegmentStore, key: str) -> None:
    with pytest.raises(StoreError):
        await store.put(key, b"x")
    with pytest.raises(StoreError):
        await store.get(key)
    with pytest.raises(StoreError):
        await store.delete([key])
    assert await store.list("") == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used for the tape"):
        ObstoreSegmentStore.local(tmp_path / "file" / "tape")


async def test_a_disk_that_hangs_is_an_error_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.adapters.obstore_store._READ_WITHIN", 0.2)
    store = ObstoreSegmentStore.local(tmp_path)
    os.mkfifo(tmp_path / "hangs")  # whoever opens it to read waits for somebody who writes
    with pytest.raises(StoreError, match="was not read"):
        await store.get("hangs")
    os.close(os.open(tmp_path / "hangs", os.O_RDWR))  # lets the library's thread go

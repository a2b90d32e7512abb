"""What every store of pictures does, on every adapter."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from commerce_bridge.adapters.picture_files import FilePictures
from commerce_bridge.adapters.picture_memory import MemoryPictures
from commerce_bridge.model.errors import InvalidError, StoreError
from commerce_bridge.pictures.ports import PictureStore

LIMIT = 1000
STORES: dict[str, Callable[[Path], PictureStore]] = {
    "file": lambda root: FilePictures(root, limit=LIMIT),
    "memory": lambda _: MemoryPictures(LIMIT),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PictureStore:
    return STORES[request.param](tmp_path / "pictures")


def name(number: int) -> str:
    return f"06abcdefghjkmnpq-{number:012x}"


def test_what_was_put_is_there(store: PictureStore) -> None:
    assert store.get(name(1)) is None
    store.put(name(1), b"a" * 300)
    store.put(name(2), b"b" * 300)
    assert store.get(name(1)) == b"a" * 300
    store.put(name(1), b"c" * 200)
    assert store.get(name(1)) == b"c" * 200
    assert store.get(name(2)) == b"b" * 300


def test_those_not_asked_for_longest_go(store: PictureStore) -> None:
    for number in (1, 2, 3):
        store.put(name(number), bytes(300))
    assert store.get(name(1))
    store.put(name(4), bytes(300))
    assert [number for number in (1, 2, 3, 4) if store.get(name(number))] == [1, 3, 4]
    store.put(name(5), bytes(LIMIT))
    assert [number for number in range(6) if store.get(name(number))] == [5]


def test_one_that_was_put_again_counts_once(store: PictureStore) -> None:
    for _ in range(10):
        store.put(name(1), bytes(400))
    store.put(name(2), bytes(600))
    assert store.get(name(1))
    assert store.get(name(2))


def test_files_are_taken_up_by_the_next_process_and_rubbish_is_not(tmp_path: Path) -> None:
    first = FilePictures(tmp_path, limit=LIMIT)
    for number in (1, 2, 3):
        first.put(name(number), bytes(300))
        os.utime(tmp_path / f"{name(number)}.jpg", ns=(0, 10**18 - number))
    left = tmp_path / f"{name(9)}.77.new"
    left.write_bytes(bytes(5000))
    os.utime(left, (0, 0))
    second = FilePictures(tmp_path, limit=LIMIT)
    second.put(name(4), bytes(300))
    assert second.get(name(3)) is None, "the one not asked for longest"
    assert second.get(name(1))
    assert {path.name for path in tmp_path.iterdir()} == {f"{name(number)}.jpg" for number in (1, 2, 4)}


def test_files_that_somebody_took_away_are_no_error(tmp_path: Path) -> None:
    store = FilePictures(tmp_path, limit=LIMIT)
    store.put(name(1), bytes(300))
    (tmp_path / f"{name(1)}.jpg").unlink()
    assert store.get(name(1)) is None
    for number in (2, 3, 4, 5):
        store.put(name(number), bytes(300))
    assert store.get(name(5))


@pytest.mark.parametrize(
    "bad", ["", "a", "../a-000000000000", "a/b-000000000000", "A-000000000000", "a-00000000000g"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, bad: str) -> None:
    store = FilePictures(tmp_path / "pictures")
    with pytest.raises(InvalidError):
        store.get(bad)
    with pytest.raises(InvalidError):
        store.put(bad, b"")


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file where the folder should be")
    store = FilePictures(tmp_path / "pictures")
    with pytest.raises(StoreError):
        store.put(name(1), b"a")
    with pytest.raises(StoreError):
        store.get(name(1))

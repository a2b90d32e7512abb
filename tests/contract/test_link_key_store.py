"""What every store of link keys does, on every adapter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commerce_bridge.adapters.link_key_file import FileLinkKeys
from commerce_bridge.adapters.link_key_memory import MemoryLinkKeys
from commerce_bridge.links.ports import LinkKeyStore
from commerce_bridge.links.tokens import LinkKey
from commerce_bridge.model.errors import StoreError

STORES: dict[str, Callable[[Path], LinkKeyStore]] = {
    "file": FileLinkKeys,
    "memory": lambda _: MemoryLinkKeys(),
}
KEYS = [LinkKey(1, b"a" * 32, made=1), LinkKey(2, b"b" * 32, made=2)]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LinkKeyStore:
    return STORES[request.param](tmp_path / "bridge" / "link-keys.json")


def test_there_are_none_at_first(store: LinkKeyStore) -> None:
    assert store.load() == []


def test_what_was_saved_is_loaded(store: LinkKeyStore) -> None:
    store.save(KEYS[:1])
    assert store.load() == KEYS[:1]
    store.save(KEYS)
    assert store.load() == KEYS


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    left = path.with_name("keys.json.new")
    left.touch(mode=0o644)  # of a process that died in the middle
    FileLinkKeys(path).save(KEYS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"keys": 1}',
        '{"keys": [{"id": 1}]}',
        json.dumps({"keys": [{"id": 1, "secret": "c2hvcnQ=", "made": 1}]}),
        json.dumps({"keys": [{"id": 300, "secret": "YWFh" * 10 + "YWE=", "made": 1}]}),
    ],
)
def test_a_file_that_is_spoilt_is_told_and_left(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(StoreError) as error:
        FileLinkKeys(path).load()
    assert "secret" not in str(error.value)
    assert path.read_text() == text


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "bridge").write_text("a file where the folder should be")
    with pytest.raises(StoreError):
        FileLinkKeys(tmp_path / "bridge" / "keys.json").save(KEYS)

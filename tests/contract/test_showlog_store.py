"""What every store of show logs does, on every adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.adapters.logfile import FileShowLogs
from studio.adapters.logmemory import MemoryShowLogs
from studio.contracts.shows import LogEntry
from studio.model.errors import ConflictError, StoreError
from studio.ports import ShowLogStore
from studio.showlog.lines import to_line

STORES: dict[str, Callable[[Path], ShowLogStore]] = {
    "file": FileShowLogs,
    "memory": lambda _: MemoryShowLogs(),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ShowLogStore:
    return STORES[request.param](tmp_path / "shows")


def entry(seq: int, text: str = "") -> LogEntry:
    return LogEntry(seq=seq, at=seq, time=seq, type="mark", data={"label": text})


def lines(first: int, last: int) -> bytes:
    return b"".join(to_line(entry(seq)) for seq in range(first, last + 1))


def test_what_is_appended_is_read_by_pages(store: ShowLogStore) -> None:
    log = store.open("s1")
    assert log.last is None
    assert log.torn == 0
    log.append(lines(1, 3))
    log.append(lines(4, 4))
    log.sync()
    assert store.read("s1", after=0, limit=100) == [entry(i) for i in (1, 2, 3, 4)]
    assert store.read("s1", after=1, limit=2) == [entry(2), entry(3)]
    assert store.read("s1", after=4, limit=2) == []
    log.close()


def test_a_log_is_taken_up_where_it_ended(store: ShowLogStore) -> None:
    log = store.open("s1")
    log.append(lines(1, 2))
    log.close()
    log = store.open("s1")
    assert log.last == entry(2)
    log.append(lines(3, 3))
    log.close()
    assert [e.seq for e in store.read("s1", after=0, limit=9)] == [1, 2, 3]


def test_there_is_one_writer(store: ShowLogStore) -> None:
    log = store.open("s1")
    log.append(lines(1, 1))
    with pytest.raises(ConflictError):
        store.open("s1")
    log.close()
    store.open("s1").close()


def test_a_log_that_never_began_is_empty_and_leaves_nothing(store: ShowLogStore, tmp_path: Path) -> None:
    store.open("s1").close()
    assert store.read("s1", after=0, limit=9) == []
    assert not (tmp_path / "shows").exists()


def test_logs_are_deleted_alone(store: ShowLogStore) -> None:
    for show in ("s1", "s2"):
        log = store.open(show)
        log.append(lines(1, 1))
        log.close()
    store.delete("s1")
    store.delete("s1")
    assert store.read("s1", after=0, limit=9) == []
    assert store.read("s2", after=0, limit=9) == [entry(1)]


def test_names_do_not_walk_out(tmp_path: Path) -> None:
    store = FileShowLogs(tmp_path / "shows")
    for name in ("../x", "/etc", "", "a/b", "."):
        with pytest.raises(StoreError):
            store.read(name, after=0, limit=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(st.text(max_size=400), min_size=1, max_size=80),
    data=st.data(),
)
def test_every_page_of_every_log_is_right(tmp_path: Path, texts: list[str], data: st.DataObject) -> None:
    """Bisection by byte offset must land right whatever the lines' lengths are, U+2028 and escapes included."""
    entries = [entry(i, text) for i, text in enumerate(texts, 1)]
    memory, file = MemoryShowLogs(), FileShowLogs(tmp_path / "paged")
    file.delete("s1")
    for each in (memory, file):
        log = each.open("s1")
        log.append(b"".join(map(to_line, entries)))
        log.close()
    after = data.draw(st.integers(0, len(entries) + 2))
    limit = data.draw(st.integers(1, len(entries) + 2))
    wanted = entries[after : after + limit]
    assert memory.read("s1", after=after, limit=limit) == wanted
    assert file.read("s1", after=after, limit=limit) == wanted


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(count=st.integers(1, 12), data=st.data())
def test_a_crash_at_any_byte_loses_the_torn_line_only(
    tmp_path: Path, count: int, data: st.DataObject
) -> None:
    content = lines(1, count)
    cut = data.draw(st.integers(0, len(content)))
    rubbish = data.draw(st.sampled_from([b"", b"\0" * 300, b"\xff{", b'{"seq":99}\n{"se']))
    path = tmp_path / "torn" / "s1" / "log.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content[:cut] + rubbish)
    whole = content[:cut].count(b"\n")

    store = FileShowLogs(tmp_path / "torn")
    log = store.open("s1")
    assert (log.last.seq if log.last else 0) == whole
    assert log.torn == cut + len(rubbish) - len(lines(1, whole))
    log.append(lines(whole + 1, whole + 2))
    log.close()
    assert store.read("s1", after=0, limit=99) == [entry(i) for i in range(1, whole + 3)]
    assert path.read_bytes() == lines(1, whole + 2)

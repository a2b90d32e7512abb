from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.adapters.logmemory import MemoryDisk, MemoryShowLogs
from studio.contracts.shows import LogEntry
from studio.model.errors import LogFullError
from studio.showlog import writer as module
from studio.showlog.lines import sound_prefix, to_line
from studio.showlog.writer import LogWriter

DEADLINE = 10.0


@dataclass
class Desk:
    writer: LogWriter
    disk: MemoryDisk
    told: list[LogEntry] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def append(self, type_: str = "mark", **data: Any) -> LogEntry:
        return self.writer.append(type_, at=1, time=2, data=data)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST", 0.01)
    monkeypatch.setattr(module, "RETRY_MOST", 0.02)


@asynccontextmanager
async def desk(disk: MemoryDisk, *, finish: bool = True, bound: int = 10_000) -> AsyncIterator[Desk]:
    told: list[LogEntry] = []
    troubles: list[str] = []
    file = MemoryShowLogs(disk).open("s1")
    writer = LogWriter(
        file, written=told.append, trouble=troubles.append, clock=time.monotonic, buffer_bytes=bound
    )
    task = asyncio.create_task(writer.run())
    try:
        yield Desk(writer, disk, told, troubles)
        if finish:
            writer.finish()
            async with asyncio.timeout(DEADLINE):
                await task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


async def test_entries_are_numbered_written_told_and_durable_in_order() -> None:
    disk = MemoryDisk()
    async with desk(disk) as it:
        entries = [it.append(n=n) for n in range(50)]
        assert await it.writer.settle(DEADLINE)
        assert [e.seq for e in entries] == list(range(1, 51))
        assert it.told == entries
        assert sound_prefix(disk.synced["s1"]).last == entries[-1]


async def test_the_disk_is_at_most_a_second_behind_though_entries_keep_coming() -> None:
    """A sync that waits for a pause in the writing would never come."""
    disk = MemoryDisk()
    async with desk(disk) as it:
        started, lag = time.monotonic(), 0.0
        written_at: dict[int, float] = {}
        while time.monotonic() - started < 2.0:
            written_at[it.append().seq] = time.monotonic()
            durable = sound_prefix(disk.synced.get("s1", b"")).last
            oldest = (durable.seq if durable else 0) + 1
            lag = max(lag, time.monotonic() - written_at[oldest])
            await asyncio.sleep(0.02)
        assert lag < 1.0


async def test_a_full_disk_is_told_once_and_nothing_is_lost_when_there_is_room_again() -> None:
    disk = MemoryDisk(room=150)  # takes the first entry and a part of the second
    async with desk(disk) as it:
        for n in range(5):
            it.append(n=n)
        await until(lambda: it.writer.figures.failures > 3)
        assert it.troubles == ["cannot write the log: No space left on device"]
        disk.room = 1 << 20
        assert await it.writer.settle(DEADLINE)
        assert it.troubles[1:] == [""]
        assert [e.seq for e in it.told] == [1, 2, 3, 4, 5]
    assert sound_prefix(bytes(disk.files["s1"])).last == it.told[-1]


async def test_a_failed_sync_writes_again_what_the_kernel_may_have_dropped() -> None:
    """After a failed fsync Linux marks the dirty pages clean: syncing again alone would claim what is not on disk."""
    disk = MemoryDisk()
    async with desk(disk) as it:
        it.append(n=1)
        disk.sync_fails = True
        await until(lambda: it.writer.figures.failures >= 1)
        disk.files["s1"].clear()  # what the kernel did
        disk.files["s1"].extend(b"")
        disk.sync_fails = False
        assert await it.writer.settle(DEADLINE)
        assert [e.seq for e in it.told] == [1]
    assert sound_prefix(disk.synced["s1"]).last == it.told[0]


async def test_beyond_the_bound_entries_are_refused_counted_and_told_of_without_a_hole() -> None:
    disk = MemoryDisk(room=0)
    async with desk(disk, bound=4096) as it:
        line = len(to_line(LogEntry(seq=1, at=1, time=2, type="mark")))
        while it.writer.figures.waiting_bytes + line + 3 <= 4096:  # 3: longer seqs
            it.append()
        taken = it.writer.seq
        assert taken > 10
        for _ in range(2):
            with pytest.raises(LogFullError):
                it.append("mark", label="xxx")
        assert it.writer.figures.waiting_bytes <= 4096
        disk.room = 1 << 20
        assert await it.writer.settle(DEADLINE)
        it.append("mark", label="after")
        assert await it.writer.settle(DEADLINE)
    assert [e.seq for e in it.told] == list(range(1, taken + 3))
    assert it.told[-2].type == "log.lost"
    assert it.told[-2].data == {"entries": 2}
    assert it.writer.figures.refused == 2


async def test_a_closed_writer_takes_nothing() -> None:
    async with desk(MemoryDisk()) as it:
        it.writer.finish()
        with pytest.raises(LogFullError):
            it.append()


async def test_cancelled_it_gives_the_file_up() -> None:
    disk = MemoryDisk()
    async with desk(disk, finish=False) as it:
        it.append()
        await until(lambda: it.told)
    assert not disk.owners


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["append", "full", "room", "bad", "good", "wait"]), max_size=25))
async def test_whatever_the_disk_does_the_log_is_a_prefix_without_a_hole(steps: list[str]) -> None:
    module.RETRY_FIRST, module.RETRY_MOST = 0.001, 0.002
    disk = MemoryDisk()
    async with desk(disk) as it:
        for step in steps:
            match step:
                case "append":
                    it.append(text="x" * 50)
                case "full":
                    disk.room = 70
                case "room":
                    disk.room = 1 << 20
                case "bad":
                    disk.sync_fails = True
                case "good":
                    disk.sync_fails = False
                case _:
                    await asyncio.sleep(0.002)
        disk.room, disk.sync_fails = 1 << 20, False
    last = sound_prefix(disk.synced.get("s1", b"")).last
    assert (last.seq if last else 0) == it.writer.seq == len(it.told)

"""The one writer of one show's log: gives out seqs, buffers while the disk is away, syncs at most a second behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.contracts.shows import LogEntry
from studio.model.errors import LogFullError, StoreError
from studio.ports import ShowLogFile
from studio.showlog.lines import to_line

SYNC_AFTER = 0.5
"""Seconds from an entry's writing to the fsync; with the fsync itself the log is at most a second behind."""
RETRY_FIRST, RETRY_MOST = 0.25, 5.0
"""Seconds between tries on a disk that takes nothing; doubled each time."""
BUFFER_BYTES = 4 << 20
"""Bytes of entries that may wait for the disk; about 20,000 entries. Beyond it new ones are refused and counted."""


@dataclass(slots=True)
class LogFigures:
    """Counters of one writer, for metrics and for staff."""

    entries: int = 0
    refused: int = 0
    failures: int = 0
    waiting_bytes: int = 0
    trouble: str = ""
    """Why the disk takes nothing now; empty while all is well."""


class LogWriter:
    """Append from the event loop; `run` does the disk work in threads and never raises for what the disk does.

    `written` is called for each entry once it is in the file, in order; `trouble` is called with a reason when the
    disk stops taking entries, and with an empty one when it does again.
    """

    def __init__(
        self,
        file: ShowLogFile,
        *,
        written: Callable[[LogEntry], None],
        trouble: Callable[[str], None],
        clock: Callable[[], float],
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._file = file
        self._tell = written
        self._trouble = trouble
        self._clock = clock
        self._bound = buffer_bytes
        self._seq = file.last.seq if file.last else 0
        self._told = self._seq
        self._waiting: deque[tuple[LogEntry, bytes]] = deque()
        """Everything that is not durable yet; the first `_in_file` of it are written."""
        self._in_file = 0
        self._unsynced_since = 0.0
        self._lost = 0
        self._closing = False
        self._hurry = False
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self.figures = LogFigures()

    @property
    def seq(self) -> int:
        """Seq of the newest entry; 0 where there is none."""
        return self._seq

    def append(self, type_: str, *, at: int, time: int, data: dict[str, Any]) -> LogEntry:
        """Take an entry. Raises `LogFullError` when the bound is reached: no seq is spent then, and a `log.lost`
        entry tells how many were refused as soon as there is room.
        """
        if self._closing:
            raise LogFullError("the log of this show is being closed")
        if self._lost:
            lost = LogEntry(
                seq=self._seq + 1, at=at, time=time, type="log.lost", data={"entries": self._lost}
            )
            if self._take(lost):
                self._lost = 0
        entry = LogEntry(seq=self._seq + 1, at=at, time=time, type=type_, data=data)
        if self._lost or not self._take(entry):
            self._lost += 1
            self.figures.refused += 1
            raise LogFullError(f"the log cannot be written: {self.figures.trouble or 'the disk is too slow'}")
        return entry

    def _take(self, entry: LogEntry) -> bool:
        line = to_line(entry)
        if self.figures.waiting_bytes + len(line) > self._bound:
            return False
        self._seq = entry.seq
        self._waiting.append((entry, line))
        self.figures.waiting_bytes += len(line)
        self.figures.entries += 1
        self._settled.clear()
        self._wake.set()
        return True

    async def settle(self, timeout: float) -> bool:
        """Wait until everything taken so far is durable; False when it is not in `timeout` seconds."""
        self._hurry = True
        self._wake.set()
        try:
            async with asyncio.timeout(timeout):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    def finish(self) -> None:
        """Take no more entries; `run` ends once everything is durable."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write until finished (or cancelled: then what waits for the disk is lost, and the file is closed)."""
        delay = RETRY_FIRST
        try:
            while self._waiting or not self._closing:
                try:
                    await self._step()
                except StoreError as error:
                    self.figures.failures += 1
                    self._report(str(error))
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, RETRY_MOST)
                else:
                    delay = RETRY_FIRST
        finally:
            # A thread may still be inside `append` after a cancellation; `close` waits for it on the file's own lock.
            await asyncio.shield(asyncio.to_thread(self._file.close))

    async def _step(self) -> None:
        """Sync what is due, or write what is new, or wait for either."""
        rest = self._unsynced_since + SYNC_AFTER - self._clock() if self._in_file else SYNC_AFTER
        if rest <= 0:  # before writing: entries that keep coming must not put the sync off
            await self._sync()
        elif self._in_file < len(self._waiting):
            await self._write()
        elif self._waiting and (self._closing or self._hurry):
            await self._sync()
        else:
            await self._woken(rest if self._waiting else None)

    async def _woken(self, timeout: float | None) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _write(self) -> None:
        fresh = [self._waiting[i] for i in range(self._in_file, len(self._waiting))]
        if not self._in_file:
            self._unsynced_since = self._clock()
        await asyncio.to_thread(self._file.append, b"".join(line for _, line in fresh))
        self._in_file += len(fresh)
        for entry, _ in fresh:
            if entry.seq > self._told:  # written a second time after a failed sync: told already
                self._told = entry.seq
                self._tell(entry)

    async def _sync(self) -> None:
        count = self._in_file
        try:
            await asyncio.to_thread(self._file.sync)
        except StoreError:
            self._in_file = 0
            raise
        for _ in range(count):
            _, line = self._waiting.popleft()
            self.figures.waiting_bytes -= len(line)
        self._in_file -= count
        self._report("")
        if not self._waiting:
            self._hurry = False
            self._settled.set()

    def _report(self, reason: str) -> None:
        if reason != self.figures.trouble:
            self.figures.trouble = reason
            self._trouble(reason)

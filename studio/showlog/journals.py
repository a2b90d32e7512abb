"""The open logs of the shows that are live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runtime import logs
from studio.contracts.shows import LogEntry
from studio.model.errors import LogFullError
from studio.ports import ShowLogStore
from studio.showlog.writer import BUFFER_BYTES, LogFigures, LogWriter

log = logs.get("studio.showlog")


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all logs, the closed ones included; `open` and `waiting_bytes` are of now."""

    open: int
    entries: int
    refused: int
    failures: int
    waiting_bytes: int


class Journal:
    """One open log. `refused` entries are counted and told by the log itself, never raised to a witness."""

    def __init__(
        self, show: str, writer: LogWriter, task: asyncio.Task[None], last: LogEntry | None, torn: int
    ) -> None:
        self.show = show
        self.writer = writer
        self.last = last
        """The newest entry found at the opening."""
        self.torn = torn
        """Bytes that a crash had left unfinished."""
        self.task = task

    def note(self, type_: str, *, at: int, time: int, data: dict[str, Any]) -> None:
        """Append; an entry that finds no room is counted and logged."""
        try:
            self.writer.append(type_, at=at, time=time, data=data)
        except LogFullError as error:
            log.warning("log entry refused", show=self.show, type=type_, error=str(error))


class Journals:
    """Opens, finds and closes journals. Their tasks belong to the task group that is passed in."""

    def __init__(
        self,
        store: ShowLogStore,
        tasks: asyncio.TaskGroup,
        *,
        written: Callable[[str, LogEntry], None],
        clock: Callable[[], float],
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._written = written
        self._clock = clock
        self._buffer_bytes = buffer_bytes
        self._open: dict[str, Journal] = {}
        self._writers: dict[asyncio.Task[None], LogFigures] = {}
        self._past = LogFigures()

    def find(self, show: str) -> Journal | None:
        """The open journal of a show."""
        return self._open.get(show)

    def figures(self) -> Totals:
        """What all logs came to since the start."""
        every = [self._past, *self._writers.values()]
        return Totals(
            open=len(self._open),
            entries=sum(f.entries for f in every),
            refused=sum(f.refused for f in every),
            failures=sum(f.failures for f in every),
            waiting_bytes=sum(f.waiting_bytes for f in every),
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        figures = self._writers.pop(task)
        self._past.entries += figures.entries
        self._past.refused += figures.refused
        self._past.failures += figures.failures

    async def open(self, show: str) -> Journal:
        """Open for writing; the open one where there is one. Called by one task at a time for one show.

        Raises `StoreError`, or `ConflictError` where another process has it open.
        """
        if journal := self._open.get(show):
            return journal
        file = await asyncio.to_thread(self._store.open, show)

        def written(entry: LogEntry) -> None:
            self._written(show, entry)

        def trouble(reason: str) -> None:
            if reason:
                log.error("a show log stands still", show=show, reason=reason)
            else:
                log.info("a show log is written again", show=show)

        writer = LogWriter(
            file, written=written, trouble=trouble, clock=self._clock, buffer_bytes=self._buffer_bytes
        )
        task = self._tasks.create_task(writer.run(), name=f"show log {show}")
        self._writers[task] = writer.figures
        task.add_done_callback(self._ended)
        if file.torn:
            log.warning("the end of a show log was torn and is cut off", show=show, bytes=file.torn)
        journal = Journal(show, writer, task, file.last, file.torn)
        self._open[show] = journal
        return journal

    async def close(self, show: str, timeout: float = 2.0) -> bool:
        """Take no more entries and wait until all are durable; False where the disk did not take them in time.

        The writer then goes on trying by itself, until the process ends.
        """
        journal = self._open.pop(show, None)
        if journal is None:
            return True
        journal.writer.finish()
        done, _ = await asyncio.wait({journal.task}, timeout=timeout)
        return bool(done)

    async def close_all(self, timeout: float = 2.0) -> None:
        """Close every journal; those that the disk does not take are given up, loudly."""
        await asyncio.gather(*(self.close(show, timeout) for show in list(self._open)))
        for task, figures in self._writers.items():  # those of shows that were stopped on a full disk too
            log.error(
                "log entries are lost: the disk does not take them",
                log=task.get_name(),
                bytes=figures.waiting_bytes,
            )
            task.cancel()

    async def read(self, show: str, *, after: int, limit: int) -> list[LogEntry]:
        """Written entries with a seq above `after`. Raises `StoreError`."""
        return await asyncio.to_thread(self._store.read, show, after=after, limit=limit)

    async def delete(self, show: str) -> None:
        """Remove a log that is not open. Raises `StoreError`."""
        await asyncio.to_thread(self._store.delete, show)

"""`ShowLogStore` in memory: for tests, and the second witness that the port's contract can be kept otherwise."""

from __future__ import annotations

import threading

from studio.contracts.shows import LogEntry
from studio.model.errors import ConflictError, StoreError
from studio.showlog.lines import from_line, sound_prefix


class MemoryDisk:
    """What outlives an owner. `room` is how many bytes may still be written; the disk takes what fits, then fails."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.sync_fails = False
        self.files: dict[str, bytearray] = {}
        self.synced: dict[str, bytes] = {}
        """What a power cut would leave."""
        self.owners: set[str] = set()


class MemoryShowLog:
    """An open log (`ShowLogFile`)."""

    def __init__(self, disk: MemoryDisk, show: str, *, last: LogEntry | None, size: int, torn: int) -> None:
        self._disk = disk
        self._show = show
        self._end = self._synced = size
        self._lock = threading.Lock()
        self.last = last
        self.torn = torn

    def append(self, lines: bytes) -> None:
        """See `ShowLogFile`."""
        with self._lock:
            file = self._disk.files.setdefault(self._show, bytearray())
            old = min(len(lines), len(file) - self._end)
            fits = min(len(lines), old + max(0, self._disk.room))
            file[self._end : self._end + fits] = lines[:fits]
            self._disk.room -= max(0, fits - old)
            if fits < len(lines):
                raise StoreError("cannot write the log: No space left on device")
            self._end += len(lines)

    def sync(self) -> None:
        """See `ShowLogFile`."""
        with self._lock:
            if self._disk.sync_fails:
                self._end = self._synced
                raise StoreError("cannot sync the log: Input/output error")
            self._synced = self._end
            self._disk.synced[self._show] = bytes(self._disk.files.get(self._show, b"")[: self._end])

    def close(self) -> None:
        """See `ShowLogFile`."""
        with self._lock:
            if self._show in self._disk.files:
                del self._disk.files[self._show][self._end :]
            self._disk.owners.discard(self._show)


class MemoryShowLogs:
    """The store, over a disk that a test may share between owners or fill."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()

    def open(self, show: str) -> MemoryShowLog:
        """See `ShowLogStore`."""
        if show in self.disk.owners:
            raise ConflictError(f"the log of {show} is open elsewhere")
        self.disk.owners.add(show)
        content = self.disk.files.get(show, bytearray())
        sound = sound_prefix(bytes(content))
        torn = len(content) - sound.size
        del content[sound.size :]
        return MemoryShowLog(self.disk, show, last=sound.last, size=sound.size, torn=torn)

    def read(self, show: str, *, after: int, limit: int) -> list[LogEntry]:
        """See `ShowLogStore`."""
        lines = bytes(self.disk.files.get(show, b"")).split(b"\n")[:-1]
        entries = [entry for line in lines[after : after + limit] if (entry := from_line(line))]
        return entries[:limit]

    def delete(self, show: str) -> None:
        """See `ShowLogStore`."""
        self.disk.files.pop(show, None)
        self.disk.synced.pop(show, None)

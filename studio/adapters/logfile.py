"""`ShowLogStore` on a file system: ``{root}/{show}/log.ndjson``, one line an entry."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from studio.contracts.shows import LogEntry
from studio.model.errors import ConflictError, StoreError
from studio.showlog.lines import from_line, sound_prefix

NAME = "log.ndjson"
SHOW_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {what}: {error.strerror or error}") from error


class FileShowLog:
    """An open log (`ShowLogFile`). Writes go to a remembered place, so that a part written before the disk was full
    is written over by the next try; what such a part leaves at a crash is cut off by the next opening.
    """

    def __init__(self, path: Path, *, last: LogEntry | None, size: int, torn: int, fd: int) -> None:
        self._path = path
        self._fd = fd
        """-1 until the first entry: a show that never logs leaves nothing behind."""
        self._end = self._synced = size
        self._lock = threading.Lock()
        self.last = last
        self.torn = torn

    def append(self, lines: bytes) -> None:
        """See `ShowLogFile`."""
        with self._lock, _told(f"write {self._path.name}"):
            if self._fd < 0:
                self._fd = _create(self._path)
            rest = memoryview(lines)
            at = self._end
            while rest:
                done = os.pwrite(self._fd, rest, at)
                rest, at = rest[done:], at + done
            self._end = at

    def sync(self) -> None:
        """See `ShowLogFile`."""
        with self._lock:
            if self._fd < 0:
                return
            try:
                with _told(f"sync {self._path.name}"):
                    os.fdatasync(self._fd)
            except StoreError:
                self._end = self._synced
                raise
            self._synced = self._end

    def close(self) -> None:
        """See `ShowLogFile`. Cuts off what an unfinished write left."""
        with self._lock:
            if self._fd < 0:
                return
            fd, self._fd = self._fd, -1
            try:
                with _told(f"close {self._path.name}"):
                    os.ftruncate(fd, self._end)
            finally:
                os.close(fd)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(
            f"{path.parent.name}/{path.name} is open elsewhere: is a second studio running?"
        ) from error


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(fd, path)
        for folder in (path.parent, path.parent.parent):  # the names too must outlast a power cut
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except BaseException:
        os.close(fd)
        raise
    return fd


class FileShowLogs:
    """The store. `root` is made when the first entry of the first show is written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, show: str) -> Path:
        if not SHOW_ID.fullmatch(show):
            raise StoreError(f"{show!r} is no show id")  # never let a name walk out of the root
        return self._root / show / NAME

    def open(self, show: str) -> FileShowLog:
        """See `ShowLogStore`. Reads the whole log: 100,000 entries take about half a second."""
        path = self._path(show)
        with _told(f"open the log of {show}"):
            try:
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return FileShowLog(path, last=None, size=0, torn=0, fd=-1)
            try:
                _lock(fd, path)
                content = path.read_bytes()
                sound = sound_prefix(content)
                torn = content[sound.size :]
                if b"\n" in torn.rstrip(
                    b"\n"
                ):  # more than the end of one line: keep it for whoever looks into it
                    path.with_name(f"{NAME}.torn-{sound.size}").write_bytes(torn)
                if torn:
                    os.ftruncate(fd, sound.size)
                    os.fsync(fd)
            except BaseException:
                os.close(fd)
                raise
        return FileShowLog(path, last=sound.last, size=sound.size, torn=len(torn), fd=fd)

    def read(self, show: str, *, after: int, limit: int) -> list[LogEntry]:
        """See `ShowLogStore`. Finds its place by bisection, so that a page costs the same at any seq."""
        with _told(f"read the log of {show}"):
            try:
                file = self._path(show).open("rb")
            except FileNotFoundError:
                return []
            with file:
                return _page(file, after, limit)

    def delete(self, show: str) -> None:
        """See `ShowLogStore`."""
        folder = self._path(show).parent
        with _told(f"delete the log of {show}"):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                return


def _page(file: BinaryIO, after: int, limit: int) -> list[LogEntry]:
    low, high = 0, file.seek(0, os.SEEK_END)
    # Invariant: the line starting at `low` has seq <= after + 1, and no line that starts before `low` is wanted.
    while high - low > 4096:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start = file.tell()
        entry = from_line(file.readline().rstrip(b"\n"))
        if entry is None or entry.seq > after:  # None: past the last whole line
            high = middle
        else:
            low = start
    file.seek(low)
    entries: list[LogEntry] = []
    for line in file:
        entry = from_line(line[:-1]) if line.endswith(b"\n") else None
        if entry is None:
            break  # being written, or torn and not yet mended
        if entry.seq > after:
            entries.append(entry)
            if len(entries) == limit:
                break
    return entries

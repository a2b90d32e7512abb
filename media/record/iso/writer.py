"""Puts blocks into files on a thread of its own: a slow disk delays nobody, and a full one is told.

What waits for the disk is bounded in bytes. When it is full the part is given up at once, which frees it, and the next
one begins when the disk has caught up: a file with a hole that nobody sees would be worse than a part that ends.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from media.model.tracks import TrackHeader
from media.packaging.matroska import Block
from media.record.iso.file import PartFile

LOOK_EVERY = 2.0
"""Seconds between looks at how much room is left."""
IDLE = 0.5
"""Seconds without anything new after which what waits for a whole cluster is written."""

Room = Callable[[Path], int]
"""Bytes that are free where a path is. Raises OSError."""


def room(path: Path) -> int:
    """The disk's own word; of a path that is not there yet, its nearest folder's."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


@dataclass(slots=True)
class Written:
    """One part as the writer has it. Read from other threads: each value is replaced, never changed in place."""

    number: int
    size: int = 0
    reached: int = 0
    closed: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    path: Path
    tracks: Sequence[TrackHeader]
    started: int
    title: str
    written: Written


@dataclass(frozen=True, slots=True)
class _Close:
    duration: int


class Writer:
    """Writes one recording's parts, one after the other.

    `failed(reason)` is called on the writer's thread when the part in work had to be given up; nothing is written then
    until the next `begin`. At most `held_bytes` wait.
    """

    def __init__(
        self,
        name: str,
        failed: Callable[[str], None],
        *,
        held_bytes: int,
        min_free_bytes: int = 0,
        free: Room = room,
    ) -> None:
        self._failed = failed
        self._held_bytes = held_bytes
        self._min_free = min_free_bytes
        self._free = free
        self._lock = threading.Condition()
        self._waiting: deque[_Open | Block | _Close] = deque()
        self._bytes = 0
        self._ended = False
        self._file: PartFile | None = None
        self._written: Written | None = None
        self._looked = float("-inf")
        # A daemon: a disk that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"iso-{name}", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Bytes that wait for the disk."""
        return self._bytes

    @property
    def ready(self) -> bool:
        """Whether the disk has caught up so far that a part may begin."""
        return self._bytes * 4 <= self._held_bytes

    def begin(
        self, path: Path, tracks: Sequence[TrackHeader], *, number: int, started: int, title: str
    ) -> Written:
        """Open a part's file; never waits."""
        written = Written(number)
        self._hand_over(_Open(path, tracks, started, title, written), 0)
        return written

    def put(self, block: Block) -> bool:
        """Hand over a block; never waits. False where too much waits already: the part has to be ended."""
        if self._bytes + len(block.data) > self._held_bytes:
            return False
        self._hand_over(block, len(block.data))
        return True

    def end(self, duration: int) -> None:
        """Close the part after what was handed over; never waits."""
        self._hand_over(_Close(duration), 0)

    def stop(self, timeout: float) -> bool:
        """Write what waits and end the thread; False where the disk did not answer within `timeout` seconds. Blocks."""
        with self._lock:
            self._ended = True
            self._lock.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- on the thread -----------------------------------------------------------------------------------------------

    def _hand_over(self, item: _Open | Block | _Close, size: int) -> None:
        with self._lock:
            self._waiting.append(item)
            self._bytes += size
            self._lock.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting and not self._ended:
                    self._lock.wait(IDLE)
                if not self._waiting and self._ended:
                    break
                item = self._waiting.popleft() if self._waiting else None
            try:
                self._do(item)
            except OSError as error:
                self._give_up(f"the disk: {error.strerror or error}")
            except ValueError as error:
                self._give_up(str(error))
            finally:
                if isinstance(item, Block):
                    with self._lock:
                        self._bytes -= len(item.data)
        if self._file is not None:
            self._file.abandon()

    def _do(self, item: _Open | Block | _Close | None) -> None:
        if isinstance(item, _Open):
            self._written = item.written
            self._look(item.path)
            self._file = PartFile(item.path, item.tracks, started=item.started, title=item.title)
            return
        file, written = self._file, self._written
        if file is None or written is None:
            return
        if item is None:
            file.flush()
        elif isinstance(item, Block):
            file.put(item)
            if time.monotonic() - self._looked >= LOOK_EVERY:
                self._look(file.path)
        else:
            self._file = None
            try:
                file.close(item.duration)
            finally:
                written.closed = True
        written.size, written.reached = file.size, file.reached

    def _look(self, path: Path) -> None:
        self._looked = time.monotonic()
        if self._min_free and self._free(path) < self._min_free:
            raise OSError(28, "it is nearly full")

    def _give_up(self, reason: str) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close(file.reached)
            except OSError:
                file.abandon()
            if self._written is not None:
                self._written.size, self._written.reached = file.size, file.reached
        if self._written is not None:
            self._written.closed = self._written.failed = True
        self._failed(reason)

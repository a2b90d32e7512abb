"""The open segment files: each part is appended the moment it is made, so that a crash loses at most the open part.

The disk's work is done on a thread of its own, for a slow disk must delay nobody. Bytes are given to the kernel,
not synced: they survive the death of the process, and what a power cut takes is the last seconds, as for any file.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from media.record.layout import Mark, OpenName

_MAX_ACTIONS = 10_000
"""Marks and removals that may wait for a disk that does not answer."""


class Journal:
    """Appends to and removes open files of one epoch, in order.

    `failed(reason)` is called on the journal's thread when a write fails, and with nothing when one succeeds again.
    At most `max_bytes` wait for the disk; when they do, a segment's file is given up (`skipped` counts): it is then
    not protected against a crash until the store has it, and nothing else is lost.
    """

    def __init__(
        self, folder: Path, epoch: int, failed: Callable[[str], None], *, max_bytes: int = 16 << 20
    ) -> None:
        self._folder = folder
        self._epoch = epoch
        self._failed = failed
        self._max_bytes = max_bytes
        self._lock = threading.Condition()
        self._waiting: deque[tuple[OpenName | None, bytes | int | None]] = deque()
        self._bytes = 0
        self._given_up: set[OpenName] = set()
        self._closed = False
        self._mark: Path | None = None
        self._sick = False
        self.skipped = 0
        # A daemon: a disk that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"tape-{folder.name}", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Bytes that wait for the disk."""
        return self._bytes

    def append(self, name: OpenName, data: bytes) -> None:
        """Have the data appended; never waits."""
        with self._lock:
            if self._closed or name in self._given_up:
                return
            if self._bytes + len(data) > self._max_bytes:
                self._give_up(name)
                return
            self._bytes += len(data)
            self._waiting.append((name, data))
            self._lock.notify()

    def mark(self, msn: int) -> None:
        """Note that this media sequence number is given out."""
        with self._lock:
            if len(self._waiting) < _MAX_ACTIONS:
                self._waiting.append((None, msn))
            self._lock.notify()

    def remove(self, name: OpenName) -> None:
        """Have the file removed, after what was appended to it before."""
        with self._lock:
            self._given_up.discard(name)
            if (
                len(self._waiting) < _MAX_ACTIONS
            ):  # a file that stays is found by recovery, which sees it is done
                self._waiting.append((name, None))
            self._lock.notify()

    def close(self, timeout: float = 2.0) -> bool:
        """Finish what waits, at most `timeout` seconds; False when the disk did not answer in time. Blocks."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _give_up(self, name: OpenName) -> None:
        self._given_up.add(name)
        self._waiting.append((name, None))
        self.skipped += 1
        self._lock.notify()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            with self._lock:
                while not self._waiting:
                    if self._closed:
                        return
                    self._lock.wait()
                name, what = self._waiting.popleft()
                if isinstance(what, bytes):
                    self._bytes -= len(what)
                if name in self._given_up and what is not None:
                    continue
            try:
                self._do(name, what)
            except OSError as error:
                with self._lock:
                    if name is not None and isinstance(what, bytes):
                        self._give_up(name)
                if not self._sick:
                    self._sick = True
                    self._failed(f"open segments cannot be written: {error.strerror or error}")
            else:
                if self._sick and isinstance(what, bytes):
                    self._sick = False
                    self._failed("")

    def _do(self, name: OpenName | None, what: bytes | int | None) -> None:
        if name is None:
            self._move_mark(int(what or 0))
        elif isinstance(what, bytes):
            with (self._folder / str(name)).open("ab", buffering=0) as file:
                if file.write(what) != len(what):
                    raise OSError(28, "No space left on device")
        else:
            (self._folder / str(name)).unlink(missing_ok=True)

    def _move_mark(self, msn: int) -> None:
        target = self._folder / str(Mark(self._epoch, msn))
        if self._mark is None:
            target.touch()
        else:
            self._mark.rename(target)
        self._mark = target

"""`PictureStore` as a folder of files; when one was last asked for is its time of change, so that it outlives a restart."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import OrderedDict
from pathlib import Path

from commerce_bridge.model.errors import InvalidError, StoreError

_NAME = re.compile(r"[0-9a-z]{1,40}-[0-9a-f]{12}")
_FRESH = ".new"
_LEFT_SECONDS = 3600.0
"""So old, what has no name yet was left by a process that died."""
LIMIT = 256 << 20
"""Bytes: some ten thousand pictures."""


class FilePictures:
    """Keeps at most `limit` bytes below `root`. One process has the folder."""

    def __init__(self, root: Path, *, limit: int = LIMIT) -> None:
        self._root = root
        self._limit = limit
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] | None = None
        """By name, the one not asked for longest first; None before the folder was looked through."""
        self._bytes = 0

    def get(self, name: str) -> bytes | None:
        """See `PictureStore`."""
        path = self._path(name)
        try:
            jpeg = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot read {path.name}: {error.strerror or error}") from error
        with self._lock:
            if self._sizes is not None and name in self._sizes:
                self._sizes.move_to_end(name)
        return jpeg

    def put(self, name: str, jpeg: bytes) -> None:
        """See `PictureStore`. Not synced: what a power cut takes is fetched again."""
        path = self._path(name)
        fresh = path.with_name(f"{name}.{threading.get_ident()}{_FRESH}")
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(jpeg)
            fresh.replace(path)
            with self._lock:
                self._kept(name, len(jpeg))
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise StoreError(f"cannot keep {path.name}: {error.strerror or error}") from error

    def _kept(self, name: str, size: int) -> None:
        """Count a file that was written, and let the oldest go where there are too many bytes."""
        if self._sizes is None:
            self._sizes = self._looked_through()
            self._bytes = sum(self._sizes.values())
        self._bytes += size - self._sizes.pop(name, 0)
        self._sizes[name] = size
        while self._bytes > self._limit:
            oldest, gone = self._sizes.popitem(last=False)
            self._bytes -= gone
            (self._root / f"{oldest}.jpg").unlink(missing_ok=True)

    def _looked_through(self) -> OrderedDict[str, int]:
        found: list[tuple[int, str, int]] = []
        for entry in os.scandir(self._root):
            try:
                status = entry.stat()
                if not entry.name.endswith(_FRESH):
                    found.append((status.st_mtime_ns, entry.name.removesuffix(".jpg"), status.st_size))
                elif status.st_mtime < time.time() - _LEFT_SECONDS:
                    (self._root / entry.name).unlink(missing_ok=True)
            except FileNotFoundError:  # it was being written, and has its name by now
                continue
        return OrderedDict((name, size) for _, name, size in sorted(found))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidError(f"{name[:60]!r} is no name of a picture", field="picture")
        return self._root / f"{name}.jpg"

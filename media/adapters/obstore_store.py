"""Finished objects over obstore: the adapter of `media.ports.SegmentStore`.

What survives what, on a local folder: `put` writes beside and links into place, so an object is there whole or not at
all; then file and folder are synced (`fsync`), so what `put` returned from survives a power cut. Object stores give
the same by themselves.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore

from media.model.errors import NotFoundError, StoreError

_WORD = re.compile(r"[A-Za-z0-9._-]{1,128}")
_AT_ONCE = 16
"""Deletes under way at the same time."""
_READ_WITHIN = 20.0
"""Seconds: viewers wait for what is read, and a disk that hangs must not hold them and what they share for ever."""


class ObstoreSegmentStore:
    """Objects in any obstore store. `root` is its folder when it is a local one and shall be synced."""

    def __init__(self, store: ObjectStore, *, root: Path | None = None) -> None:
        self._store = store
        self._root = root

    @classmethod
    def local(cls, root: Path, *, fsync: bool = True) -> ObstoreSegmentStore:
        """Objects as files below `root`, which is made. Raises `StoreError`."""
        try:
            root.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(root), root=root if fsync else None)
        except (BaseError, OSError) as error:
            raise StoreError(f"{root} cannot be used for the tape: {_first_line(error)}") from error

    @classmethod
    def memory(cls) -> ObstoreSegmentStore:
        """Objects in memory, gone with the process."""
        return cls(MemoryStore())

    async def put(self, key: str, data: bytes) -> None:
        """Create the object; an existing key raises `StoreError`, its content stays."""
        path = _checked(key)
        try:
            await self._store.put_async(path, data, mode="create", use_multipart=False)
            if self._root is not None:
                await asyncio.to_thread(_sync, self._root / path)
        except (BaseError, OSError, ValueError) as error:
            raise StoreError(f"{key} was not stored: {_first_line(error)}") from error

    async def put_file(self, key: str, path: Path) -> int:
        """Store a file of any size in bounded memory, replacing what is there; returns its size in bytes."""
        name = _checked(key)
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            await self._store.put_async(name, path, chunk_size=8 << 20, max_concurrency=2)
            if self._root is not None:
                await asyncio.to_thread(_sync, self._root / name)
        except (BaseError, OSError, ValueError) as error:
            raise StoreError(f"{key} was not stored: {_first_line(error)}") from error
        return size

    async def get(self, key: str) -> bytes:
        """The whole object; raises `NotFoundError` where there is none."""
        try:
            async with asyncio.timeout(_READ_WITHIN):
                found = await self._store.get_async(_checked(key))
                return bytes(await found.bytes_async())
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no object {key}") from error
        except (BaseError, OSError, ValueError) as error:
            raise StoreError(f"{key} was not read: {_first_line(error)}") from error

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive), cut at the object's end; an empty range raises `StoreError`."""
        try:
            async with asyncio.timeout(_READ_WITHIN):
                return bytes(await self._store.get_range_async(_checked(key), start=start, end=end))
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no object {key}") from error
        except (BaseError, OSError, ValueError, OverflowError) as error:
            raise StoreError(f"{key} was not read from {start} to {end}: {_first_line(error)}") from error

    async def list(self, prefix: str) -> Sequence[tuple[str, int]]:
        """Keys below the folder `prefix` (empty: all) with their sizes in bytes, sorted by key."""
        folder = _checked(prefix.rstrip("/")) if prefix else None
        found: list[tuple[str, int]] = []
        try:
            async for some in self._store.list(folder):
                found += [(item["path"], item["size"]) for item in some]
        except FileNotFoundError:
            return []
        except (BaseError, OSError, ValueError) as error:
            raise StoreError(f"{prefix} was not listed: {_first_line(error)}") from error
        return sorted(found)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete; a missing key is no error. All are tried before a failure is raised."""
        paths = [_checked(key) for key in keys]
        failed: BaseException | None = None
        for i in range(0, len(paths), _AT_ONCE):
            done = await asyncio.gather(
                *(self._store.delete_async(path) for path in paths[i : i + _AT_ONCE]), return_exceptions=True
            )
            for result in done:
                if isinstance(result, BaseException) and not isinstance(result, FileNotFoundError):
                    failed = result
        if failed is not None:
            raise StoreError(f"not all objects were deleted: {_first_line(failed)}") from failed


def _checked(key: str) -> str:
    """The key, if it is one: words of `[A-Za-z0-9._-]` between slashes, none of them `.` or `..`."""
    for word in key.split("/"):
        if not _WORD.fullmatch(word) or word in {".", ".."}:
            raise StoreError(f"{key!r} is no key")
    return key


def _sync(path: Path) -> None:
    for what in (path, path.parent):
        descriptor = os.open(what, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]

"""Feeds in files below one folder, read in threads: the folder may be another machine's."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from commerce_bridge.connectors.feed.sources import CHUNK, Reading
from commerce_bridge.model.errors import ShopDownError, ShopLiedError, ShopRefusedError

_WITHIN = 30.0
"""Seconds that a disk has to give a piece."""
_State = tuple[int, int]
"""Bytes of a file, and when they were last changed."""


class FileSource:
    """One file."""

    def __init__(self, folder: Path, path: Path, *, limit: int) -> None:
        self._folder = folder
        self._path = path
        self._limit = limit

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Reading]:
        """As `Source.open`."""
        try:
            async with asyncio.timeout(_WITHIN):
                file, state = await asyncio.to_thread(self._open)
        except TimeoutError as error:
            raise ShopDownError(f"{self._path} cannot be opened in time") from error
        try:
            yield _FileReading(self._path, file, state, limit=self._limit)
        finally:
            # A read that hangs holds the file: its thread closes it if it ever comes back.
            with suppress(TimeoutError):
                async with asyncio.timeout(_WITHIN):
                    await asyncio.to_thread(file.close)

    async def close(self) -> None:
        """Nothing is kept open between readings."""

    def _open(self) -> tuple[BinaryIO, _State]:
        try:
            folder = self._folder.resolve(strict=True)
            path = (folder / self._path).resolve(strict=True)
            if not path.is_relative_to(folder):
                raise ShopRefusedError(f"{self._path} leads out of the folder of feeds")
            # What is no file (a pipe) must not hold up the thread that opens it.
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", CHUNK)
        except PermissionError as error:
            raise ShopRefusedError(f"{self._path} must not be read: {error.strerror}") from error
        except (OSError, RuntimeError) as error:  # a RuntimeError: links that lead in a circle
            raise ShopDownError(f"{self._path} cannot be read: {error}") from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise ShopRefusedError(f"{self._path} is no file")
        return file, _state(file)


class _FileReading:
    def __init__(self, path: Path, file: BinaryIO, state: _State, *, limit: int) -> None:
        self._path = path
        self._file = file
        self._state = state
        self._read = 0
        self.size: int | None = state[0]
        if state[0] > limit:
            raise ShopLiedError(f"{path} has {state[0]} bytes; {limit} are read at most")

    async def read(self) -> bytes:
        """As `Reading.read`."""
        try:
            async with asyncio.timeout(_WITHIN):
                return await asyncio.to_thread(self._piece)
        except TimeoutError as error:
            raise ShopDownError(f"{self._path} cannot be read in time") from error
        except OSError as error:
            raise ShopDownError(f"{self._path} cannot be read: {error}") from error

    def _piece(self) -> bytes:
        data = self._file.read(CHUNK)
        self._read += len(data)
        # Written while it is read, it may be half the old catalog and half the new one.
        if not data and (_state(self._file) != self._state or self._read != self._state[0]):
            raise ShopDownError(f"{self._path} was changed while it was read")
        return data

    def told(self) -> None:
        """A file is read anew whenever it is asked for: that is cheap."""


def _state(file: BinaryIO) -> _State:
    told = os.fstat(file.fileno())
    return told.st_size, told.st_mtime_ns

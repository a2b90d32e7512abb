"""`PictureShrinker` in a child process: `ThumbnailChild` is the parent's side, `main` the child itself.

Whoever writes a catalog decides what is decoded here. A decoder that crashes on it, hangs or eats memory takes the child along and
costs one picture; prices and stock go on. The child is started when a picture is wanted and ends by itself when none was for a
minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import select
import signal
import struct
import sys

from commerce_bridge.model.errors import BridgeError, ShopLiedError
from runtime.supervision.tether import die_with

IDLE = 60.0
"""Seconds without a picture after which the child ends."""
START_WITHIN = 30.0
"""Seconds for its imports: on a busy machine they take several."""
SHRINK_WITHIN = 5.0
"""Seconds for one picture; usual ones take a tenth of a second."""
MEMORY = 1 << 30
"""Bytes of address space: the largest picture takes a quarter of it."""
_END_WITHIN = 2.0
_NICE = 10
"""Live media goes first."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG")
"""What it is told of ours: no settings, no secrets."""

_READY, _PICTURE, _DAMAGED, _FAILED = 1, 2, 3, 4
_HEAD = struct.Struct(">IB")
"""Of an answer: bytes that follow, and what they are."""
_SIZE = struct.Struct(">I")
"""Of a question: bytes that follow."""


class ThumbnailChild:
    """Shrinks one picture at a time; close it at the end."""

    def __init__(self, *, idle: float = IDLE, within: float = SHRINK_WITHIN) -> None:
        self._idle = idle
        self._within = within
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the child that runs; None where none does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def shrink(self, picture: bytes) -> bytes:
        """See `PictureShrinker`."""
        async with self._turn:
            kind, body = await self._asked(picture)
        if kind == _PICTURE:
            return body
        text = body.decode(errors="replace")
        raise ShopLiedError(text) if kind == _DAMAGED else BridgeError(text)

    async def close(self) -> None:
        """End the child."""
        await self._end()

    async def _asked(self, picture: bytes, *, again: bool = True) -> tuple[int, bytes]:
        """What the child says of it. Raises `ShopLiedError` where it broke on it or took too long."""
        process = await self._running()
        try:
            async with asyncio.timeout(self._within):
                return await _exchange(process, picture)
        except TimeoutError as error:
            await self._end()
            raise ShopLiedError(f"it does not decode within {self._within:g} s") from error
        except (EOFError, ConnectionError) as error:
            status = await self._end()
            if status != 0 or not again:
                raise ShopLiedError(f"the decoder broke on it (status {status})") from error
        except BaseException:
            await self._end()  # its answer would be taken for the next one's
            raise
        # It had nothing to do for so long that it ended, in this very moment.
        return await self._asked(picture, again=False)

    async def _running(self) -> asyncio.subprocess.Process:
        """The child, ready. Raises `BridgeError` where it cannot be had."""
        if self._process is not None and self.pid is None:
            await self._end()
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", __name__, str(os.getpid()), str(self._idle)),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,  # what went wrong is in its answers
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                )
                async with asyncio.timeout(START_WITHIN):
                    kind, body = await _answer(self._process)
            except (OSError, EOFError, TimeoutError) as error:
                await self._end()
                raise BridgeError(f"no process can be started to shrink pictures with: {error}") from error
            if kind != _READY:
                await self._end()
                raise BridgeError(body.decode(errors="replace"))
        return self._process

    async def _end(self) -> int | None:
        """Have the child ended, by force where it has not by itself; its status."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        if process.returncode is None:
            # One that closed its pipes is ending anyway, with a status that says more than that of a kill.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_WITHIN if process.stdout.at_eof() else 0):
                    await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_WITHIN):
                    await process.wait()
        return process.returncode


async def _exchange(process: asyncio.subprocess.Process, picture: bytes) -> tuple[int, bytes]:
    assert process.stdin is not None
    process.stdin.write(_SIZE.pack(len(picture)))
    process.stdin.write(picture)
    await process.stdin.drain()
    return await _answer(process)


async def _answer(process: asyncio.subprocess.Process) -> tuple[int, bytes]:
    """What it says next. Raises EOFError where it ended."""
    assert process.stdout is not None
    size, kind = _HEAD.unpack(await process.stdout.readexactly(_HEAD.size))
    return kind, await process.stdout.readexactly(size) if size else b""


# --- the child ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer what comes on stdin, until it is closed or nothing came for so many seconds as the command line says."""
    parent, idle = int(sys.argv[1]), float(sys.argv[2])
    die_with(parent)
    # Ctrl-C reaches the whole group of the terminal; when to stop is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    with contextlib.suppress(ValueError, OSError):  # where the system allows less than that already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        # Only now what takes time to import.
        from commerce_bridge.adapters.thumbnails import shrink
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it to people
        _say(_FAILED, repr(error).encode())
        return
    _say(_READY)
    while select.select([0], [], [], idle)[0] and (head := _read(_SIZE.size)):
        picture = _read(_SIZE.unpack(head)[0])
        try:
            _say(_PICTURE, shrink(picture))
        except ShopLiedError as error:
            _say(_DAMAGED, str(error).encode())
        except Exception as error:  # noqa: BLE001 - as above; the next picture may be sound
            _say(_FAILED, repr(error).encode())


def _read(size: int) -> bytes:
    """So many bytes; none where the parent closed the pipe."""
    found = bytearray()
    while len(found) < size:
        piece = os.read(0, size - len(found))
        if not piece:
            return b""
        found += piece
    return bytes(found)


def _say(kind: int, body: bytes = b"") -> None:
    left = memoryview(_HEAD.pack(len(body), kind) + body)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    main()

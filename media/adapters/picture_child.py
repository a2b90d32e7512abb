"""Pictures of feeds, drawn in a child process: `PictureChild` is the parent's side, `main` the child itself.

Anybody with a stream key decides what is decoded here. A codec that crashes on it, hangs or eats memory takes the child
along and costs one picture; an export that runs beside goes on. The child is started when a picture is wanted and ends
by itself when none was for a minute, so that nothing is spent while nobody looks.
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

from media.adapters import feed_wire
from media.adapters.ffmpeg_child import ENVIRONMENT
from media.model.errors import EngineError, SourceError
from media.model.tracks import EncodedPacket, TrackHeader
from runtime.supervision.tether import die_with

IDLE = 60.0
"""Seconds without a request after which the child ends."""
START_WITHIN = 30.0
"""Seconds for its imports: on a busy machine they take several."""
MEMORY = 2 << 30
"""Bytes of address space: a keyframe of 8K takes a tenth of it."""
_END_WITHIN = 2.0
_NICE = 10
"""Live media goes first."""

_READY, _PICTURE, _DAMAGED, _FAILED = 1, 2, 3, 4
_HEAD = struct.Struct(">IB")
"""Of an answer: bytes that follow, and what they are."""


class PictureChild:
    """Draws one picture at a time; close it at the end."""

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self._start_by = 0.0

    @property
    def pid(self) -> int | None:
        """Of the child that runs; None where none does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def draw(self, header: TrackHeader, keyframe: EncodedPacket) -> bytes:
        """JPEG of a keyframe (`av_picture.draw`). Whoever cancels it, as with a time-out, has the child killed.

        Raises `SourceError` where it does not decode, `EngineError` where the child cannot be had or broke on it.
        """
        async with self._turn:
            process = await self._running()
            try:
                kind, body = await _asked(process, feed_wire.header(header) + feed_wire.packet(keyframe))
            except (EOFError, ConnectionError) as error:
                status = await self._end()
                if status != 0:
                    raise EngineError(f"the decoder broke on it (status {status})") from error
                # It had nothing to do for so long that it ended, in this very moment.
                process = await self._running()
                kind, body = await _asked(process, feed_wire.header(header) + feed_wire.packet(keyframe))
            except BaseException:
                await self._end()  # it hangs, or its answer would be taken for the next one's
                raise
        if kind == _PICTURE:
            return body
        raise (SourceError if kind == _DAMAGED else EngineError)(body.decode(errors="replace"))

    async def aclose(self) -> None:
        """End the child."""
        await self._end()

    async def _running(self) -> asyncio.subprocess.Process:
        """The child, ready. One that still imports when the caller's patience ends goes on with it."""
        now = asyncio.get_running_loop().time
        if self._process is not None and self._process.returncode is not None:
            await self._end()
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", __name__, str(os.getpid()), str(self._idle)),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,  # what went wrong is in its answers
                    env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
                )
            except OSError as error:
                raise EngineError(f"no process can be started to draw with: {error}") from error
            self._ready, self._start_by = False, now() + START_WITHIN
        if not self._ready:
            try:
                kind, body = await _answer(self._process)
            except (EOFError, ConnectionError) as error:
                status = await self._end()
                raise EngineError(f"the process to draw with did not start (status {status})") from error
            except asyncio.CancelledError:
                if now() > self._start_by:
                    await self._end()
                raise
            if kind != _READY:
                await self._end()
                raise EngineError(body.decode(errors="replace"))
            self._ready = True
        return self._process

    async def _end(self) -> int | None:
        """Have the child ended, by force where it has not by itself; its status."""
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return None
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is None:
            # One that closed its pipes is ending anyway, with a status that says more than that of a kill.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_WITHIN if _at_end(process) else 0):
                    await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_WITHIN):
                    await process.wait()
        return process.returncode


def _at_end(process: asyncio.subprocess.Process) -> bool:
    assert process.stdout is not None
    return process.stdout.at_eof()


async def _asked(process: asyncio.subprocess.Process, request: bytes) -> tuple[int, bytes]:
    assert process.stdin is not None
    process.stdin.write(request)
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
        from media.adapters.av_picture import draw
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it to people
        _say(_FAILED, repr(error).encode())
        return
    _say(_READY)
    requests = feed_wire.FrameReader()
    header: TrackHeader | None = None
    while select.select([0], [], [], idle)[0] and (data := os.read(0, 1 << 18)):
        for each in requests.feed(data):
            value = feed_wire.parse(*each)
            if isinstance(value, TrackHeader):
                header = value
            elif isinstance(value, EncodedPacket) and header is not None:
                try:
                    _say(_PICTURE, draw(header, value))
                except SourceError as error:
                    _say(_DAMAGED, str(error).encode())
                except Exception as error:  # noqa: BLE001 - as above; the next keyframe may be drawn
                    _say(_FAILED, repr(error).encode())


def _say(kind: int, body: bytes = b"") -> None:
    left = memoryview(_HEAD.pack(len(body), kind) + body)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    main()

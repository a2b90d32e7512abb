"""The ffmpeg program as a child that receives for us: media on a pipe, words on its stderr, gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from media.model.errors import EngineError
from runtime.supervision import tether

GRACE = 2.0
"""Seconds to say goodbye to its peer in: a camera told nothing keeps its session for a minute."""
_LINE = 2000
"""Characters of a line of stderr that are read; the rest of a longer one is dropped."""
_CHUNK = 1 << 16
_PIPE = 1 << 20
"""Bytes of the pipe: a second of 8 Mb/s, so that a short pause of ours costs the child nothing."""
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "LANG")
"""What a child inherits: nothing that may hold a secret of ours."""

# Copy what comes as it is, in a container that needs no second look, each unit at once.
_OUTPUT = (
    *("-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy", "-max_interleave_delta", "100000"),
    # NUT has no negative times, and sound mostly begins before its picture: all is moved, by what no sender jumps back.
    *("-output_ts_offset", "1000000", "-avoid_negative_ts", "disabled"),
    # Nobody seeks in a pipe: an index of sync points would grow at both its ends for as long as the feed lasts.
    *("-syncpoints", "none", "-strict", "experimental"),
    *("-flush_packets", "1", "-f", "nut", "pipe:1"),
)


def program(wanted: Path | None) -> str:
    """The ffmpeg program: the wanted one, else that of imageio-ffmpeg. Raises `EngineError` where there is none."""
    if wanted is not None:
        return str(wanted)
    try:
        from imageio_ffmpeg import (  # type: ignore[import-untyped]  # the wheel has no types
            get_ffmpeg_exe,
        )

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise EngineError(f"there is no ffmpeg program to receive with: {error}") from error


class Child:
    """A running child. `pipe` is the reading end of its media, closed with the context."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: int) -> None:
        self.pipe = pipe
        self.pid = process.pid
        self._process = process

    async def wait(self) -> int:
        """Its status when it has ended; negative by a signal."""
        return await self._process.wait()

    def kill(self) -> None:
        """Have it end at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Have it end: politely, then for certain."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await self._process.wait()


@asynccontextmanager
async def receiving(
    ffmpeg: str, script: str, protocols: Sequence[str], on_line: Callable[[str], None]
) -> AsyncIterator[Child]:
    """Run the program on an ffconcat script, which says what to open; the child has ended when the context has.

    The script goes in by stdin: addresses with their secrets show in no list of processes. `on_line` gets each line
    that the child writes to stderr. Raises `EngineError` where it cannot be started.
    """
    arguments = (
        *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+verbose"),
        *("-analyzeduration", "100000", "-fpsprobesize", "0"),
        *(
            "-protocol_whitelist",
            ",".join(("pipe", *protocols)),
            "-f",
            "concat",
            "-safe",
            "0",
            "-i",
            "pipe:0",
        ),
        *_OUTPUT,
    )
    reading, writing = os.pipe()
    try:
        with contextlib.suppress(OSError):  # no harm where this user's pipes may hold no more
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()), ffmpeg, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=writing,
                stderr=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            )
        except OSError as error:
            raise EngineError(f"the receiving program cannot be started: {error}") from error
        finally:
            os.close(writing)
        child = Child(process, reading)
        listening = asyncio.create_task(_lines(process, on_line), name=f"stderr {process.pid}")
        try:
            await _tell(process, script)
            yield child
        finally:
            # Shielded: a child that is left behind would keep its port, or its camera.
            ending = asyncio.ensure_future(_finish(child, listening))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                await ending
                raise
    finally:
        os.close(reading)


async def _tell(process: asyncio.subprocess.Process, script: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):  # it has ended already; its words say why
        process.stdin.write(script.encode())
        await process.stdin.drain()
    process.stdin.close()


async def _finish(child: Child, listening: asyncio.Task[None]) -> None:
    await child.end()
    await asyncio.wait([listening], timeout=1.0)  # its last words
    listening.cancel()


async def _lines(process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
    assert process.stderr is not None
    rest = b""
    while data := await process.stderr.read(_CHUNK):
        *lines, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line.strip():
                on_line(line[:_LINE].decode(errors="replace"))
        rest = rest[:_LINE]
    if rest.strip():
        on_line(rest.decode(errors="replace"))

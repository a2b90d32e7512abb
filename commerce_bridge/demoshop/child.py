"""A program as a child of ours: its words line by line, gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.supervision import tether

GRACE = 6.0
"""Seconds that it has to end when it is asked to: the shop saves what was sold. Below `supervision.grace`, which is ours."""
NICE = 10
"""It yields to what is on air."""
_LINE = 2000
"""Characters of a line that are read; the rest of a longer one is dropped."""
_CHUNK = 1 << 16


@asynccontextmanager
async def running(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program; it has ended when the context has. `arguments` begin with its path. `on_line` gets each line of stdout and
    stderr. Raises OSError where it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()), *arguments),
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    listening = asyncio.create_task(_lines(process, on_line), name=f"output {process.pid}")
    try:
        yield process
    finally:
        # Shielded: a child that is left behind would keep its port.
        ending = asyncio.ensure_future(_finish(process, listening))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise


async def _finish(process: asyncio.subprocess.Process, listening: asyncio.Task[None]) -> None:
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 2.0)):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
    await asyncio.wait([listening], timeout=1.0)  # its last words
    listening.cancel()
    await asyncio.wait([listening])


async def _lines(process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    rest = b""
    while data := await process.stdout.read(_CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                on_line(line[:_LINE].decode(errors="replace"))
        rest = rest[:_LINE]
    if rest.strip():
        on_line(rest.decode(errors="replace"))

"""A child process that answers questions, bytes for bytes, one at a time: `AnsweringChild` is the parent's side, `answer` the child's.

For what strangers decide: a decoder that crashes on it, hangs or eats memory takes the child along and costs one answer. The child is
started when something is asked and ends by itself when nothing was for a while, so that nothing is spent while nobody asks.
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
from collections.abc import Callable, Sequence
from enum import IntEnum

from runtime.supervision.tether import die_with

IDLE = 60.0
"""Seconds without a question after which the child ends."""
START_WITHIN = 30.0
"""Seconds for its imports: on a busy machine they take several."""
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG")
"""What it is told of ours: no settings, no secrets."""
_END_WITHIN = 2.0
_NICE = 10
"""Live media goes first."""
_HEAD = struct.Struct(">IB")
"""Of an answer: bytes that follow, and what they are."""
_SIZE = struct.Struct(">I")
"""Of a question: bytes that follow."""


class Kind(IntEnum):
    """What an answer is."""

    READY = 1
    DONE = 2
    DAMAGED = 3
    """The question is at fault; the answer says why."""
    FAILED = 4
    """The child is; the answer says why."""


class ChildStartError(Exception):
    """No child can be had."""


class ChildBrokeError(Exception):
    """The child ended on a question; the text says with which status."""


class AnsweringChild:
    """Close it at the end."""

    def __init__(self, module: str, *, idle: float = IDLE, environment: Sequence[str] = ENVIRONMENT) -> None:
        """`module` is run with ``-m``, and calls `answer`."""
        self._module = module
        self._idle = idle
        self._environment = environment
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self._start_by = 0.0

    @property
    def pid(self) -> int | None:
        """Of the child that runs; None where none does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def ask(self, question: bytes, *, within: float | None = None) -> tuple[Kind, bytes]:
        """`DONE`, `DAMAGED` or `FAILED`, with what is said of it. Whoever cancels it, as with a time-out, has the child killed.

        `within`: seconds for the answer of a child that is ready. Raises `ChildStartError`, `ChildBrokeError`, TimeoutError.
        """
        async with self._turn:
            try:
                return await self._asked(question, within)
            except (EOFError, ConnectionError) as error:
                status = await self._end()
                if status != 0:
                    raise ChildBrokeError(f"status {status}") from error
            # It had nothing to do for so long that it ended, in this very moment.
            try:
                return await self._asked(question, within)
            except (EOFError, ConnectionError) as error:
                raise ChildBrokeError(f"status {await self._end()}") from error

    async def aclose(self) -> None:
        """End the child."""
        await self._end()

    async def _asked(self, question: bytes, within: float | None) -> tuple[Kind, bytes]:
        process = await self._running()
        assert process.stdin is not None
        try:
            async with asyncio.timeout(within):
                process.stdin.write(_SIZE.pack(len(question)))
                process.stdin.write(question)
                await process.stdin.drain()
                return await _answer(process)
        except (EOFError, ConnectionError):
            raise
        except BaseException:
            await self._end()  # it hangs, or its answer would be taken for the next one's
            raise

    async def _running(self) -> asyncio.subprocess.Process:
        """The child, ready. One that still imports when the caller's patience ends goes on with it."""
        now = asyncio.get_running_loop().time
        if self._process is not None and self._process.returncode is not None:
            await self._end()
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", self._module, str(os.getpid()), str(self._idle)),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,  # what went wrong is in its answers
                    env={name: os.environ[name] for name in self._environment if name in os.environ},
                )
            except OSError as error:
                raise ChildStartError(str(error)) from error
            self._ready, self._start_by = False, now() + START_WITHIN
        if not self._ready:
            try:
                async with asyncio.timeout_at(self._start_by):
                    kind, body = await _answer(self._process)
            except (EOFError, ConnectionError) as error:
                raise ChildStartError(f"status {await self._end()}") from error
            except TimeoutError as error:
                await self._end()
                raise ChildStartError(f"it did not start within {START_WITHIN:g} s") from error
            if kind is not Kind.READY:
                await self._end()
                raise ChildStartError(body.decode(errors="replace"))
            self._ready = True
        return self._process

    async def _end(self) -> int | None:
        """Have the child ended, by force where it has not by itself; its status."""
        process, self._process, self._ready = self._process, None, False
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


async def _answer(process: asyncio.subprocess.Process) -> tuple[Kind, bytes]:
    """What it says next. Raises EOFError where it ended."""
    assert process.stdout is not None
    size, kind = _HEAD.unpack(await process.stdout.readexactly(_HEAD.size))
    return Kind(kind), await process.stdout.readexactly(size) if size else b""


# --- the child ---------------------------------------------------------------------------------------------------------


def answer(load: Callable[[], Callable[[bytes], bytes]], *, damaged: type[Exception], memory: int) -> None:
    """Be the child: answer what comes on stdin, until it is closed or nothing came for as long as the command line says.

    `load` imports what takes time and gives what answers a question; it raises `damaged` where the question is at fault. `memory`:
    bytes of address space.
    """
    parent, idle = int(sys.argv[1]), float(sys.argv[2])
    die_with(parent)
    # Ctrl-C reaches the whole group of the terminal; when to stop is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    with contextlib.suppress(ValueError, OSError):  # where the system allows less than that already
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        answers = load()
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it to people
        _say(Kind.FAILED, repr(error).encode())
        return
    _say(Kind.READY)
    while select.select([0], [], [], idle)[0] and (head := _read(_SIZE.size)):
        question = _read(_SIZE.unpack(head)[0])
        try:
            _say(Kind.DONE, answers(question))
        except damaged as error:
            _say(Kind.DAMAGED, str(error).encode())
        except Exception as error:  # noqa: BLE001 - as above; the next question may be answered
            _say(Kind.FAILED, repr(error).encode())


def _read(size: int) -> bytes:
    """So many bytes; none where the parent closed the pipe."""
    found = bytearray()
    while len(found) < size:
        piece = os.read(0, size - len(found))
        if not piece:
            return b""
        found += piece
    return bytes(found)


def _say(kind: Kind, body: bytes = b"") -> None:
    left = memoryview(_HEAD.pack(len(body), kind) + body)
    while left:
        left = left[os.write(1, left) :]

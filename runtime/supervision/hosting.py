"""Running a target inside this process: imported, given settings and a lifeline, ended with a status."""

from __future__ import annotations

import asyncio
import gc
import importlib
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from runtime import logs
from runtime.sections import LogSettings
from runtime.service import PermanentError
from runtime.settings import Settings, SettingsError
from runtime.supervision.lifeline import Lifeline
from runtime.supervision.wire import MAX_LINE, PERMANENT, decode, encode

log = logs.get("runtime.process")

Main = Callable[[Settings, Lifeline], Awaitable[None]]
T = TypeVar("T")


def load(target: str) -> Main:
    """The coroutine function of ``package.module:function``. Raises ImportError or AttributeError."""
    module, _, name = target.partition(":")
    main: Main = getattr(importlib.import_module(module), name or "main")
    return main


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def host(fd: int, target: str) -> int:
    """Be a supervised child on the socket `fd`; returns the exit status."""
    line = socket.socket(fileno=fd)
    logs.setup(LogSettings(), target)  # until the real settings are known
    try:
        try:
            main = load(target)
        finally:
            gc.freeze()  # nor are modules looked through later, in the midst of a tick
            gc.enable()
        settings = Settings.load()
    except Exception as error:
        # A module that is missing or settings that are wrong stay so until somebody changes them.
        permanent = isinstance(error, SettingsError | ImportError | AttributeError)
        reason = str(error) if isinstance(error, SettingsError) else f"{type(error).__name__}: {error}"
        log.exception("the process could not begin", target=target)
        line.sendall(encode("failed", reason=reason[:2000], permanent=permanent))
        return PERMANENT if permanent else 1
    return run(_supervised(line, main, settings))


async def _supervised(line: socket.socket, main: Main, settings: Settings) -> int:
    line.settimeout(0)
    reader, writer = await asyncio.open_unix_connection(sock=line, limit=MAX_LINE)
    lifeline = Lifeline()
    lifeline.attach(writer)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lifeline.stop)
    writer.write(encode("warm"))
    beating = asyncio.create_task(lifeline.beat(), name="lifeline.beat")
    try:
        assignment = await _assignment(reader)
        if assignment is None:
            return 0
        lifeline.name, lifeline.config = assignment["name"], assignment["config"]
        logs.setup(settings[LogSettings], lifeline.name)
        listening = asyncio.create_task(lifeline.listen(reader), name="lifeline.listen")
        try:
            return await guarded(main, settings, lifeline)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
    finally:
        beating.cancel()
        await asyncio.wait([beating])
        await lifeline.flush()
        writer.close()


async def _assignment(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The parent's assignment; None when this spare is not needed any more."""
    while line := await reader.readline():
        message = decode(line)
        if message["kind"] == "assign":
            return message
        if message["kind"] == "shutdown":
            return None
    return None


async def guarded(main: Main, settings: Settings, lifeline: Lifeline) -> int:
    """Run a target's main to its end and turn what it raised into a status, a log line and a word to the parent."""
    try:
        await main(settings, lifeline)
    except Exception as error:
        permanent = is_permanent(error)
        log.exception("the process failed", permanent=permanent)
        lifeline.failed(describe(error), permanent=permanent)
        return PERMANENT if permanent else 1
    if not lifeline.is_stopping:
        lifeline.failed("its main returned without being asked to stop", permanent=False)
        return 1
    return 0


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help; of a group, whether any of its errors is so."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_permanent(each) for each in error.exceptions)
    return isinstance(error, SettingsError | PermanentError)


def describe(error: BaseException) -> str:
    """An error in a line; of a group, its errors."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

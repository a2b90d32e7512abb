"""Little programs that are run as supervised children."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import time

from runtime.service import PermanentError
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline


async def good(settings: Settings, lifeline: Lifeline) -> None:
    """Ready at once; tells what it is asked, in order; stops when it shall."""
    lifeline.ready(config=lifeline.config, name=lifeline.name, data=str(settings.data))
    async for asked in lifeline.asked():
        match asked["what"]:
            case "echo":
                lifeline.tell("echo", **asked["data"])
            case "exit":
                os._exit(asked["data"]["status"])
            case "raise":
                raise RuntimeError("it broke")
            case "return":
                return
            case "block":
                time.sleep(60)  # noqa: ASYNC251  the child's loop shall stand still
            case "spin":
                until = time.monotonic() + asked["data"]["seconds"]
                while time.monotonic() < until:
                    pass
            case "grow":
                lifeline.config["ballast"] = b"\x01" * asked["data"]["bytes"]
    lifeline.tell("stopping")


async def stubborn(_settings: Settings, lifeline: Lifeline) -> None:
    """Hears that it shall stop, and does not."""
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lifeline.ready()
    await asyncio.Event().wait()


async def failing(_settings: Settings, _lifeline: Lifeline) -> None:
    """Fails at once, each time."""
    raise RuntimeError("no camera")


async def misconfigured(_settings: Settings, _lifeline: Lifeline) -> None:
    """Fails for good."""
    raise PermanentError("rate must not be 0")


async def encumbered(_settings: Settings, _lifeline: Lifeline) -> None:
    """Fails for good, and leaves an interpreter that takes a minute to end."""
    atexit.register(time.sleep, 60)
    raise PermanentError("rate must not be 0")


async def lingering(_settings: Settings, lifeline: Lifeline) -> None:
    """Says that it failed for good, and then does not come to its end."""
    lifeline.ready()
    lifeline.failed("rate must not be 0", permanent=True)
    await lifeline.flush()
    time.sleep(60)  # noqa: ASYNC251  as where something native holds it


async def never_ready(_settings: Settings, lifeline: Lifeline) -> None:
    """Forgets to say ready."""
    await lifeline.stopping()


async def banner(_settings: Settings, lifeline: Lifeline) -> None:
    """Has something to say to whoever started it."""
    lifeline.ready(banner=["open http://localhost:8080"])
    await lifeline.stopping()

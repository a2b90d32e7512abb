"""The worlds in which the bus contract is checked: each makes connections as processes have them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from runtime.bus.local import LocalBus
from runtime.bus.port import Bus


class BusWorld(Protocol):
    """A bus with any number of connections."""

    async def connect(self) -> Bus:
        """One more connection, as another process would have; closed with the world."""
        ...


class LocalWorld:
    """One bus; nothing stands in the middle."""

    def __init__(self) -> None:
        self.bus = LocalBus()

    async def connect(self) -> Bus:
        return self.bus


@asynccontextmanager
async def local_world() -> AsyncIterator[BusWorld]:
    world = LocalWorld()
    yield world
    await world.bus.close()


WORLDS: dict[str, Callable[[], AbstractAsyncContextManager[BusWorld]]] = {"local": local_world}

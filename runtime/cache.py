"""What was fetched once and is asked for by many: an LRU of immutable objects bounded by bytes, and flights, in which
all who want the same object wait for one fetch.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What the cache keeps."""

    @property
    def cost(self) -> int:
        """Bytes it counts for."""
        ...


SizedT = TypeVar("SizedT", bound=Sized)
T = TypeVar("T")


class BytesCache(Generic[SizedT]):
    """Keeps the most recently used objects, `limit` bytes together."""

    def __init__(self, limit: int, largest: float = 0.25) -> None:
        self.limit = limit
        self.largest = largest
        """Share of all that one object may take."""
        self.bytes = 0
        self._items: OrderedDict[str, SizedT] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> SizedT | None:
        """The object, which becomes the most recently used."""
        item = self._items.get(key)
        if item is not None:
            self._items.move_to_end(key)
        return item

    def put(self, key: str, item: SizedT) -> None:
        """Keep it; the least recently used go. One that is larger than `largest` of all is not kept."""
        if item.cost > self.limit * self.largest:
            return
        self.drop(key)
        self._items[key] = item
        self.bytes += item.cost
        while self.bytes > self.limit:
            _, old = self._items.popitem(last=False)
            self.bytes -= old.cost

    def drop(self, key: str) -> None:
        """Forget it."""
        old = self._items.pop(key, None)
        if old is not None:
            self.bytes -= old.cost


class TooManyFlightsError(Exception):
    """So many different objects are being fetched that another one would not help anybody."""


class Flights(Generic[T]):
    """Fetches that are under way, by key. Who asks for the same key joins; the fetch goes on when those who wait leave,
    since the next one will want it. Every fetch must bound its own time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tasks: dict[str, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    async def join(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        """The result of the one fetch for `key`. Raises what it raises, and `TooManyFlightsError`."""
        task = self._tasks.get(key)
        if task is None:
            if len(self._tasks) >= self.limit:
                raise TooManyFlightsError
            task = asyncio.ensure_future(_run(fetch))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: one client that leaves must not take the object from the others.
        return await asyncio.shield(task)

    def _landed(self, key: str, task: asyncio.Task[T]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen: those who waited got it; where nobody did, there is nobody to tell

    async def close(self) -> None:
        """Cancel all fetches and wait for them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)


async def _run(fetch: Callable[[], Awaitable[T]]) -> T:
    return await fetch()

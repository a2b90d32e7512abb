"""Time as a value that is passed in: monotonic seconds for deadlines, Unix microseconds for what people read."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """What code that waits or stamps asks for the time."""

    def monotonic(self) -> float:
        """Seconds that never step back; the origin means nothing."""
        ...

    def wall(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z; may step."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for this long on the monotonic clock."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment (CLOCK_MONOTONIC)."""
        return time.monotonic()

    def wall(self) -> int:
        """Unix microseconds (CLOCK_REALTIME)."""
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        """`asyncio.sleep`."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that only `advance` moves: for tests, and for replaying what happened."""

    def __init__(self, wall: int = 1_700_000_000_000_000) -> None:
        self._elapsed = 0.0
        self._wall = wall
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        """Seconds that were advanced so far."""
        return self._elapsed

    def wall(self) -> int:
        """The starting wall time plus what was advanced."""
        return self._wall + round(self._elapsed * 1_000_000)

    @property
    def sleeping(self) -> int:
        """How many tasks wait in `sleep`."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced by this much."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + max(0.0, seconds), next(self._order), future))
        if seconds <= 0:
            self._wake()
        await future

    def advance(self, seconds: float) -> None:
        """Move on and wake whoever is due, in the order of their deadlines."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._elapsed += seconds
        self._wake()

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

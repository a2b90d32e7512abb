"""Warm spares: processes whose target is imported and which wait for a config. Imports alone can cost seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runtime import logs
from runtime.clock import Clock
from runtime.service import Backoff, RestartPolicy
from runtime.supervision.process import Ending, Process

log = logs.get("runtime.supervision")

Life = tuple[Process, "asyncio.Task[Ending]"]
"""A process and the task that listens to it."""
REFILL_AFTER = 1.0
"""Seconds from when a taken spare is ready until it is replaced: who was just assigned needs the processor first."""


class Pool:
    """Keeps so many spares of each target as was asked for."""

    def __init__(
        self, spawn: Callable[[str], Awaitable[Life]], tasks: asyncio.TaskGroup, clock: Clock
    ) -> None:
        self._spawn = spawn
        self._tasks = tasks
        self._clock = clock
        self._slots: dict[str, list[asyncio.Task[None]]] = {}
        self._idle: dict[str, list[tuple[Life, asyncio.Event]]] = {}

    def keep(self, target: str, count: int) -> None:
        """From now on have `count` spares of a target (0: none any more)."""
        slots = self._slots.setdefault(target, [])
        while len(slots) > count:
            slots.pop().cancel()
        while len(slots) < count:
            slots.append(self._tasks.create_task(self._slot(target), name=f"spare of {target}"))

    def warm(self, target: str) -> int:
        """How many spares are ready to be taken."""
        return sum(process.responsive for (process, _), _ in self._idle.get(target, ()))

    def take(self, target: str) -> Life | None:
        """The readiest spare, or None; it belongs to the caller then. One that still imports is taken as well:
        it is ahead of a new one.
        """
        idle = self._idle.get(target, [])
        living = [entry for entry in idle if not entry[0][0].ended.is_set()]
        if not living:
            return None
        life, taken = max(living, key=lambda entry: entry[0][0].responsive)
        idle.remove((life, taken))
        taken.set()
        return life

    async def _slot(self, target: str) -> None:
        backoff = Backoff(RestartPolicy(at_once=0.5, first=1.0, healthy_after=10.0))
        idle = self._idle.setdefault(target, [])
        while True:
            begun = self._clock.monotonic()
            life = await self._spawn(target)
            entry = (life, asyncio.Event())
            idle.append(entry)
            process, running = life
            taken = asyncio.create_task(entry[1].wait())
            try:
                await asyncio.wait([taken, running], return_when=asyncio.FIRST_COMPLETED)
            finally:
                taken.cancel()
                if entry in idle:
                    idle.remove(entry)
                if not entry[1].is_set():
                    running.cancel()  # kills it: nobody works in a spare
            if entry[1].is_set():
                await _settled(process)
                await self._clock.sleep(REFILL_AFTER)
            else:
                delay = backoff.failed(self._clock.monotonic() - begun)
                log.warning("a spare ended", target=target, pid=process.pid, replaced_in=round(delay, 2))
                await self._clock.sleep(delay)


async def _settled(process: Process) -> None:
    """Wait until a process works or is gone; its own limits see to it that one of both comes."""
    waits = [asyncio.create_task(event.wait()) for event in (process.ready, process.ended)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

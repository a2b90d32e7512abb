"""A set of supervised children: started, watched, restarted with back-off, replaced by a warm spare, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType, TracebackType
from typing import Any, Self

from runtime import logs
from runtime.clock import Clock, SystemClock
from runtime.service import Backoff, RestartPolicy
from runtime.supervision.pool import Life, Pool
from runtime.supervision.process import Ending, Limits, Process

log = logs.get("runtime.supervision")


class ChildState(StrEnum):
    """`starting`: until it said ready · `waiting`: before a restart · `failed`: for good, or again and again."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run: `target` is ``package.module:function`` of an async ``main(settings, lifeline)``."""

    name: str
    target: str
    config: Mapping[str, Any] = field(default_factory=dict)
    """JSON values; the child's `lifeline.config`."""
    limits: Limits = field(default_factory=Limits)
    restart: RestartPolicy = field(default_factory=RestartPolicy)


@dataclass(frozen=True, slots=True)
class Started:
    """A process was assigned to the child; `spare` tells whether it was a warm one."""

    name: str
    pid: int
    spare: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The child said that it does its work."""

    name: str
    pid: int
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """The child told something (`Lifeline.tell`)."""

    name: str
    what: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Exited:
    """A life of the child ended; see `ending.reason`."""

    name: str
    pid: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class Restarting:
    """The child is started again in `delay` seconds; so many lives failed in a row."""

    name: str
    delay: float
    failures: int


ChildEvent = Started | Ready | Told | Exited | Restarting
OnEvent = Callable[[ChildEvent], None]

FAILED_AFTER = 5
"""Failures in a row after which a child counts as failed, though it is still retried."""


class Child:
    """One name that is kept running. Made by `Supervisor.start`."""

    def __init__(
        self, spec: ChildSpec, on_event: OnEvent | None, take: Callable[[str], Any], clock: Clock
    ) -> None:
        self.spec = spec
        self.state = ChildState.STARTING
        self.reason = ""
        """Why the last life ended, in words."""
        self.restarts = 0
        self.info: Mapping[str, Any] = {}
        """What it told when it became ready; empty before."""
        self._on_event = on_event
        self._take = take
        self._clock = clock
        self._process: Process | None = None
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    @property
    def rss(self) -> int:
        """Resident bytes; 0 while there is no process."""
        return 0 if self._process is None else self._process.rss

    def ask(self, what: str, **data: object) -> bool:
        """Send a message (JSON values) to `Lifeline.asked`; false where no process is there to get it.

        Messages sent before `Ready` are kept by the socket. A restarted child has lost them: say it again at `Ready`.
        """
        if self._process is None or self._process.ended.is_set():
            return False
        self._process.ask(what, data)
        return True

    async def wait_ready(self, timeout: float) -> bool:
        """Whether it becomes ready within so many seconds; false at once where it stopped or failed for good."""
        try:
            async with asyncio.timeout(timeout):
                while self.state is not ChildState.READY:
                    if self.state is ChildState.STOPPED or (
                        self.state is ChildState.FAILED and self._process is None
                    ):
                        return False
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def keep(self) -> None:
        """Run lives, one after another, until it is stopped; for the supervisor."""
        backoff = Backoff(self.spec.restart)
        while not self._stop.is_set():
            try:
                ending = await self._live()
            except OSError as error:
                ending = Ending(f"cannot be started: {error}", 1, permanent=False, expected=False, ran=0.0)
            self.reason = ending.reason
            if self._stop.is_set():
                break
            if ending.permanent:
                log.error("a process failed for good", name=self.spec.name, reason=ending.reason)
                self._become(ChildState.FAILED)
                await self._stop.wait()
                break
            delay = backoff.failed(ending.ran)
            self._become(ChildState.FAILED if backoff.failures >= FAILED_AFTER else ChildState.WAITING)
            self.restarts += 1
            log.warning(
                "a process ended", name=self.spec.name, reason=ending.reason, restart_in=round(delay, 2)
            )
            self._tell(Restarting(self.spec.name, delay, backoff.failures))
            if delay and await self._stopped_within(delay):
                break
        self._become(ChildState.STOPPED)

    async def stop(self) -> None:
        """Let no further life begin, and end this one; for the supervisor, which waits for `keep`."""
        self._stop.set()
        if self._process is not None:
            await self._process.stop()

    async def _live(self) -> Ending:
        (process, running), spare = await self._take(self.spec.target)
        if self._stop.is_set():
            running.cancel()
            await asyncio.wait([running])
            return Ending("stopped", 0, permanent=False, expected=True, ran=0.0)
        if self.state is not ChildState.FAILED:
            self._become(ChildState.STARTING)
        self._process = process
        try:
            process.assign(self.spec.name, self.spec.config, self.spec.limits, self._hear)
            self._tell(Started(self.spec.name, process.pid, spare))
            ending: Ending = await asyncio.shield(running)
        finally:
            self._process = None
            self.info = {}
        self._tell(Exited(self.spec.name, process.pid, ending))
        return ending

    async def _stopped_within(self, seconds: float) -> bool:
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([sleeping, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()
        return self._stop.is_set()

    def _hear(self, message: dict[str, Any]) -> None:
        if message["kind"] == "ready":
            self.info = message["info"]
            self._become(ChildState.READY)
            self._tell(Ready(self.spec.name, self.pid, message["info"]))
        else:
            self._tell(Told(self.spec.name, message["what"], message["data"]))

    def _become(self, state: ChildState) -> None:
        self.state = state
        self._changed.set()

    def _tell(self, event: ChildEvent) -> None:
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:
                # A listener's bug must not end the supervision of what it listens to.
                log.exception("a callback failed", name=self.spec.name, event_type=type(event).__name__)


class Supervisor:
    """Use as an async context manager: what was started in it is stopped at its end.

    `environment` is laid over this process's own for every child (see `Settings.environment`).
    Callbacks run on the event loop, must be quick, and must not raise.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, *, clock: Clock | None = None) -> None:
        self._environment = dict(environment or {})
        self._clock = clock or SystemClock()
        self._tasks = asyncio.TaskGroup()
        self._children: dict[str, tuple[Child, asyncio.Task[None]]] = {}
        self._pool = Pool(self._spawn, self._tasks, self._clock)
        self._targets: set[str] = set()

    @property
    def children(self) -> Mapping[str, Child]:
        """The children by name."""
        return MappingProxyType({name: child for name, (child, _) in self._children.items()})

    async def start(self, spec: ChildSpec, on_event: OnEvent | None = None) -> Child:
        """Keep a child running from now on; does not wait for it to be ready. ValueError where the name is taken."""
        if spec.name in self._children:
            raise ValueError(f"{spec.name} is running already")
        child = Child(spec, on_event, self._take, self._clock)
        self._children[spec.name] = child, self._tasks.create_task(child.keep(), name=f"keep {spec.name}")
        return child

    async def stop(self, name: str) -> None:
        """Stop a child and forget it; returns when it is gone. No error where there is none."""
        if name not in self._children:
            return
        child, task = self._children[name]
        await child.stop()
        await asyncio.wait([task])
        if self._children.get(name) == (child, task):
            del self._children[name]

    def spare(self, target: str, count: int = 1) -> None:
        """Keep `count` warm spares of a target; `start` and every restart of it take one."""
        self._targets.add(target)
        self._pool.keep(target, count)

    def warm(self, target: str) -> int:
        """How many spares of a target are ready to be taken."""
        return self._pool.warm(target)

    @property
    def spares_warm(self) -> int:
        """How many spares are ready to be taken, of all targets together."""
        return sum(self._pool.warm(target) for target in self._targets)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for target in self._targets:
                self._pool.keep(target, 0)
            if not isinstance(error, asyncio.CancelledError):
                await asyncio.gather(*(self.stop(name) for name in list(self._children)))
        finally:
            try:
                await self._tasks.__aexit__(kind, error, trace)
            except BaseExceptionGroup as group:
                # The body's own exception is raised as itself, by returning; a group is for what went wrong in here.
                if group.exceptions != (error,):
                    raise

    async def _take(self, target: str) -> tuple[Life, bool]:
        life = self._pool.take(target)
        return (life, True) if life is not None else (await self._spawn(target), False)

    async def _spawn(self, target: str) -> Life:
        process = await Process.spawn(target, self._environment, self._clock)
        return process, self._tasks.create_task(process.run(), name=f"process {process.pid}")

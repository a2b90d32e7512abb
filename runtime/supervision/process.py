"""One life of one child process, seen from its parent: from spawn to its ending, told in words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime import logs
from runtime.clock import Clock
from runtime.supervision.wire import BEAT, MAX_LINE, PERMANENT, decode, encode

log = logs.get("runtime.supervision")

TICK = 0.1
"""Seconds between looks at a child."""
MEMORY_EVERY = 1.0
STILL_AFTER = 4 * BEAT
"""Seconds of silence, at least, before a look at whether anything of the child runs at all."""
STILL_LOOKS = 3
"""Looks in a row that found nothing running."""
ACK_TIMEOUT = 1.0
TERM_TIMEOUT = 1.0
UNSENT_LIMIT = 256
"""Messages kept for a child that is not warm yet."""
ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc gives every thread an arena of its own by default, which cost a worker of a dozen threads 48 MB of 294."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of a process. Seconds, bytes; 0 is no memory limit."""

    ready_timeout: float = 60.0
    """For its imports, and again from its assignment (or its imports, where those end later) to `ready`."""
    heartbeat_timeout: float = 3.0
    """For a child that is silent and busy: on a machine that is overloaded fivefold, loops that were well kept silence
    for 1.8 s, so less than 2 would kill what only waits for the processor, and the next one would wait longer still.
    One of which no thread runs does not wait for it: half the time is enough to know that it hangs.
    """
    memory: int = 0
    grace: float = 8.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a life ended."""

    reason: str
    """In words."""
    status: int
    """Exit status; the negative signal number where one killed it."""
    permanent: bool
    """It must not be restarted: it would fail alike."""
    expected: bool
    """It was asked to stop."""
    ran: float
    """Seconds from its assignment."""


def rss_of(pid: int) -> int:
    """Resident bytes of a process, 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def is_still(pid: int) -> bool:
    """Whether no thread of a process runs or would, had it the processor: it was stopped, or waits for itself.

    Disk (`D` of proc_pid_stat(5)) counts as running: a slow one is no fault of the process.
    """
    states = set()
    for each in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.add(each.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0])
    return bool(states) and not states & {"R", "D"}


class _Line(asyncio.Protocol):
    """Our end of the control line. No StreamReader: that forgets what it has when the peer resets the connection,
    which is what a child's death with unread messages looks like, and the child's last words are among it.
    """

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self.lost = asyncio.Event()
        self._on_line = on_line
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        for line in lines:
            self._on_line(bytes(line))
        if len(rest) > MAX_LINE:
            self._buffer.clear()
            self._on_line(b"")

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost.set()


class Process:
    """Spawned with a target, idle until it is assigned a name and a config. `run` must be somebody's task."""

    def __init__(
        self, target: str, process: asyncio.subprocess.Process, line: socket.socket, clock: Clock
    ) -> None:
        self.target = target
        self.pid = process.pid
        self.rss = 0
        """Resident bytes, looked at every second."""
        self.dropped = 0
        """Messages that the child did not read in time."""
        self.limits = Limits()
        self.warm = asyncio.Event()
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self._process = process
        self._line = line
        self._clock = clock
        self._on_message: Callable[[dict[str, Any]], None] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._unsent: deque[bytes] = deque()
        self._acknowledged = asyncio.Event()
        self._expected = False
        self._cause = ""
        self._failure = ""
        self._permanent = False
        self._begun = self._seen = self._deadline_from = clock.monotonic()

    @classmethod
    async def spawn(cls, target: str, environment: Mapping[str, str], clock: Clock) -> Process:
        """Start the interpreter. Raises OSError where the machine cannot."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "runtime.supervision.child", str(theirs.fileno()), str(os.getpid()), target),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={**ARENAS, **os.environ, **environment},
                )
            except BaseException:
                ours.close()
                raise
        ours.settimeout(0)
        return cls(target, process, ours, clock)

    @property
    def responsive(self) -> bool:
        """It is warm and its last heartbeat is fresh."""
        return self.warm.is_set() and not self.ended.is_set() and self._clock.monotonic() - self._seen < 1.0

    def assign(
        self,
        name: str,
        config: Mapping[str, Any],
        limits: Limits,
        on_message: Callable[[dict[str, Any]], None],
    ) -> None:
        """Give it its work. `on_message` gets every ``ready`` and ``tell`` of it."""
        self.limits = limits
        self._on_message = on_message
        self._begun = self._deadline_from = self._clock.monotonic()
        self._send(encode("assign", name=name, config=dict(config)))

    def ask(self, what: str, data: Mapping[str, Any]) -> None:
        """Send it a message for `Lifeline.asked`."""
        self._send(encode("ask", what=what, data=dict(data)))

    async def run(self) -> Ending:
        """Listen and watch until the process is gone. When cancelled, kills it first."""
        try:
            transport, line = await asyncio.get_running_loop().create_unix_connection(
                lambda: _Line(self._hear), sock=self._line
            )
            self._transport = transport
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(), name=f"watch {self.pid}")
                await self._process.wait()
                watching.cancel()
            # Its last words may be in the socket still; a grandchild that holds the socket must not hold us.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await line.lost.wait()
            return self._ending()
        finally:
            if self._process.returncode is None:
                self._signal(signal.SIGKILL)
                await self._process.wait()
            if self._transport is not None:
                self._transport.close()
            else:
                self._line.close()
            self.ended.set()

    async def stop(self, grace: float | None = None) -> None:
        """Ask it to stop, then insist: acknowledgement, grace, SIGTERM, SIGKILL. Returns when it is gone."""
        self._expected = True
        await self._end(self.limits.grace if grace is None else grace)

    async def _end(self, grace: float) -> None:
        self._send(encode("shutdown"))
        if await self._within(self._acknowledged, min(ACK_TIMEOUT, grace)) and await self._within(
            self.ended, grace
        ):
            return
        if not self.ended.is_set():
            self._signal(signal.SIGTERM)
            if not await self._within(self.ended, TERM_TIMEOUT):
                self._cause = self._cause or "did not stop when asked and was killed"
                self._signal(signal.SIGKILL)
                await self.ended.wait()

    async def _within(self, event: asyncio.Event, seconds: float) -> bool:
        """Whether the event, or the end of the process, comes in time."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.ended.wait())]
        try:
            done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            for wait in waits:
                wait.cancel()

    def _send(self, line: bytes) -> None:
        if self._transport is None or not self.warm.is_set():
            # What a child that is not warm yet did not read would be lost with it, and its last words too.
            if len(self._unsent) < UNSENT_LIMIT:
                self._unsent.append(line)
            else:
                self.dropped += 1
        elif self._transport.is_closing():
            return
        elif self._transport.get_write_buffer_size() > MAX_LINE:
            self.dropped += 1
        else:
            self._transport.write(line)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _kill(self, cause: str) -> None:
        self._cause = self._cause or cause
        self._signal(signal.SIGKILL)

    def _hear(self, line: bytes) -> None:
        self._seen = self._clock.monotonic()
        try:
            self._take(decode(line))
        except (ValueError, KeyError) as error:
            self._kill(f"sent nonsense on its control line: {error!r}")

    def _take(self, message: dict[str, Any]) -> None:
        match message["kind"]:
            case "warm":
                self.warm.set()
                # Imports are the machine's matter, not the work's: counted in, an overloaded machine would kill
                # and begin anew for ever what it is too slow for already.
                self._deadline_from = self._clock.monotonic()
                while self._unsent:
                    self._send(self._unsent.popleft())
            case "ack":
                self._acknowledged.set()
            case "failed":
                self._failure, self._permanent = str(message["reason"]), bool(message["permanent"])
            case "ready" | "tell" as kind:
                if kind == "ready":
                    self.ready.set()
                if self._on_message is not None:
                    self._on_message(message)
            case _:
                pass

    async def _watch(self) -> None:
        """Kill it for silence, for never becoming ready, and (politely) for its size."""
        former = measured = self._clock.monotonic()
        still = 0
        while True:
            await self._clock.sleep(TICK)
            now = self._clock.monotonic()
            late = now - former - TICK
            former = now
            if late > TICK:
                # We were held up ourselves: a child must not die of its parent's sleep.
                self._seen = min(now, self._seen + late)
                self._deadline_from += late
            limits = self.limits
            silence = now - self._seen if self.warm.is_set() and not self._expected else 0.0
            hanging = silence > max(STILL_AFTER, limits.heartbeat_timeout / 2) and is_still(self.pid)
            still = still + 1 if hanging else 0
            if silence > limits.heartbeat_timeout:
                self._kill(f"no heartbeat for {silence:.1f} s")
            elif still >= STILL_LOOKS:
                self._kill(f"no heartbeat for {silence:.1f} s, and none of its threads runs")
            elif not (self.ready if self._on_message else self.warm).is_set() and (
                now - self._deadline_from > limits.ready_timeout
            ):
                self._kill(f"was not ready within {limits.ready_timeout:g} s")
            if now - measured >= MEMORY_EVERY:
                measured = now
                self.rss = rss_of(self.pid)
                if limits.memory and self.rss > limits.memory and not self._cause:
                    self._cause = (
                        f"uses {self.rss >> 20} MB of memory, over its limit of {limits.memory >> 20} MB"
                    )
                    await self._end(min(2.0, limits.grace))

    def _ending(self) -> Ending:
        status = self._process.returncode
        assert status is not None
        clean = self._expected and status == 0 and not self._cause
        # What it said of its failure holds, even where it was too slow to die of it and had to be killed.
        permanent = not self._expected and (self._permanent or (not self._cause and status == PERMANENT))
        if clean:
            reason = "stopped"
        elif self._failure:
            reason = self._failure
        elif self._cause:
            reason = self._cause
        elif status < 0:
            reason = f"killed by {signal.Signals(-status).name}"
        else:
            reason = f"exited with status {status}"
        return Ending(reason, status, permanent, self._expected, self._clock.monotonic() - self._begun)

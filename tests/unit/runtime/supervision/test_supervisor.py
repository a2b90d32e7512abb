from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from runtime.clock import SystemClock
from runtime.service import RestartPolicy
from runtime.supervision.process import Limits, Process
from runtime.supervision.supervisor import (
    ChildEvent,
    ChildSpec,
    ChildState,
    Exited,
    Ready,
    Restarting,
    Started,
    Supervisor,
    Told,
)

DEADLINE = 20.0
CHILDREN = "tests.support.children"
QUICK = Limits(ready_timeout=10.0, heartbeat_timeout=1.2, grace=2.0)
EventT = TypeVar("EventT", bound=ChildEvent)


class Witness:
    """Collects events and waits for them."""

    def __init__(self) -> None:
        self.events: list[tuple[float, ChildEvent]] = []
        self._news = asyncio.Event()

    def __call__(self, event: ChildEvent) -> None:
        self.events.append((time.monotonic(), event))
        self._news.set()

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for _, event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def next(self, kind: type[EventT], number: int = 1) -> EventT:
        await self.until(lambda: len(self.of(kind)) >= number)
        return self.of(kind)[number - 1]

    def when(self, event: ChildEvent) -> float:
        return next(at for at, each in self.events if each is event)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor({"GACHI_DATA": str(tmp_path)}) as supervisor:
        yield supervisor


@pytest.fixture
def witness() -> Witness:
    return Witness()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_child_gets_its_config_talks_and_stops(
    supervisor: Supervisor, witness: Witness, tmp_path: Path
) -> None:
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", {"rate": 30}, QUICK), witness)
    assert await child.wait_ready(DEADLINE)
    ready = await witness.next(Ready)
    assert ready.info == {"config": {"rate": 30}, "name": "one", "data": str(tmp_path)} == child.info
    for number in range(100):
        assert child.ask("echo", number=number)
    await witness.next(Told, 100)
    assert [told.data["number"] for told in witness.of(Told)] == list(range(100))
    pid = child.pid
    await supervisor.stop("one")
    assert not alive(pid)
    assert [told.what for told in witness.of(Told)][100:] == ["stopping"]
    ending = (await witness.next(Exited)).ending
    assert (ending.reason, ending.status, ending.expected) == ("stopped", 0, True)
    assert child.state is ChildState.STOPPED
    assert not child.ask("echo")
    assert not supervisor.children
    await supervisor.stop("one")


async def test_a_name_is_taken_once(supervisor: Supervisor) -> None:
    await supervisor.start(ChildSpec("one", f"{CHILDREN}:good"))
    with pytest.raises(ValueError, match="running already"):
        await supervisor.start(ChildSpec("one", f"{CHILDREN}:good"))


@pytest.mark.parametrize(
    ("ask", "data", "reason"),
    [
        ("raise", {}, "RuntimeError: it broke"),
        ("exit", {"status": 3}, "exited with status 3"),
        ("return", {}, "its main returned without being asked to stop"),
        ("block", {}, "no heartbeat for 1."),
        ("spin", {"seconds": 60}, "no heartbeat for 1."),
    ],
)
async def test_whatever_ends_a_child_is_told_in_words_and_it_is_started_again(
    supervisor: Supervisor, witness: Witness, ask: str, data: dict[str, object], reason: str
) -> None:
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", limits=QUICK), witness)
    assert await child.wait_ready(DEADLINE)
    child.ask(ask, **data)
    ended = await witness.next(Exited)
    assert ended.ending.reason.startswith(reason)
    assert not ended.ending.expected
    assert (await witness.next(Restarting)).delay == 0
    second = await witness.next(Ready, 2)
    assert second.pid == child.pid != ended.pid
    assert child.restarts == 1


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGKILL, "killed by SIGKILL"),
        (signal.SIGSEGV, "killed by SIGSEGV"),
        (signal.SIGSTOP, "no heartbeat"),
    ],
)
async def test_a_signal_from_outside_leads_to_a_new_life(
    supervisor: Supervisor, witness: Witness, number: signal.Signals, reason: str
) -> None:
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", limits=QUICK), witness)
    assert await child.wait_ready(DEADLINE)
    os.kill(child.pid, number)
    ended = await witness.next(Exited)
    assert ended.ending.reason.startswith(reason)
    assert not alive(ended.pid)
    await witness.next(Ready, 2)


@pytest.mark.parametrize("by", ["SIGSTOP", "block"])
async def test_one_that_hangs_is_replaced_in_half_the_time(
    supervisor: Supervisor, witness: Witness, by: str
) -> None:
    patient = Limits(ready_timeout=10.0, heartbeat_timeout=8.0, grace=2.0)
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", limits=patient), witness)
    assert await child.wait_ready(DEADLINE)
    if by == "block":
        child.ask("block")
    else:
        os.kill(child.pid, signal.SIGSTOP)
    begun = time.monotonic()
    ended = await witness.next(Exited)
    assert ended.ending.reason.endswith("none of its threads runs")
    assert 3.5 < witness.when(ended) - begun < 7.5


async def test_one_that_is_silent_because_it_is_busy_has_all_the_time(
    supervisor: Supervisor, witness: Witness
) -> None:
    # Killed at half the time, a worker on an overloaded machine would begin anew for ever.
    patient = Limits(ready_timeout=10.0, heartbeat_timeout=8.0, grace=2.0)
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", limits=patient), witness)
    assert await child.wait_ready(DEADLINE)
    child.ask("spin", seconds=6)
    child.ask("echo", said="still there")
    assert (await witness.next(Told)).data == {"said": "still there"}
    assert not witness.of(Exited)


async def test_a_child_that_grows_over_its_limit_is_replaced(
    supervisor: Supervisor, witness: Witness
) -> None:
    limits = Limits(ready_timeout=10.0, heartbeat_timeout=5.0, grace=2.0, memory=200 << 20)
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", limits=limits), witness)
    assert await child.wait_ready(DEADLINE)
    child.ask("grow", bytes=300 << 20)
    ended = await witness.next(Exited)
    assert "over its limit of 200 MB" in ended.ending.reason
    await witness.next(Ready, 2)


async def test_a_child_that_is_never_ready_is_killed(supervisor: Supervisor, witness: Witness) -> None:
    limits = Limits(ready_timeout=1.0)
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:never_ready", limits=limits), witness)
    assert (await witness.next(Exited)).ending.reason == "was not ready within 1 s"
    assert not await child.wait_ready(0.0)


async def test_a_child_that_does_not_stop_is_killed(supervisor: Supervisor, witness: Witness) -> None:
    limits = Limits(grace=0.3)
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:stubborn", limits=limits), witness)
    assert await child.wait_ready(DEADLINE)
    pid = child.pid
    async with asyncio.timeout(DEADLINE):
        await supervisor.stop("one")
    assert not alive(pid)
    assert (await witness.next(Exited)).ending.reason == "did not stop when asked and was killed"
    assert not witness.of(Restarting)


async def test_a_stopped_process_can_be_stopped(supervisor: Supervisor) -> None:
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good", limits=Limits(grace=0.3)))
    assert await child.wait_ready(DEADLINE)
    pid = child.pid
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.timeout(DEADLINE):
        await supervisor.stop("one")
    assert not alive(pid)


async def test_a_child_that_fails_at_once_is_retried_ever_slower_and_called_failed(
    supervisor: Supervisor, witness: Witness
) -> None:
    policy = RestartPolicy(first=0.01, limit=0.04, jitter=0.0)
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:failing", restart=policy), witness)
    await witness.next(Restarting, 6)
    assert [event.delay for event in witness.of(Restarting)][:6] == [0.0, 0.01, 0.02, 0.04, 0.04, 0.04]
    assert child.state is ChildState.FAILED
    assert child.reason == "RuntimeError: no camera"
    await witness.next(Restarting, 7)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (f"{CHILDREN}:misconfigured", "PermanentError: rate must not be 0"),
        ("tests.support.nowhere:main", "ModuleNotFoundError: No module named 'tests.support.nowhere'"),
        (f"{CHILDREN}:nothing", "AttributeError: module 'tests.support.children' has no attribute 'nothing'"),
    ],
)
async def test_what_cannot_get_better_is_not_retried(
    supervisor: Supervisor, witness: Witness, target: str, reason: str
) -> None:
    child = await supervisor.start(ChildSpec("one", target), witness)
    ended = await witness.next(Exited)
    assert (ended.ending.reason, ended.ending.status, ended.ending.permanent) == (reason, 78, True)
    assert not await child.wait_ready(DEADLINE)
    assert child.state is ChildState.FAILED
    assert not witness.of(Restarting)
    await supervisor.stop("one")


async def test_a_failed_process_is_gone_at_once(supervisor: Supervisor, witness: Witness) -> None:
    # The interpreter's end took a worker two seconds; it was killed for its silence, and started again all the same.
    await supervisor.start(ChildSpec("one", f"{CHILDREN}:encumbered", limits=QUICK), witness)
    ending = (await witness.next(Exited)).ending
    assert (ending.reason, ending.status) == ("PermanentError: rate must not be 0", 78)
    assert ending.permanent


async def test_what_failed_for_good_stays_so_where_it_has_to_be_killed(
    supervisor: Supervisor, witness: Witness
) -> None:
    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:lingering", limits=QUICK), witness)
    ending = (await witness.next(Exited)).ending
    assert (ending.reason, ending.status) == ("rate must not be 0", -signal.SIGKILL)
    assert ending.permanent
    await asyncio.sleep(0)
    assert child.state is ChildState.FAILED
    assert not witness.of(Restarting)


async def test_a_wrong_setting_is_permanent(witness: Witness) -> None:
    async with Supervisor({"GACHI_LOG__LEVEL": "loud"}) as supervisor:
        await supervisor.start(ChildSpec("one", f"{CHILDREN}:good"), witness)
        ending = (await witness.next(Exited)).ending
    assert ending.permanent
    assert ending.reason.startswith("log.level: ")


async def test_a_warm_spare_takes_over_at_once(supervisor: Supervisor, witness: Witness) -> None:
    target = "tests.support.slow_child:main"
    child = await supervisor.start(ChildSpec("one", target, limits=QUICK), witness)
    supervisor.spare(target)
    assert await child.wait_ready(DEADLINE)
    async with asyncio.timeout(DEADLINE):
        while not supervisor.warm(target):
            await asyncio.sleep(0.05)
    killed = time.monotonic()
    os.kill(child.pid, signal.SIGKILL)
    assigned = await witness.next(Started, 2)
    ready = await witness.next(Ready, 2)
    assert assigned.spare
    assert witness.when(assigned) - killed < 0.1
    assert witness.when(ready) - killed < 0.5  # the import alone takes 1 s
    async with asyncio.timeout(DEADLINE):
        while not supervisor.warm(target):
            await asyncio.sleep(0.05)


async def test_a_spare_is_replaced_only_when_who_took_it_is_ready(
    supervisor: Supervisor, witness: Witness
) -> None:
    # Two imports at once on a small machine put the channel on air a second or two later.
    target = "tests.support.slow_child:main"
    supervisor.spare(target)
    async with asyncio.timeout(DEADLINE):
        while not supervisor._pool._idle.get(target):
            await asyncio.sleep(0.01)
    await supervisor.start(ChildSpec("one", target), witness)
    await witness.next(Ready)
    assert witness.of(Started)[0].spare
    assert not supervisor._pool._idle[target]
    async with asyncio.timeout(DEADLINE):
        while not supervisor.warm(target):
            await asyncio.sleep(0.05)


async def test_imports_do_not_count_as_getting_ready(tmp_path: Path) -> None:
    # A machine that is overloaded at the start needed longer for the imports than the work may take, and was
    # made to begin anew for it, again and again.
    environment = {"GACHI_DATA": str(tmp_path)}
    process = await Process.spawn("tests.support.slow_child:main", environment, SystemClock())
    running = asyncio.create_task(process.run())
    process.assign("one", {}, Limits(), lambda _: None)
    async with asyncio.timeout(DEADLINE):
        await process.ready.wait()
    assert process._deadline_from - process._begun >= 1.0  # the import alone
    await process.stop()
    await running


async def test_a_dead_spare_is_replaced(supervisor: Supervisor) -> None:
    target = f"{CHILDREN}:good"
    supervisor.spare(target)

    async def warm_pid() -> int:
        async with asyncio.timeout(DEADLINE):
            while not supervisor.warm(target):
                await asyncio.sleep(0.05)
        return int(supervisor._pool._idle[target][0][0][0].pid)

    first = await warm_pid()
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE):
        while supervisor.warm(target):
            await asyncio.sleep(0.02)
    assert await warm_pid() != first


async def test_a_bug_in_a_callback_does_not_end_the_supervision(supervisor: Supervisor) -> None:
    def broken(_event: ChildEvent) -> None:
        raise ZeroDivisionError

    child = await supervisor.start(ChildSpec("one", f"{CHILDREN}:good"), broken)
    assert await child.wait_ready(DEADLINE)


async def test_leaving_the_supervisor_ends_everybody_and_the_bodys_error_is_its_own() -> None:
    pids: list[int] = []

    async def body() -> None:
        async with Supervisor() as supervisor:
            supervisor.spare(f"{CHILDREN}:good")
            for name in ("one", "two"):
                child = await supervisor.start(ChildSpec(name, f"{CHILDREN}:good"))
                assert await child.wait_ready(DEADLINE)
                pids.append(child.pid)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await body()
    assert not any(alive(pid) for pid in pids)


PARENT = """
import asyncio, sys
from runtime.supervision.supervisor import ChildSpec, Supervisor

async def main():
    async with Supervisor() as supervisor:
        child = await supervisor.start(ChildSpec("one", "tests.support.children:stubborn"))
        supervisor.spare("tests.support.children:stubborn")
        assert await child.wait_ready(20)
        while not supervisor.warm("tests.support.children:stubborn"):
            await asyncio.sleep(0.02)
        print(child.pid, supervisor._pool._idle["tests.support.children:stubborn"][0][0][0].pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_children_die_with_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + DEADLINE
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)

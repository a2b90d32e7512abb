"""What holds for every test: nothing may be left behind, and what was not tested is said loudly."""

from __future__ import annotations

import asyncio
import collections
import inspect
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from runtime.serving import raise_file_limit

GRACE = 3.0
"""Seconds that what a test started has to end by itself after the test."""

# What the interpreter and the runner keep for themselves, with the reason.
OWN_THREADS = (
    "asyncio_",  # the default executor of a loop, joined when the loop is closed, after every fixture
    "pytest_timeout",  # the time-out's own timer
    "Hypothesis",
)
OWN_CHILDREN = (
    b"resource_tracker",  # multiprocessing's, one per interpreter
    b"forkserver",
    b"postgres",  # the server of tests.support.databases lives as long as the run
    b"redis-server",  # so does the one of tests.support.buses
)


def pytest_configure() -> None:
    """What holds for the whole run, whatever the machine."""
    # Crowds are made in one process, of both their ends: more sockets than the 1,024 of a usual shell.
    raise_file_limit()
    # How fast a machine that others use as well makes an example says nothing of the code; pytest's time-out stays.
    settings.register_profile(
        "house", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Async tests get a check of their own loop; it is set up first, so it looks when all else is torn down."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(inspect.unwrap(item.obj)):
            item.fixturenames.insert(0, "no_task_left")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fails where tasks still run at the end: somebody did not own what they started."""
    before = asyncio.all_tasks()
    yield
    deadline = time.monotonic() + GRACE
    while left := {
        t for t in asyncio.all_tasks() - before if t is not asyncio.current_task() and not t.done()
    }:
        if time.monotonic() > deadline:
            pytest.fail("tasks were left behind:\n" + "\n".join(repr(task) for task in left))
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Fails where threads or child processes outlive the test."""
    threads, children = set(threading.enumerate()), _children()
    yield
    _settle("threads", lambda: [t.name for t in set(threading.enumerate()) - threads if not _own(t)])
    _settle(
        "child processes",
        lambda: [f"{pid} {name}" for pid, name in _children().items() if pid not in children],
    )


def _settle(what: str, left: Callable[[], list[str]]) -> None:
    deadline = time.monotonic() + GRACE
    while names := left():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} were left behind: {', '.join(names)}")
        time.sleep(0.01)


def _own(thread: threading.Thread) -> bool:
    return not thread.is_alive() or thread.name.startswith(OWN_THREADS)


def _children() -> dict[int, str]:
    """Child processes by pid with their command lines; none where the kernel does not tell (not Linux)."""
    found: dict[int, str] = {}
    for listing in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        try:
            pids = [int(pid) for pid in listing.read_text().split()]
        except OSError:
            continue  # the thread ended meanwhile
        for pid in pids:
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if not any(own in command for own in OWN_CHILDREN):
                found[pid] = command.replace(b"\0", b" ").decode(errors="replace")[:80]
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested on this machine, and why."""
    reasons: collections.Counter[str] = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        _, _, reason = (
            report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
        )
        reasons[str(reason).removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("NOT TESTED ON THIS MACHINE", sep="!", red=True, bold=True)
        for reason, count in reasons.most_common():
            terminalreporter.line(f"  {count:4} x {reason}", red=True)

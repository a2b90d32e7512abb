"""`gachi serve`: every role of one machine under one supervisor, with the bus between them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import entry_points
from typing import TextIO

from runtime import logs
from runtime.bus.hub_server import HubServer
from runtime.bus.opening import open_bus
from runtime.database import Database
from runtime.figures import gauge, watched
from runtime.migrations import upgrade
from runtime.sections import BusSettings, LogSettings, SupervisionSettings
from runtime.service import Service
from runtime.settings import Settings
from runtime.supervision.metrics import children
from runtime.supervision.process import Limits
from runtime.supervision.supervisor import ChildEvent, ChildSpec, ChildState, Ready, Supervisor
from runtime.telemetry import DROPS, serve_metrics

log = logs.get("runtime.serve")

BANNER = "banner"
"""Key of a role's `lifeline.ready`: lines (list of str) to show to whoever started the product."""


class ServeError(Exception):
    """The product cannot be started; the message says what to do."""


def roles() -> dict[str, str]:
    """Target (``module:function``) of each role that installed packages register under `gachi.roles`."""
    return {entry.name: entry.value for entry in entry_points(group="gachi.roles")}


@contextlib.contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the data folder for this process. Raises `ServeError` where another one holds it."""
    path = settings.data / "serve.lock"
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServeError(
                f"{settings.data} is in use by process {_holder(file)}: stop that one, or set GACHI_DATA to another folder"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read().strip() or "(unknown)"


@contextlib.asynccontextmanager
async def hub(settings: Settings) -> AsyncIterator[None]:
    """The bus in the middle, where no other one is named."""
    if settings[BusSettings].url:
        yield
        return
    async with HubServer(settings.socket("bus")) as server:
        DROPS.watch("hub", lambda: server.dropped)
        with watched(lambda: [gauge("gachi_hub_clients", "Processes on the hub.", server.clients)]):
            yield
        DROPS.forget("hub")


async def _tell_figures(settings: Settings, supervisor: Supervisor) -> None:
    """Answer scrapes until cancelled. Entering waits for the bus as long as it takes, so it is a task of its own."""
    with watched(children(supervisor)):
        async with open_bus(settings) as bus, serve_metrics(bus, "serve"):
            await asyncio.Event().wait()


async def serve(settings: Settings) -> int:
    """Run all enabled roles until SIGINT or SIGTERM. Returns the exit status; raises `ServeError`."""
    section = settings[SupervisionSettings]
    known = roles()
    unknown = [role for role in section.roles if role not in known]
    if unknown:
        raise ServeError(
            f"supervision.roles: there is no role {', '.join(unknown)}; there are {', '.join(known)}"
        )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    limits = Limits(
        ready_timeout=section.ready_timeout,
        heartbeat_timeout=section.heartbeat_timeout,
        memory=section.memory_limit,
        grace=section.grace,
    )
    async with Database.of(settings) as database:
        await upgrade(database)
    banner: dict[str, list[str]] = {}
    news = asyncio.Event()

    def hear(event: ChildEvent) -> None:
        if isinstance(event, Ready):
            lines = event.info.get(BANNER, ())
            banner[event.name] = [str(line) for line in lines] if isinstance(lines, list | tuple) else []
        news.set()

    async with hub(settings), Supervisor(settings.environment) as supervisor:
        for role in section.roles:
            await supervisor.start(ChildSpec(role, known[role], limits=limits), hear)
        announcing = asyncio.create_task(_announce(supervisor, section.roles, banner, news), name="banner")
        stopped = asyncio.create_task(stopping.wait(), name="stopping")
        figures = Service("figures", lambda: _tell_figures(settings, supervisor))
        telling = asyncio.create_task(figures.run(), name="figures")
        try:
            await asyncio.wait({announcing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if announcing.done() and not announcing.result():
                return 1
            await stopped
        finally:
            for task in (announcing, stopped, telling):
                task.cancel()
            await asyncio.wait({announcing, stopped, telling})
        log.info("stopping")
    return 0


async def _announce(
    supervisor: Supervisor, wanted: tuple[str, ...], banner: dict[str, list[str]], news: asyncio.Event
) -> bool:
    """Print the banner once every role is ready; False when one failed for good before that."""
    while not all(role in banner for role in wanted):
        await news.wait()
        news.clear()
        for role in wanted:
            child = supervisor.children.get(role)
            if child is not None and child.state is ChildState.FAILED and child.pid == 0:
                # Its reason names the setting at fault; the others cannot make up for it.
                print(f"\n  {role} cannot start: {child.reason}\n", flush=True)  # noqa: T201 - for who started it
                return False
    lines = [line for role in wanted for line in banner[role]]
    print("\n".join(("", *(f"  {line}" for line in lines), "")), flush=True)  # noqa: T201 - for who started it
    log.info("ready", roles=list(wanted))
    return True


async def run_role(settings: Settings, role: str) -> int:
    """Run one role in the foreground, with the bus and database that the settings name."""
    from runtime.supervision.hosting import guarded, load
    from runtime.supervision.lifeline import Lifeline

    main = load(roles()[role])
    lifeline = Lifeline(name=role)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, lifeline.stop)
    async with Database.of(settings) as database:
        await upgrade(database)
    return await guarded(main, settings, lifeline)


def raise_file_limit() -> int:
    """Allow this process and its children as many open files as the system lets them; returns that number.

    A shell's usual 1,024 are as many viewers: each is a socket. What the system allows at most is for an administrator to say.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def prepare(settings: Settings, role: str) -> None:
    """What every way of running needs: folders, logs, and the variables that children read their settings from."""
    try:
        settings.create_folders()
    except OSError as error:
        raise ServeError(
            f"{settings.data} cannot be made or used ({error.strerror or error}): set GACHI_DATA to another folder"
        ) from error
    logs.setup(settings[LogSettings], role)
    raise_file_limit()
    os.environ.update(settings.environment)

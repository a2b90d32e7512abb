"""Requests per second of one core for a purchase link, followed by persons: the whole web process, each click told on the bus,
against aiohttp that redirects to one address and does nothing else.

The servers run one at a time on one core, the load on the other, in interleaved rounds. As a program of its own
(``python -m tests.bench.links KIND CORE PARENT HUB``) this is the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from runtime.bus.hub import HubBus, HubServer
from runtime.supervision.hosting import run as hosted
from runtime.supervision.tether import die_with
from tests.bench import machine
from tests.bench.load import Connection, connect
from tests.bench.rows import Row, median

ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 32
START_WITHIN = 20.0
PERSON = (
    "User-Agent: Mozilla/5.0 (Linux; Android 14; SM-S918N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
    "Safari/537.36\r\nAccept: text/html\r\nAccept-Language: ko-KR,ko;q=0.9\r\n"
)


@dataclass(frozen=True, slots=True)
class Rate:
    """One round."""

    requests: float
    """Per second."""
    cpu: float
    """Microseconds of the server per request."""


async def run() -> list[Row]:
    """The bench."""
    serving, loading = machine.cores()
    os.sched_setaffinity(0, {loading})
    found: dict[str, list[Rate]] = {}
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        hub = HubServer(Path(folder) / "bus.sock")
        await hub.start()
        try:
            for round_ in range(ROUNDS):
                for kind in ("ours", "bare") if round_ % 2 == 0 else ("bare", "ours"):
                    found.setdefault(kind, []).append(await _measure(kind, serving, hub.path))
        finally:
            await hub.close()
    rates = {kind: median([rate.requests for rate in all_]) for kind, all_ in found.items()}
    cpu = {kind: median([rate.cpu for rate in all_]) for kind, all_ in found.items()}
    notes = [
        (
            f"{CONNECTIONS} connections with a browser's headers, each click announced to the hub of a bus; the peer redirects to one "
            f"address; server on one core, load on the other, {ROUNDS} interleaved rounds of {SECONDS:g} s, medians"
        )
    ]
    details = {"requests_per_second": rates, "cpu_microseconds_per_request": cpu}
    peer = "bare aiohttp"
    return [
        Row(
            "go-throughput",
            "Purchase links: followed per second, one core",
            "requests/s",
            rates["ours"],
            rates["bare"],
            peer,
            notes=notes,
            details=details,
        ),
        Row("go-cpu", "Purchase links: CPU for each", "µs", cpu["ours"], cpu["bare"], peer, notes=notes),
    ]


async def _measure(kind: str, core: int, hub: Path) -> Rate:
    async with _server(kind, core, hub) as (port, path, pid):
        connections = [await connect(port) for _ in range(CONNECTIONS)]
        await _follow(connections, path, 0.5)  # keys, addresses and caches are warm after the first
        began, before = time.monotonic(), machine.cpu_seconds([pid])
        count = await _follow(connections, path, SECONDS)
        took, spent = time.monotonic() - began, machine.cpu_seconds([pid]) - before
        for connection in connections:
            connection.close()
        return Rate(count / took, spent / count * 1e6)


async def _follow(connections: list[Connection], path: str, seconds: float) -> int:
    """How many were led on. Raises RuntimeError where one was not."""
    end = time.monotonic() + seconds

    async def follow(connection: Connection) -> int:
        count = 0
        while time.monotonic() < end:
            status, _ = await connection.get(path, headers=PERSON)
            if status != 302:
                raise RuntimeError(f"{path}: {status}")
            count += 1
        return count

    return sum(await asyncio.gather(*(follow(connection) for connection in connections)))


@asynccontextmanager
async def _server(kind: str, core: int, hub: Path) -> AsyncIterator[tuple[int, str, int]]:
    """Port, path of a link, and process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.links", kind, str(core), str(os.getpid()), str(hub)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_WITHIN):
            # What is logged on the way to it comes out there too.
            while (line := await process.stdout.readline()) and not line.startswith(b"{"):
                pass
        if not line:
            raise RuntimeError(f"the server {kind} did not start")
        said = json.loads(line)
        yield said["port"], said["path"], process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# --- inside the processes --------------------------------------------------------------------------------------------


async def _ours(hub: Path) -> None:
    from runtime import ids
    from tests.support.commerce_owner import CommerceOwner, product
    from tests.support.sites import site

    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        async with site(Path(folder), bus=HubBus(hub)) as made:
            bridge = CommerceOwner(made.owners.bus)
            sold = bridge.put(product("7", "https://shop.example/goods/view?no=7&opt=%EA%B0%80"))
            async with bridge.serving():
                await made.web.links.refresh()
                said = {
                    "port": int(made.url.rpartition(":")[2]),
                    "path": made.web.links.path(ids.new(), sold.id),
                }
                print(json.dumps(said), flush=True)
                await asyncio.sleep(3600)


async def _bare(_: Path) -> None:
    async def go(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://shop.example/goods/view?no=7"})

    app = web.Application()
    app.router.add_get("/go/{token}", go)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1], "path": "/go/token"}), flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[2])})
    die_with(int(sys.argv[3]))
    hosted({"ours": _ours, "bare": _bare}[sys.argv[1]](Path(sys.argv[4])))

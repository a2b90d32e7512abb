"""CPU of the web process for each patch and client of ``/realtime``: 200 clients, 20 patches a second, against the
`websockets` library sending the same bytes to as many and doing nothing else.

The servers run one at a time on one core, the clients on the other, in interleaved rounds. As a program of its own
(``python -m tests.bench.realtime KIND CORE PARENT``) this is the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from media.contracts.channels import ChannelSettings, ChannelView
from runtime.supervision.hosting import run as hosted
from runtime.supervision.tether import die_with
from tests.bench import machine
from tests.bench.rows import Row, median
from web.realtime.frames import PROTOCOL
from web.realtime.settings import RealtimeSettings

CLIENTS = 200
RATE = 20
"""Patches per second: one in each batch, the dearest way to send them."""
ROUNDS = 3
SECONDS = 4.0
START_WITHIN = 20.0
ASK = json.dumps({"type": "subscribe", "topics": {"channels": None}})


async def run() -> list[Row]:
    """The bench."""
    serving, loading = machine.cores()
    os.sched_setaffinity(0, {loading})
    found: dict[str, list[float]] = {}
    for round_ in range(ROUNDS):
        kinds = ("ours", "websockets") if round_ % 2 == 0 else ("websockets", "ours")
        for kind in kinds:
            found.setdefault(kind, []).append(await _measure(kind, serving))
    return [
        Row(
            "realtime-cpu",
            "Realtime: CPU per patch and client",
            "µs",
            median(found["ours"]),
            median(found["websockets"]),
            "bare websockets",
            notes=[
                (
                    f"{CLIENTS} clients, {RATE} patches/s of one changed field, everything else of the web process included; "
                    f"the peer broadcasts as many bytes; server on one core, clients on the other, {ROUNDS} interleaved "
                    f"rounds of {SECONDS:g} s, medians"
                )
            ],
            details={"microseconds": found},
        )
    ]


async def _measure(kind: str, core: int) -> float:
    """Microseconds of the server for each patch and client."""
    async with (
        _server(kind, core) as (port, pid),
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0)  # without a limit of its own, which is 100
        ) as session,
    ):
        sockets = [
            await session.ws_connect(f"http://127.0.0.1:{port}/realtime", protocols=[PROTOCOL])
            for _ in range(CLIENTS)
        ]
        counts = [0] * CLIENTS

        async def read(number: int, websocket: aiohttp.ClientWebSocketResponse) -> None:
            async for message in websocket:
                counts[number] += '"patch"' in message.data

        for websocket in sockets:
            await websocket.send_str(ASK)
        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(read(n, websocket)) for n, websocket in enumerate(sockets)]
            await asyncio.sleep(1.0)
            before, cpu = sum(counts), machine.cpu_seconds([pid])
            await asyncio.sleep(SECONDS)
            spent, patches = machine.cpu_seconds([pid]) - cpu, sum(counts) - before
            for reader in readers:
                reader.cancel()
        if patches < 0.25 * CLIENTS * RATE * SECONDS:  # others use the machine: CPU for each holds still
            raise RuntimeError(f"{kind}: only {patches} patches arrived")
        return spent / patches * 1e6


@asynccontextmanager
async def _server(kind: str, core: int) -> AsyncIterator[tuple[int, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.realtime", kind, str(core), str(os.getpid())),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_WITHIN):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server {kind} did not start")
        yield int(line), process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# --- inside the processes --------------------------------------------------------------------------------------------


async def _ours() -> None:
    from tests.support.sites import site

    settings = RealtimeSettings(max_clients_per_address=2 * CLIENTS)
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        async with site(Path(folder), realtime=settings) as made:
            hub = made.web.realtime
            view = ChannelView(id="main", settings=ChannelSettings(), version=1, wanted=True)
            made.owners.channels["main"] = view
            print(made.url.rpartition(":")[2], flush=True)
            for number in itertools.count(1):
                await asyncio.sleep(1 / RATE)
                view = view.model_copy(update={"version": number})
                made.owners.channels["main"] = view
                hub.put(hub.topics.channels, "main", view)


async def _peer() -> None:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    connections: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        for number in itertools.count(1):
            await asyncio.sleep(1 / RATE)
            patch = {"type": "patch", "offset": number, "set": {"channels": {"main": {"version": number}}}}
            broadcast(connections, json.dumps(patch, separators=(",", ":")))


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[2])})
    die_with(int(sys.argv[3]))
    hosted({"ours": _ours, "websockets": _peer}[sys.argv[1]]())

"""Requests per second of one core for a 400 kB segment out of RAM: our origin and our edge against peers.

The servers run one at a time on one core, the load on the other, in interleaved rounds; the load is wrk where it is
installed, else our own client. CPU time per request is the steadier figure, as it does not hang on the load's core.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
from dataclasses import dataclass

from tests.bench import machine
from tests.bench.load import connect
from tests.bench.rows import Row, median
from tests.bench.servers import CHANNEL, SEGMENT_BYTES, VIDEO, Served, nginx, server

ROUNDS = 3
SECONDS = 2
CONNECTIONS = 32


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
    part = SEGMENT_BYTES // 6  # 6 parts of a segment of 2 s
    found: dict[str, list[Rate]] = {}
    load = "wrk" if shutil.which("wrk") else "our own client"
    async with contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(server("origin", serving, "10", str(part), "0"))
        edge = await stack.enter_async_context(server("web", serving, f"http://127.0.0.1:{origin.port}"))
        bare = await stack.enter_async_context(server("bare", serving))
        peer = await stack.enter_async_context(nginx(serving))
        name = f"{VIDEO}/1-3.m4s"
        targets = {
            "origin": (origin, f"/{name}"),
            "edge": (edge, f"/hls/{CHANNEL}/{name}"),
            "aiohttp": (bare, "/segment.m4s"),
        }
        if peer is not None:
            targets["nginx"] = (peer, "/segment.m4s")
        size = await _warm(targets)
        for round_ in range(ROUNDS):
            order = list(targets) if round_ % 2 == 0 else list(reversed(targets))
            for key in order:
                found.setdefault(key, []).append(await _measure(*targets[key], loading))
    rates = {key: median([rate.requests for rate in all_]) for key, all_ in found.items()}
    cpu = {key: median([rate.cpu for rate in all_]) for key, all_ in found.items()}
    notes = [
        (
            f"{size / 1000:.0f} kB, {CONNECTIONS} connections, server on one core, load ({load}) on the other, "
            f"{ROUNDS} interleaved rounds of {SECONDS:g} s, medians; all aiohttp servers on uvloop"
        ),
    ]
    if "nginx" not in rates:
        notes.append("nginx is NOT INSTALLED here: not compared")
    if loading == serving:
        notes.append("ONE CORE ONLY: load and server shared it")
    details = {"requests_per_second": rates, "cpu_microseconds_per_request": cpu, "load": load}

    def row(key: str, what: str) -> list[Row]:
        return [
            Row(
                f"{key}-throughput",
                f"{what}: 400 kB segment from RAM, one core",
                "requests/s",
                rates[key],
                rates["aiohttp"],
                "bare aiohttp",
                0.9,
                ">=",
                "ratio",
                notes,
                details,
            ),
            Row(
                f"{key}-cpu",
                f"{what}: CPU per request of 400 kB",
                "µs",
                cpu[key],
                cpu["aiohttp"],
                "bare aiohttp",
                notes=notes,
            ),
        ]

    rows = [*row("origin", "Worker's origin"), *row("edge", "Edge (web)")]
    if "nginx" in rates:
        rows.append(
            Row(
                "nginx-throughput",
                "Worker's origin against nginx",
                "requests/s",
                rates["origin"],
                rates["nginx"],
                "nginx",
                notes=notes,
            )
        )
    return rows


async def _warm(targets: dict[str, tuple[Served, str]]) -> int:
    """Ask each once, so that the edge has it; returns the segment's size."""
    size = 0
    for served, path in targets.values():
        connection = await connect(served.port)
        status, body = await connection.get(path, keep=True)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
        size = size or len(body)
        connection.close()
    return size


async def _measure(served: Served, path: str, core: int) -> Rate:
    began, before = time.monotonic(), machine.cpu_seconds([served.pid])
    if shutil.which("wrk"):
        count = await _wrk(served.port, path, core)
    else:
        count = await _own(served.port, path)
    took, used = time.monotonic() - began, machine.cpu_seconds([served.pid]) - before
    return Rate(count / took, used / max(1, count) * 1e6)


async def _wrk(port: int, path: str, core: int) -> int:
    process = await asyncio.create_subprocess_exec(
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS:d}s",
        f"http://127.0.0.1:{port}{path}",
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    out, _ = await asyncio.wait_for(process.communicate(), SECONDS + 10)
    text = out.decode()
    match = re.search(r"(\d+) requests in", text)
    if match is None or "Non-2xx" in text:
        raise RuntimeError(f"wrk: {text}")
    return int(match[1])


async def _own(port: int, path: str) -> int:
    end = time.monotonic() + SECONDS
    connections = await asyncio.gather(*(connect(port) for _ in range(CONNECTIONS)))

    async def ask(index: int) -> int:
        count = 0
        while time.monotonic() < end:
            await connections[index].get(path)
            count += 1
        return count

    counts = await asyncio.gather(*(ask(index) for index in range(CONNECTIONS)))
    for connection in connections:
        connection.close()
    return sum(counts)

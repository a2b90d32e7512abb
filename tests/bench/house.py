"""The product for a bench: its real processes (ingest, node with workers, web) on free ports and a fresh data folder."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from runtime import logs, migrations
from runtime.bus.hub_server import HubServer
from runtime.database import Database
from runtime.sections import LogSettings
from runtime.settings import Settings
from runtime.supervision.supervisor import ChildSpec, Supervisor
from tests.bench import machine

TOKEN = "bench-admin-token"
ROLES = {"ingest": "media.ingest.__main__:main", "node": "media.__main__:main", "web": "web.__main__:main"}
READY = 40.0
PATIENCE = 20.0

LADDER_720 = [
    {"height": 720, "bitrate": 2_500_000},
    {"height": 480, "bitrate": 1_200_000},
    {"height": 360, "bitrate": 700_000},
]


@dataclass
class House:
    """A running product."""

    url: str
    rtmp: str
    """``rtmp://host:port/live``."""
    settings: Settings
    client: aiohttp.ClientSession
    pids: dict[str, int]
    """Of the roles."""

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API as administrator. Raises RuntimeError with the problem where it refuses.

        What may be said twice is said again while the owner is too busy to answer (503).
        """
        headers = {"Authorization": f"Bearer {TOKEN}"}
        again = method != "POST" or path.endswith(("/start", "/stop"))
        deadline = time.monotonic() + PATIENCE
        while True:
            async with self.client.request(
                method, f"{self.url}/api/v1{path}", json=body, headers=headers
            ) as response:
                text = await response.text()
            if response.status < 300:
                return json.loads(text) if text else None
            if response.status != 503 or not again or time.monotonic() > deadline:
                raise RuntimeError(f"{method} {path}: {response.status} {text}")
            await asyncio.sleep(0.5)

    async def feed(self, kind: str, **options: str) -> dict[str, Any]:
        """Make a feed; the answer has its id and, for what is pushed, its `publish_url`."""
        made: dict[str, Any] = await self.api("POST", "/feeds", {"kind": kind, "options": options})
        return made

    async def channel(self, channel: str, program: str | None = None, **settings: object) -> None:
        """Make a channel, put a feed on program and start it."""
        body = {"id": channel, "settings": {"name": channel, **settings}, "start": False}
        await self.api("POST", "/channels", body)
        await self.program(channel, program)
        await self.api("POST", f"/channels/{channel}/start")

    async def program(self, channel: str, feed: str | None, backup: str | None = None) -> None:
        """Put a feed on program."""
        await self.api("PUT", f"/channels/{channel}/program", {"feed": feed, "backup": backup})

    async def on_air(self, channel: str, picture: str | None = None, within: float = READY) -> dict[str, Any]:
        """Wait until every rendition lists a segment, and viewers see `picture` (any where None)."""

        async def look() -> dict[str, Any] | None:
            view: dict[str, Any] = await self.api("GET", f"/channels/{channel}")
            return view if view["ready"] and picture in {None, view["picture"]} else None

        view: dict[str, Any] = await until(look, within, f"{channel} to show {picture or 'anything'}")
        return view

    async def worker(self, channel: str) -> int:
        """The process id of a channel's worker."""
        view = await self.api("GET", f"/channels/{channel}")
        return machine.listener(self.origin(channel, view["epoch"]))

    def origin(self, channel: str, epoch: int) -> Path:
        """The socket on which a worker serves."""
        return self.settings.socket(f"origin-{channel}-{epoch}")


@asynccontextmanager
async def house(extra: Mapping[str, str] | None = None) -> AsyncIterator[House]:
    """Start everything; `extra` are further variables such as ``GACHI_WORKER__SPARES``."""
    data = Path(tempfile.mkdtemp(prefix="gachi-bench-"))
    env = {
        "GACHI_DATA": str(data),
        "GACHI_HTTP__HOST": "127.0.0.1",
        "GACHI_HTTP__PORT": "0",
        "GACHI_INGEST__HOST": "127.0.0.1",
        "GACHI_INGEST__PUBLIC_HOST": "127.0.0.1",
        "GACHI_INGEST__RTMP_PORT": "0",
        "GACHI_INGEST__ANY_PATH": "true",
        "GACHI_ADMIN_TOKEN": TOKEN,
        "GACHI_AUTH__TOKEN_RATE": "10000",
        "GACHI_AUTH__TOKEN_BURST": "10000",
        "GACHI_LOG__LEVEL": "warning",
        "GACHI_LOG__FORMAT": "json",
        **(extra or {}),
    }
    settings = Settings.load(env=env)
    logs.setup(settings[LogSettings], "bench")
    settings.create_folders()
    try:
        async with Database.of(settings) as database:
            await migrations.upgrade(database)
        timeout = aiohttp.ClientTimeout(total=15)
        async with (
            HubServer(settings.socket("bus")),
            Supervisor(settings.environment) as supervisor,
            aiohttp.ClientSession(timeout=timeout) as client,
        ):
            running = {
                name: await supervisor.start(ChildSpec(name, target)) for name, target in ROLES.items()
            }
            for name, child in running.items():
                if not await child.wait_ready(READY):
                    raise RuntimeError(f"{name} did not start: {child.reason}")
            port, rtmp = running["web"].info["port"], running["ingest"].info["rtmp_port"]
            pids = {name: child.pid for name, child in running.items()}
            yield House(f"http://127.0.0.1:{port}", f"rtmp://127.0.0.1:{rtmp}/live", settings, client, pids)
    finally:
        shutil.rmtree(data, ignore_errors=True)


async def until(look: Callable[[], Awaitable[Any]], within: float, what: str, every: float = 0.1) -> Any:
    """Ask until the answer is neither None nor false. Raises TimeoutError naming `what` was waited for."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:g} s in vain for {what}")
        await asyncio.sleep(every)
    return found

"""A whole web process over a local bus, with owners and a real origin, on loopback."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from media.adapters.obstore_store import ObstoreSegmentStore
from media.model.errors import NotFoundError
from runtime.bus.local import LocalBus
from runtime.bus.port import Bus
from runtime.database import Database
from runtime.migrations import upgrade
from tests.support.owners import Owners
from web.adapters.migrations import BRANCH
from web.adapters.sql import stores
from web.adapters.stills import stand_in, still_of
from web.auth.passwords import Passwords
from web.compose import Ports, Web, listening
from web.https import Https
from web.ports import ReplayTape, Stores
from web.realtime.settings import RealtimeSettings
from web.settings import AuthSettings, HttpSettings, PlaybackSettings

ADMIN = "the-administrators-token"


class MemoryReplays:
    """A `ReplayReader` of tapes that a test puts in."""

    def __init__(self) -> None:
        self.tapes: dict[str, ReplayTape] = {}
        self.opened = 0

    async def open(self, channel: str, start: int, end: int) -> ReplayTape:
        self.opened += 1
        if channel not in self.tapes:
            raise NotFoundError("nothing on tape")
        return self.tapes[channel]


MULTIVARIANT = (
    "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    '#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.64001f",RESOLUTION=640x360,FRAME-RATE=30.000\nv360/index.m3u8\n'
)


class Origin:
    """A worker's origin: playlists that block until `advance`, objects by name. Counts what it is asked."""

    def __init__(self, label: str = "a") -> None:
        self.label = label
        self.asked: Counter[str] = Counter()
        self.objects: dict[str, bytes] = {}
        self.msn = 10
        self.delay = 0.0
        self.failing = 0
        """Status of every answer; 0 for none."""
        self._moved = asyncio.Event()

    def advance(self) -> None:
        self.msn += 1
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def media_playlist(self) -> str:
        filler = "".join(f"#EXTINF:2.0,\n1-{n}.m4s\n" for n in range(self.msn - 6, self.msn + 1))
        return (
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.341334\n"
            f"#EXT-X-MEDIA-SEQUENCE:{self.msn - 6}\n# {self.label}\n{filler}"
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path_qs] += 1
        if self.failing:
            return web.Response(status=self.failing)
        if self.delay:
            await asyncio.sleep(self.delay)
        name = request.path[1:]
        if name == "index.m3u8":
            return web.Response(text=MULTIVARIANT)
        if name.endswith("/index.m3u8"):
            msn = int(request.query.get("_HLS_msn", "0"))
            if msn > self.msn + 2:
                return web.Response(status=400, text="too far ahead")
            while msn > self.msn:
                await self._moved.wait()
            return web.Response(text=self.media_playlist())
        body = self.objects.get(name)
        return web.Response(status=404) if body is None else web.Response(body=body)


@asynccontextmanager
async def origin_at(path: Path, origin: Origin) -> AsyncIterator[str]:
    """Serve an origin on a Unix socket; gives its address."""
    app = web.Application()
    app.router.add_get("/{rest:.*}", origin.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield f"unix:{path}"
    finally:
        await runner.cleanup()
        await asyncio.to_thread(path.unlink, missing_ok=True)


@dataclass
class Site:
    """What a test talks to."""

    url: str
    client: aiohttp.ClientSession
    web: Web
    owners: Owners
    stores: Stores
    replays: MemoryReplays
    store: ObstoreSegmentStore
    registry: CollectorRegistry

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def ask(
        self, method: str, path: str, *, token: str | None = ADMIN, status: int | None = None, **more: Any
    ) -> Any:
        """The JSON of an answer, with its status checked."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        async with self.client.request(method, self.url + path, headers=headers, **more) as response:
            text = await response.text()
            assert status is None or response.status == status, f"{response.status}: {text}"
            return await response.json(content_type=None) if text else None


_migrated: bytes = b""


@asynccontextmanager
async def database_at(path: Path) -> AsyncIterator[Database]:
    """A new SQLite with web's tables; they are made once a run and copied."""
    global _migrated  # noqa: PLW0603 - what a run has made once
    if not _migrated:
        async with Database(f"sqlite:///{path}") as making:
            await upgrade(making, [BRANCH])
        _migrated = await asyncio.to_thread(path.read_bytes)
    else:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(path.write_bytes, _migrated)
    async with Database(f"sqlite:///{path}") as database:
        yield database


FAST = 64
"""KiB of memory for a password's hash in tests: the count of log-ins is tested here, not argon2."""


@asynccontextmanager
async def site(
    tmp_path: Path,
    *,
    http: HttpSettings | None = None,
    auth: AuthSettings | None = None,
    playback: PlaybackSettings | None = None,
    realtime: RealtimeSettings | None = None,
    https: Https | None = None,
    bus: Bus | None = None,
) -> AsyncIterator[Site]:
    """Everything running, nothing in it; over a bus of its own unless one is given."""
    bus, registry = bus or LocalBus(), CollectorRegistry()
    async with database_at(tmp_path / "web.db") as database:
        owners, replays = Owners(bus), MemoryReplays()
        store = ObstoreSegmentStore.memory()

        async def gather() -> bytes:
            return generate_latest(registry)

        http = http or HttpSettings(host="127.0.0.1", port=0)
        ports = Ports(
            bus=bus,
            stores=stores(database),
            passwords=Passwords(FAST),
            store=store,
            replays=replays,
            poster=still_of,
            stand_in=stand_in,
            registry=registry,
            gather=gather,
            http=http,
            auth=auth or AuthSettings(admin_token=SecretStr(ADMIN)),
            playback=playback or PlaybackSettings(),
            realtime=realtime or RealtimeSettings(),
            static=tmp_path / "static",
        )
        made = Web(ports)
        async with owners.serving(), listening(made, http, https) as port, aiohttp.ClientSession() as client:
            running = asyncio.create_task(made.run())
            try:
                await until(lambda: made.board.known)
                yield Site(
                    f"http://127.0.0.1:{port}",
                    client,
                    made,
                    owners,
                    ports.stores,
                    replays,
                    store,
                    registry,
                )
            finally:
                running.cancel()
                await asyncio.wait([running])
                await bus.close()


async def until(condition: Any, timeout: float = 10.0) -> None:
    """Wait for a condition; fails when it does not come."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.01)

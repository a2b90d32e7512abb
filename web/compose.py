"""The web process put together: the application from its ports, and the server around it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry

from media.ports import SegmentStore
from runtime import logs
from runtime.bus.announcer import Announcer
from runtime.bus.calls import call
from runtime.bus.contract import Command, CommandError, Value
from runtime.bus.port import Bus
from web.api import docs
from web.api.dispatch import Dispatcher, not_allowed
from web.api.services import Services
from web.api.table import ROUTES
from web.auth.accounts import Accounts
from web.auth.audit import Audit
from web.auth.lockout import Lockout
from web.auth.passwords import Passwords
from web.auth.sessions import Sessions
from web.auth.tokens import Tokens, wall_micros
from web.connections import Connections
from web.health import GatherMetrics, Health
from web.hooks import Hooks
from web.https import HANDSHAKE_SECONDS, Https
from web.links import ANSWER_SECONDS as LINK_SECONDS
from web.links import Go, LinkFigures, Links
from web.metrics import WebMetrics
from web.pages import STATIC, Pages
from web.pictures import ANSWER_SECONDS as PICTURE_SECONDS
from web.pictures import ProductPictures
from web.playback.board import Board
from web.playback.demand import Demand
from web.playback.hls import HlsPages, Sender
from web.playback.live import LiveLimits, LiveMedia
from web.playback.posters import Posters
from web.playback.qoe import Qoe
from web.playback.replays import ReplayPages, Replays
from web.playback.storyboards import Storyboards
from web.playback.upstream import Upstream
from web.playback.viewing import Viewing
from web.ports import Ask, PosterMaker, ReplayReader, Stores
from web.realtime.clients import RealtimeClients
from web.realtime.hub import Hub
from web.realtime.metrics import RealtimeMetrics
from web.realtime.settings import RealtimeSettings
from web.realtime.source import Source
from web.realtime.topics import Topics
from web.settings import AuthSettings, HttpSettings, PlaybackSettings
from web.whip import ANSWER_SECONDS, Whip

log = logs.get("web")
ReplyT = TypeVar("ReplyT", bound=Value)

SWEEP_SECONDS = 600.0
DAY_MICROS = 86_400_000_000
SHUTDOWN_SECONDS = 3.0
"""What requests in progress get before their connections are closed."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything web needs from the outside."""

    bus: Bus
    stores: Stores
    store: SegmentStore
    replays: ReplayReader
    poster: PosterMaker
    stand_in: Callable[[], bytes]
    registry: CollectorRegistry
    gather: GatherMetrics
    http: HttpSettings = field(default_factory=HttpSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    playback: PlaybackSettings = field(default_factory=PlaybackSettings)
    realtime: RealtimeSettings = field(default_factory=RealtimeSettings)
    passwords: Passwords = field(default_factory=Passwords)
    static: Path = STATIC
    clock: Callable[[], float] = time.monotonic


def asking(bus: Bus, within: float = 5.0) -> Ask:
    """Commands over a bus, answered within so many seconds."""

    async def ask(command: Command[ReplyT], /) -> ReplyT:
        return await call(bus, command, within)

    return ask


class Web:
    """The application with what must run beside it. Make it inside the event loop; `run` until cancelled, then `close`."""

    def __init__(self, ports: Ports) -> None:
        ask = asking(ports.bus)
        playback, clock = ports.playback, ports.clock
        self.metrics = WebMetrics(ports.registry)
        self.board = Board(ports.bus, ask)
        self._stores = stores = ports.stores
        self._auth = auth = ports.auth
        self.tokens = Tokens(
            stores.tokens, auth.admin_token.get_secret_value(), users=stores.users, clock=clock
        )
        self.sessions = Sessions(
            stores.sessions,
            self.tokens,
            idle=auth.session_idle,
            longest=auth.session_longest,
            wall=wall_micros,
        )
        self.accounts = Accounts(
            stores.users, ports.passwords, Lockout(stores.tries, wall_micros), wall_micros
        )
        self.connections = Connections(
            self.metrics,
            limit=ports.http.max_connections,
            reader_timeout=ports.http.slow_reader_timeout,
            clock=clock,
        )
        self._upstream = Upstream()
        limits = LiveLimits(
            cache_bytes=playback.cache_mb << 20,
            takeover=playback.takeover_seconds,
            object_timeout=playback.object_timeout,
            max_fetches=playback.max_fetches,
        )
        self.live = LiveMedia(self.board, self._upstream, limits, self.metrics, clock)
        self._demand = Demand(self.board, ask, clock)
        viewing = Viewing(ports.bus, ports.http.process, time.time)
        self._qoe = Qoe(ports.registry, self.board, viewing, clock)
        self._replays = Replays(
            ask,
            ports.replays,
            ports.store,
            self.live.objects,
            self.metrics,
            max_fetches=playback.max_fetches,
            clock=clock,
        )
        self._storyboards = Storyboards(
            self._replays,
            ask,
            ports.store,
            self.live.objects,
            self.connections,
            self.metrics,
            max_fetches=playback.max_fetches,
            clock=clock,
        )
        self._posters = Posters(
            self.live,
            self._replays,
            ask,
            ports.poster,
            ports.stand_in,
            self.metrics,
            keep=playback.poster_seconds,
            clock=clock,
        )
        self._realtime_metrics = RealtimeMetrics(ports.registry)
        self.links = Links(asking(ports.bus, LINK_SECONDS), clock)
        self.realtime = Hub(Topics(self.links.buy), ports.realtime, self._realtime_metrics, clock)
        self._source = Source(self.realtime, ports.bus, ask, self.board)
        self._whip = Whip(asking(ports.bus, ANSWER_SECONDS), ports.http, ports.auth, self.metrics, clock)
        self._announcer = Announcer(ports.bus)
        self._pictures = ProductPictures(asking(ports.bus, PICTURE_SECONDS))
        self._go = Go(self.links, self._announcer, LinkFigures(self._announcer, ports.registry))
        self._hooks = Hooks(ask, ports.http, ports.auth, self.metrics, clock)
        self.pages = Pages(ports.static, frame_ancestors=ports.http.frame_ancestors, http=ports.http)
        services = Services(
            ask=ask,
            tokens=self.tokens,
            sessions=self.sessions,
            accounts=self.accounts,
            audit=Audit(stores.audit, self.metrics, wall_micros, clock),
            metrics=self.metrics,
            links=self.links,
            qoe=self._qoe,
            store=ports.store,
            http=ports.http,
            auth=auth,
            clock=clock,
        )
        self.app = self._application(ports, services)

    def _application(self, ports: Ports, services: Services) -> web.Application:
        app = web.Application(client_max_size=ports.http.max_body)
        sender = Sender(self.connections, self.metrics)
        dispatcher = Dispatcher(services, self.metrics)
        # The order is that of resolution: media first, the catch-all of the pages last.
        HlsPages(self.live, self._demand, sender, self.metrics).add_to(app)
        self._storyboards.add_to(app)
        ReplayPages(self._replays, sender).add_to(app)
        self._posters.add_to(app)
        docs.add_to(app)
        Health(self.board, dispatcher, ports.gather).add_to(app)
        RealtimeClients(
            self.realtime, dispatcher, ports.http, ports.realtime, self._realtime_metrics, ports.clock
        ).add_to(app)
        self._whip.add_to(app)
        self._go.add_to(app)
        self._pictures.add_to(app)
        self._hooks.add_to(app)
        dispatcher.add_to(app, ROUTES)
        self.pages.add_to(app)
        refuse_other_methods(app)
        return app

    async def run(self) -> None:
        """Follow the channels, drop slow readers, forget what expired: until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.board.run(), name="web.board")
            tasks.create_task(self.connections.run(), name="web.connections")
            tasks.create_task(self.links.run(), name="web.links")
            tasks.create_task(self._announcer.run(), name="web.announcer")
            tasks.create_task(self._demand.run(), name="web.demand")
            tasks.create_task(self._qoe.run(), name="web.qoe")
            tasks.create_task(self._qoe.viewing.run(), name="web.viewing")
            tasks.create_task(self._source.run(), name="web.realtime.source")
            tasks.create_task(self.realtime.run(), name="web.realtime")
            tasks.create_task(self._sweep(), name="web.sweep")

    async def close(self) -> None:
        """End fetches and connections to origins."""
        await self.links.close()
        await self._pictures.close()
        await self._posters.close()
        await self._storyboards.close()
        await self._replays.close()
        await self.live.close()
        await self._upstream.close()

    async def _sweep(self) -> None:
        while True:
            now = wall_micros()
            try:
                await self._stores.tokens.sweep(now)
                await self.sessions.sweep()
                await self._stores.tries.forget(now)
                await self._stores.audit.prune(now - self._auth.audit_days * DAY_MICROS)
            except CommandError as error:
                log.warning("what expired was not removed", error=str(error))
            await asyncio.sleep(SWEEP_SECONDS)


def refuse_other_methods(app: web.Application) -> None:
    """Answer with problem details, as the API does, where a path is ours and the method is not; aiohttp's own 405 is
    plain text. Routes, not a middleware: those would cost every part that is served.
    """
    # A path whose methods were not added one after the other has several resources: the last of them refuses.
    last: dict[str, web.Resource] = {}
    methods: dict[str, set[str]] = {}
    for resource in app.router.resources():
        if isinstance(resource, web.Resource):
            last[resource.canonical] = resource
            methods.setdefault(resource.canonical, set()).update(route.method for route in resource)
    for path, resource in last.items():
        if hdrs.METH_ANY not in methods[path]:
            resource.add_route(hdrs.METH_ANY, not_allowed(sorted(methods[path])))


class _ServerFaults(logging.Filter):
    """Keeps what is the server's fault. What is no HTTP is the client's, and anybody can send it at any rate: it is
    answered with 400, and a stack trace for each would let them fill the disk.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_SERVER_FAULTS = _ServerFaults()  # one: a logger takes the same filter once, however often the site is opened


@asynccontextmanager
async def listening(site: Web, settings: HttpSettings, https: Https | None = None) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port of HTTP, that of HTTPS is `site.pages.https_port`. Raises OSError where
    an address cannot be had.
    """
    await site.pages.load()
    faults = logging.getLogger("web.server")
    faults.addFilter(_SERVER_FAULTS)
    runner = web.AppRunner(
        site.app,
        logger=faults,
        access_log=None,  # metrics count; a line for each part would be most of the log
        keepalive_timeout=settings.keepalive_timeout,
        max_line_size=settings.max_header,
        max_field_size=settings.max_header,
        lingering_time=1.0,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handler_cancellation=True,
    )
    await runner.setup()
    servers: list[asyncio.Server] = []
    try:
        assert runner.server is not None
        factory = site.connections.factory(runner.server)
        loop = asyncio.get_running_loop()
        host = settings.host or None
        servers.append(await loop.create_server(factory, host, settings.port, backlog=1024))
        if https is not None:
            secure = await loop.create_server(
                factory,
                host,
                settings.https_port,
                backlog=1024,
                ssl=https.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
            servers.append(secure)
            site.pages.https_port = secure.sockets[0].getsockname()[1]
        yield servers[0].sockets[0].getsockname()[1]
    finally:
        for server in servers:
            server.close()
        await runner.cleanup()
        await site.close()

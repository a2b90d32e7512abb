"""The WebSocket at ``/realtime``: who may connect, what may be sent, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from runtime.bus.contract import CommandError
from web.api.dispatch import Dispatcher
from web.auth.limits import Buckets, Rate
from web.auth.tokens import Identity
from web.connections import reset
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command
from web.realtime.frames import BEARER, PROTOCOL, Close, MalformedError, request_of
from web.realtime.hub import Hub, Reader
from web.realtime.metrics import RealtimeMetrics
from web.realtime.settings import RealtimeSettings
from web.settings import HttpSettings

MOST_TOPICS = 32
"""In one request; more than there are, so that a newer page may ask for what we do not know yet."""
CLOSING_SECONDS = 1.0
"""What a client gets to answer our close frame."""
AGAIN_SECONDS = 5
"""`Retry-After` of refused connections."""


class Wire:
    """The `Sink` over a connection. Frames are written past aiohttp's writer, which would wait for a slow reader and
    make the same frame again for each: without compression a message is the same bytes for everybody.
    """

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport

    def write(self, frame: bytes) -> None:
        """See `Sink`."""
        if not self._transport.is_closing():
            self._transport.write(frame)

    def unsent(self) -> int:
        """See `Sink`."""
        return self._transport.get_write_buffer_size()

    def drop(self) -> None:
        """See `Sink`."""
        reset(self._transport)


class RealtimeClients:
    """The handler of ``/realtime``."""

    def __init__(
        self,
        hub: Hub,
        dispatcher: Dispatcher,
        http: HttpSettings,
        settings: RealtimeSettings,
        metrics: RealtimeMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._dispatcher = dispatcher
        self._public = urlsplit(http.public_url).netloc
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._by_address: Counter[str] = Counter()
        self._sockets: set[web.WebSocketResponse] = set()

    def add_to(self, app: web.Application) -> None:
        """Register the path; open connections are closed when the application ends."""
        app.router.add_get("/realtime", self.handle)
        app.on_shutdown.append(self._going)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Upgrade, or say why not."""
        address = self._dispatcher.client(request).address
        try:
            self._check(request, address)
            identity = await self._identify(request)
        except ProblemError as problem:
            self._metrics.refused.labels(problem.kind.slug).inc()
            return problem.response(request)
        except CommandError as error:
            return from_command(error).response(request)
        self._by_address[address] += 1
        try:
            return await self._serve(request, identity)
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _check(self, request: web.Request, address: str) -> None:
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            raise ProblemError(catalogue.UPGRADE, headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        origin = request.headers.get(hdrs.ORIGIN)
        # Any site's script may open a WebSocket to any other, with its cookies: the browser leaves the check to us.
        if origin is not None and urlsplit(origin).netloc not in {request.host, self._public} - {""}:
            raise ProblemError(catalogue.CROSS_SITE)
        again = {"Retry-After": str(AGAIN_SECONDS)}
        if self._by_address[address] >= self._settings.max_clients_per_address:
            raise ProblemError(catalogue.TOO_MANY, seconds=AGAIN_SECONDS, headers=again)
        if len(self._sockets) >= self._settings.max_clients:
            raise ProblemError(catalogue.FULL, headers=again)

    async def _identify(self, request: web.Request) -> Identity | None:
        """As for the API: by header or cookie, and by sub-protocol for scripts that can set no header."""
        offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
        tokens = [text.strip().removeprefix(BEARER) for text in offered if text.strip().startswith(BEARER)]
        if tokens and hdrs.AUTHORIZATION not in request.headers:
            headers = {**request.headers, hdrs.AUTHORIZATION: f"Bearer {tokens[0]}"}
            request = request.clone(headers=headers)
        return await self._dispatcher.identify(request)

    async def _serve(self, request: web.Request, identity: Identity | None) -> web.StreamResponse:
        settings = self._settings
        websocket = web.WebSocketResponse(
            timeout=CLOSING_SECONDS,
            autoping=False,  # an answer to a ping is how we know of a silent client
            compress=False,
            protocols=(PROTOCOL,),
            max_msg_size=settings.max_frame,
        )
        await websocket.prepare(request)
        if request.transport is None:
            return websocket  # the client left meanwhile
        transport = cast("asyncio.WriteTransport", request.transport)
        if (connection := transport.get_extra_info("socket")) is not None:
            # The system would take megabytes for one who does not read, before we notice any of it.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.buffer_kb << 10)
        reader = self._hub.join(Wire(transport), identity.role if identity else None)
        self._sockets.add(websocket)
        try:
            await self._listen(request, websocket, reader, identity)
        except ConnectionError:
            pass  # the client left, or was dropped, while it was answered
        finally:
            self._sockets.discard(websocket)
            self._hub.leave(reader)
        return websocket

    async def _listen(
        self,
        request: web.Request,
        websocket: web.WebSocketResponse,
        reader: Reader,
        identity: Identity | None,
    ) -> None:
        rate = Buckets(Rate(self._settings.message_rate, self._settings.message_burst), size=1)
        looked = self._clock()
        while True:
            message = await websocket.receive()
            now = reader.heard = self._clock()
            if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED}:
                return
            if message.type is WSMsgType.ERROR:
                # aiohttp found it to be no WebSocket frame or too large, and closed with the code that says so.
                code = getattr(message.data, "code", WSCloseCode.ABNORMAL_CLOSURE)
                self._metrics.closed.labels(str(int(code))).inc()
                return
            if message.type is not WSMsgType.PONG and rate.take("", now):
                await self._close(websocket, Close.POLICY, "too many frames")
                return
            if now - looked >= self._settings.beat_seconds:
                looked = now
                if not await self._still(request, identity):
                    await self._close(websocket, Close.LOGGED_OUT, "the log-in ended")
                    return
            if message.type is WSMsgType.PING:
                await websocket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                try:
                    self._hub.hear(reader, request_of(message.data, MOST_TOPICS))
                except MalformedError as error:
                    await self._close(websocket, Close.MALFORMED, str(error))
                    return
            elif message.type is WSMsgType.BINARY:
                await self._close(websocket, Close.UNSUPPORTED, "text frames only")
                return

    async def _still(self, request: web.Request, identity: Identity | None) -> bool:
        """Whether the caller is who it was; where that cannot be asked, it is."""
        if identity is None:
            return True
        try:
            now = await self._identify(request)
        except ProblemError:
            return False
        except CommandError:
            return True
        return now is not None and now.role is identity.role

    async def _close(self, websocket: web.WebSocketResponse, code: Close, reason: str) -> None:
        self._metrics.closed.labels(str(code.value)).inc()
        await websocket.close(code=code, message=reason.encode())

    async def _going(self, _: web.Application) -> None:
        """Tell everybody that this process ends: they come back to the next one by themselves."""
        await asyncio.gather(
            *(websocket.close(code=Close.GOING, message=b"restart") for websocket in list(self._sockets))
        )

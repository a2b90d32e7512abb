"""Connections as a whole: how many there may be, and what becomes of clients that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

from aiohttp import web

from runtime.answers import Whole
from web.metrics import WebMetrics

SWEEP_SECONDS = 1.0
SMALL = 60_000
"""Bytes of an answer that asyncio and uvloop take without asking the writer to wait (64 KiB with the head)."""
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n"
    b"Connection: close\r\nContent-Length: 21\r\n\r\ntoo many connections\n"
)


class _TurnedAway(asyncio.Protocol):
    """Answers 503 before anything is read, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports are no asyncio.Transport.
        cast("asyncio.Transport", transport).write(_BUSY)
        transport.close()


class Connections:
    """The server's connections. `factory` makes their protocols, `run` sweeps, `send` bounds one answer."""

    def __init__(
        self,
        metrics: WebMetrics,
        *,
        limit: int,
        reader_timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._metrics = metrics
        self._limit = limit
        self._timeout = reader_timeout
        self._clock = clock
        self._server: web.Server | None = None
        self._sending: dict[asyncio.BaseTransport, float] = {}
        self._stuck: dict[asyncio.BaseTransport, tuple[int, float]] = {}

    def factory(self, server: web.Server) -> Callable[[], asyncio.Protocol]:
        """The protocol factory for `create_server`: aiohttp's own below the cap."""
        self._server = server

        def make() -> asyncio.Protocol:
            if len(server.connections) >= self._limit:
                self._metrics.connections_refused.inc()
                return _TurnedAway()
            return server()

        return make

    async def send(self, request: web.BaseRequest, response: Whole) -> Whole:
        """Send a whole answer. The client has the reader time-out to take all but the last few kilobytes of it."""
        transport = request.transport
        # What fits into the transport's buffer is written at once; the sweep finds it if it stays there.
        if transport is None or response.size <= SMALL:
            return response
        self._sending[transport] = self._clock() + self._timeout
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            return response  # the client left, or was dropped; aiohttp finds it closed and ends it in silence
        finally:
            self._sending.pop(transport, None)
        return response

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(self._clock())
            self._metrics.tally.flush()

    def sweep(self, now: float) -> None:
        """Drop who is overdue. Besides answers in progress, that is every connection whose unsent bytes did not move
        for the reader time-out: what is left of a finished answer would be held for ever otherwise.
        """
        for transport, deadline in list(self._sending.items()):
            if now >= deadline:
                self._sending.pop(transport, None)
                self._drop(transport)
        connections = self._server.connections if self._server else []
        self._metrics.connections.set(len(connections))
        stuck: dict[asyncio.BaseTransport, tuple[int, float]] = {}
        for connection in connections:
            transport_ = connection.transport
            if transport_ is None or not (waiting := transport_.get_write_buffer_size()):
                continue
            size, since = self._stuck.get(transport_, (waiting, now))
            stuck[transport_] = (waiting, since if size == waiting else now)
            if now - stuck[transport_][1] >= self._timeout:
                del stuck[transport_]
                self._drop(transport_)
        self._stuck = stuck

    def _drop(self, transport: asyncio.BaseTransport) -> None:
        self._metrics.slow_readers.inc()
        reset(transport)


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection whose client does not read, with all that is unsent."""
    # A reset, so that the kernel lets its share of the unsent bytes go too (SO_LINGER of 0, socket(7)).
    if (connection := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # abort, not close: close would wait for the very bytes that are not taken.
    cast("asyncio.Transport", transport).abort()

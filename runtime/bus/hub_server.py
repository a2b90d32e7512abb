"""The hub: the middle of the bus on one machine, a Unix socket in the `serve` process."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from runtime import logs
from runtime.bus.frames import GREETING, Frame, FrameError, Kind, Splitter, encode
from runtime.bus.patterns import check_pattern, check_topic, matches_any

log = logs.get("runtime.bus.hub")

MAX_CLIENTS = 256
MAX_PATTERNS = 4096
"""Of one client."""
QUEUE_FRAMES = 4096
QUEUE_BYTES = 16 << 20
"""Frames and bytes that wait for a client that does not read; the oldest go beyond."""
SOCKET_BUFFER = 1 << 18


class HubServer:
    """Use as an async context manager. Only this user can connect."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped = 0
        """Messages that clients lost because they did not read."""
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    async def start(self) -> None:
        """Listen. Raises OSError where another process listens on the path already."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_stale(self.path)
        self._server = await asyncio.get_running_loop().create_unix_server(self._client, str(self.path))
        self.path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is None:
            return
        self._server.close()
        for client in list(self._clients):
            client.hang_up()
        await self._server.wait_closed()
        self._server = None
        self.path.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _client(self) -> _Client:
        return _Client(self)

    def joined(self, client: _Client) -> bool:
        """Take a client in, unless the house is full."""
        if len(self._clients) >= MAX_CLIENTS:
            return False
        self._clients.add(client)
        return True

    def left(self, client: _Client) -> None:
        """A client is gone."""
        self._clients.discard(client)

    def deliver(self, frame: Frame) -> None:
        """Send a message to every client that wants it."""
        message = None
        for client in self._clients:
            if matches_any(client.patterns, frame.topic):
                message = message or encode(Kind.MESSAGE, frame.topic, frame.body)
                client.send(message)


class _Client(asyncio.Protocol):
    """One connection. What it sends wrong closes it, and it alone."""

    def __init__(self, hub: HubServer) -> None:
        self.patterns: dict[str, None] = {}
        self._hub = hub
        self._splitter = Splitter()
        self._greeted = False
        self._transport: asyncio.WriteTransport | None = None
        self._paused = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=SOCKET_BUFFER)
        if not self._hub.joined(self):
            log.warning("the hub is full", clients=self._hub.clients)
            self.hang_up()

    def connection_lost(self, _error: Exception | None) -> None:
        self._hub.left(self)
        self._transport = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except ValueError as error:  # frames, topics and patterns alike
            log.warning("a client of the hub sent what makes no sense", error=str(error))
            self.hang_up()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused and self._transport is not None:
            frame = self._waiting.popleft()
            self._waiting_bytes -= len(frame)
            self._transport.write(frame)

    def send(self, frame: bytes) -> None:
        """Write now, or keep it for later; the oldest are dropped for one that does not read."""
        if self._transport is None:
            return
        if not self._paused:
            self._transport.write(frame)
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        while len(self._waiting) > QUEUE_FRAMES or self._waiting_bytes > QUEUE_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft())
            self._hub.dropped += 1
            self._dropped += 1
            if self._dropped == 1:
                log.warning("a client of the hub does not read; it loses messages")

    def hang_up(self) -> None:
        """Close the connection, whatever waits."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, frame: Frame) -> None:
        if not self._greeted:
            if frame.kind is not Kind.HELLO or frame.body != GREETING:
                raise FrameError("no greeting")
            self._greeted = True
            return
        match frame.kind:
            case Kind.PUBLISH:
                check_topic(frame.topic)
                self._hub.deliver(frame)
            case Kind.SUBSCRIBE:
                check_pattern(frame.topic)
                if len(self.patterns) >= MAX_PATTERNS:
                    raise FrameError("too many patterns")
                self.patterns[frame.topic] = None
            case Kind.UNSUBSCRIBE:
                self.patterns.pop(frame.topic, None)
            case Kind.SYNC:
                self.send(encode(Kind.ACK, body=frame.body))
            case _:
                raise FrameError(f"a client does not send {frame.kind.name}")


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed process left; raises OSError where somebody still answers on it."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    raise OSError(f"somebody listens on {path} already")

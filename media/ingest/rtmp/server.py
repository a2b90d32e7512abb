"""The RTMP listener: one `asyncio.Protocol` per connection around a sans-io `Session`."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, cast

from media.ingest.rtmp.session import (
    EncoderNamed,
    Event,
    Limits,
    PublishRequested,
    RefusedError,
    Session,
    State,
    Unpublished,
)
from media.model.errors import ConflictError, MediaError, SourceError, SpecError
from media.model.tracks import EncodedPacket, TrackHeader
from runtime import logs
from runtime.clock import Clock, SystemClock

log = logs.get("media.ingest.rtmp")

_MAX_UNSENT = 64 << 10
"""Bytes of answers a sender may leave unread before it is cut off."""
_LINGER = 2.0
"""Seconds a closing connection gets to take our last words."""
_SWEEP = 0.5
_SECOND_LOOK = 0.3
"""Seconds after which a feed that is taken is asked for once more: an encoder that hangs up and connects at once is not to be
refused for itself, only because its new connection was read before the end of its old one.
"""


class Sink(Protocol):
    """What a publisher delivers to (`media.ports.FeedSink` and what only a listener knows)."""

    def connecting(self, peer: str) -> None:
        """The publisher was let in; no media yet."""
        ...

    def named(self, peer: str) -> None:
        """Its metadata named the encoder: address and name."""
        ...

    def header(self, header: TrackHeader) -> None:
        """A track's parameters."""
        ...

    def packet(self, packet: EncodedPacket) -> None:
        """One access unit."""
        ...

    def lost(self, reason: str) -> None:
        """It went away."""
        ...

    def failed(self, reason: str) -> None:
        """What it sends cannot be used."""
        ...


class Publishers(Protocol):
    """Who may publish where."""

    def publish(self, key: str, end: Callable[[str], None]) -> Sink:
        """The sink of the feed that this stream key opens; `end(reason)` is called when the sender must go.

        Raises `NotFoundError` for a key that opens nothing and `ConflictError` for a feed that is taken.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the listener puts up with; seconds and counts."""

    session: Limits = field(default_factory=Limits)
    connections: int = 512
    """At once. One more takes the place of whoever waits longest without publishing; publishers keep theirs."""
    publish_within: float = 10.0
    """From the connection to a publish with a right key."""
    silence: float = 30.0
    """Without a byte from a publisher, until its socket counts as dead."""


@dataclass(slots=True)
class Counters:
    """What happened so far, for metrics."""

    connections: int = 0
    refused: int = 0
    """Connections over the limit, wrong keys, feeds taken."""
    faults: int = 0
    """Senders that broke the protocol."""
    timeouts: int = 0
    bytes: int = 0
    corrected: int = 0
    """Decode times put in order."""


class RtmpServer:
    """Owns the port. `await run()` serves until cancelled."""

    def __init__(
        self,
        publishers: Publishers,
        *,
        host: str,
        port: int,
        limits: ServerLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.publishers = publishers
        self.limits = limits or ServerLimits()
        self.clock: Clock = clock or SystemClock()
        self.counters = Counters()
        self.connections: set[Connection] = set()
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port in use; the wanted one may be 0."""
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Bind and listen. Raises `SpecError` naming the setting when that cannot be."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self), self._host, self._port, backlog=128
            )
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is in use by another program" if taken else f"cannot be used: {error.strerror or error}"
            setting = "ingest.rtmp_port" if taken or error.errno == errno.EACCES else "ingest.host"
            raise SpecError(
                f"RTMP port {self._port} on {self._host} {why}; set {setting}", field=setting
            ) from error

    async def run(self) -> None:
        """Serve until cancelled; `start` first. Ends all connections on the way out."""
        try:
            while True:
                await asyncio.sleep(_SWEEP)
                now = self.clock.monotonic()
                for connection in tuple(self.connections):
                    connection.check(now)
        finally:
            await self.close()

    def make_room(self) -> bool:
        """Have a place for one more connection; False where publishers have them all.

        Whoever only holds connections open keeps nobody out: a sender publishes within some round trips.
        """
        if len(self.connections) < self.limits.connections:
            return True
        idle = min((c for c in self.connections if not c.publishing), key=lambda c: c.since, default=None)
        if idle is None:
            return False
        self.counters.refused += 1
        self.connections.discard(idle)
        idle.abort()
        return True

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self.connections):
            connection.end("the server stops")
        # From Python 3.12 on this waits for connections as well; whoever does not take our last words is cut.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), _LINGER)
        for connection in tuple(self.connections):
            connection.abort()
        self._server = None


class Connection(asyncio.Protocol):
    """One sender."""

    def __init__(self, server: RtmpServer) -> None:
        self._server = server
        self._session = Session(server.limits.session)
        self._transport: asyncio.Transport | None = None
        self._sink: Sink | None = None
        self._peer = ""
        self.since = self._heard = server.clock.monotonic()
        """When it was accepted, CLOCK_MONOTONIC seconds."""
        self._closing: float | None = None
        self._second_look: asyncio.TimerHandle | None = None
        """Runs while the answer to a publish is put off; nothing is read meanwhile."""

    @property
    def publishing(self) -> bool:
        """It was let in with a stream key, and still is."""
        return self._session.state is State.PUBLISHING and self._closing is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A socket was accepted."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self._peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""
        counters = self._server.counters
        counters.connections += 1
        if not self._server.make_room():
            counters.refused += 1
            log.warning("too many RTMP connections", peer=self._peer, limit=self._server.limits.connections)
            self._transport.abort()
            return
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._closing is not None or self._transport is None:
            return
        self._heard = self._server.clock.monotonic()
        self._server.counters.bytes += len(data)
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            arrived = self._server.clock.wall()
            self._deal(self._session.receive(data, arrived), arrived)
        except RefusedError as error:
            self._server.counters.refused += 1
            log.info("RTMP client refused", peer=self._peer, reason=str(error))
            self._finish(str(error))
        except SourceError as error:
            self._server.counters.faults += 1
            log.warning("RTMP sender at fault", peer=self._peer, reason=str(error))
            if self._sink is not None:
                self._sink.failed(str(error))
            self._session.end(str(error))
            self._finish(str(error))
        else:
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, by whoever's doing."""
        self._server.connections.discard(self)
        if self._second_look is not None:
            self._second_look.cancel()
        self._server.counters.corrected += self._session.corrected
        self._let_go(f"the connection broke: {exc}" if exc else "the sender closed the connection")
        self._transport = None

    def check(self, now: float) -> None:
        """Time passed: enforce the deadlines."""
        limits = self._server.limits
        if self._closing is not None:
            if now - self._closing > _LINGER:
                self.abort()
        elif self._session.state is State.PUBLISHING:
            if now - self._heard > limits.silence:
                self._server.counters.timeouts += 1
                self.end(f"nothing came for {limits.silence:g} s: the connection is dead")
        elif now - self.since > limits.publish_within:
            self._server.counters.timeouts += 1
            self.end(f"no publish within {limits.publish_within:g} s")

    def end(self, reason: str) -> None:
        """Send the sender away."""
        if self._closing is None and self._transport is not None:
            self._session.end(reason)
            self._finish(reason)

    def abort(self) -> None:
        """Cut the socket."""
        if self._transport is not None:
            self._transport.abort()

    def _deal(self, events: list[Event], arrived: int) -> None:
        while events:
            again = False
            for event in events:
                again = isinstance(event, PublishRequested)
                self._event(event)
            if not again or self._closing is not None or self._second_look is not None:
                return
            events = self._session.receive(b"", arrived)  # what came behind the publish

    def _event(self, event: Event) -> None:
        sink = self._sink
        if isinstance(event, PublishRequested):
            self._publish(event.key, patient=True)
        elif sink is None:
            return
        elif isinstance(event, EncodedPacket):
            sink.packet(event)
        elif isinstance(event, TrackHeader):
            sink.header(event)
        elif isinstance(event, EncoderNamed):
            sink.named(f"{self._peer} {event.name}")
        elif isinstance(event, Unpublished):
            # GStreamer takes it for a broken connection when we close first: it is given a moment to close itself.
            self._let_go("the sender ended the stream")
            self._closing = self._server.clock.monotonic()

    def _look_again(self, key: str) -> None:
        self._second_look = None
        transport = self._transport
        if self._closing is not None or transport is None:
            return
        self._publish(key, patient=False)
        if not transport.is_closing():
            transport.resume_reading()
            self._receive(b"")  # what came behind the publish

    def _publish(self, key: str, *, patient: bool) -> None:
        try:
            sink = self._server.publishers.publish(key, self.end)
        except MediaError as error:
            if patient and isinstance(error, ConflictError) and self._transport is not None:
                self._transport.pause_reading()
                self._second_look = asyncio.get_running_loop().call_later(_SECOND_LOOK, self._look_again, key)
                return
            self._server.counters.refused += 1
            log.info("RTMP publisher refused", peer=self._peer, reason=str(error))
            self._session.refuse(str(error))
            self._finish(str(error))
            return
        self._sink = sink
        self._session.accept()
        sink.connecting(self._peer)

    def _finish(self, reason: str) -> None:
        """Send what is left to send, then close."""
        if self._closing is not None:
            return
        self._closing = self._server.clock.monotonic()
        self._let_go(reason)
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _let_go(self, reason: str) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.lost(reason)

    def _flush(self) -> None:
        out = self._session.take_outgoing()
        transport = self._transport
        if not out or transport is None:
            return
        transport.write(out)
        if transport.get_write_buffer_size() > _MAX_UNSENT:
            self._server.counters.faults += 1
            transport.abort()

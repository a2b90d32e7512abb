"""The bus of several processes on one machine: a client of the hub in the `serve` process."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from runtime import logs
from runtime.bus.frames import GREETING, Frame, FrameError, Kind, Splitter, encode
from runtime.bus.hub_server import HubServer
from runtime.bus.mailbox import Mailbox, check_body
from runtime.bus.patterns import check_topic
from runtime.bus.port import BusUnavailableError, Message
from runtime.service import Backoff, RestartPolicy

__all__ = ["HubBus", "HubServer"]

log = logs.get("runtime.bus.hub")

RECONNECT = RestartPolicy(at_once=0.02, first=0.05, limit=1.0, healthy_after=5.0)


class HubBus:
    """One process's connection to the hub at `path`. Connects at its first use, and again whenever it is lost."""

    def __init__(self, path: Path, *, publish_timeout: float = 2.0) -> None:
        self._path = path
        self._publish_timeout = publish_timeout
        self._mailboxes: set[Mailbox] = set()
        self._patterns: Counter[str] = Counter()
        self._connection: _Connection | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    async def publish(self, topic: str, body: bytes) -> None:
        """See `runtime.bus.port.Bus.publish`; waits for the connection, `publish_timeout` at most."""
        check_topic(topic)
        check_body(body)
        frame = encode(Kind.PUBLISH, topic, body)
        try:
            async with asyncio.timeout(self._publish_timeout):
                connection = await self._connect()
                await connection.writable.wait()
        except TimeoutError as error:
            raise BusUnavailableError(f"the hub at {self._path} did not take a message in time") from error
        connection.write(frame)

    @asynccontextmanager
    async def subscribe(self, *patterns: str, size: int = 256) -> AsyncIterator[Mailbox]:
        """See `runtime.bus.port.Bus.subscribe`; waits for the hub as long as it takes."""
        mailbox = Mailbox(patterns, size)
        self._mailboxes.add(mailbox)
        self._patterns.update(mailbox.patterns)
        try:
            await self._take_effect(mailbox)
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)
            mailbox.close()
            for pattern in mailbox.patterns:
                self._patterns[pattern] -= 1
                if not self._patterns[pattern]:
                    del self._patterns[pattern]
                    if self._connection is not None:
                        self._connection.write(encode(Kind.UNSUBSCRIBE, pattern))

    async def close(self) -> None:
        """End all subscriptions and the connection."""
        self._closed = True
        for mailbox in self._mailboxes:
            mailbox.close()
        # Whoever waits for the connection wakes up and finds the bus closed.
        self._connected.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None

    async def _take_effect(self, mailbox: Mailbox) -> None:
        while True:
            connection = await self._connect()
            for pattern in mailbox.patterns:
                connection.write(encode(Kind.SUBSCRIBE, pattern))
            if await connection.sync():
                return

    async def _connect(self) -> _Connection:
        while True:
            if self._closed:
                raise BusUnavailableError("the bus is closed")
            if self._connection is not None:
                return self._connection
            if self._keeper is None:
                self._keeper = asyncio.create_task(self._keep(), name="hub connection")
            await self._connected.wait()

    async def _keep(self) -> None:
        """Hold a connection, again and again, until the bus is closed."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(RECONNECT)
        lives = 0
        while True:
            begun = loop.time()
            try:
                _, connection = await loop.create_unix_connection(
                    lambda: _Connection(self._deliver), str(self._path)
                )
            except OSError as error:
                if backoff.failures == 0:
                    log.info("the hub is not there yet", path=str(self._path), error=str(error))
            else:
                try:
                    await self._hold(connection, first=lives == 0)
                finally:
                    self._connection = None
                    if not self._closed:
                        self._connected.clear()
                    connection.close()
                lives += 1
                log.warning("the connection to the hub was lost", path=str(self._path))
            await asyncio.sleep(backoff.failed(loop.time() - begun))

    async def _hold(self, connection: _Connection, *, first: bool) -> None:
        connection.write(encode(Kind.HELLO, body=GREETING))
        earlier = list(self._mailboxes)
        for pattern in self._patterns:
            connection.write(encode(Kind.SUBSCRIBE, pattern))
        if not await connection.sync():
            return
        if not first:
            for mailbox in earlier:
                mailbox.interruptions += 1
        self._connection = connection
        self._connected.set()
        await connection.lost.wait()

    def _deliver(self, frame: Frame) -> None:
        message = Message(frame.topic, frame.body)
        for mailbox in self._mailboxes:
            if mailbox.wants(frame.topic):
                mailbox.put(message)


class _Connection(asyncio.Protocol):
    """One connection's life."""

    def __init__(self, deliver: Callable[[Frame], None]) -> None:
        self.lost = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self._deliver = deliver
        self._splitter = Splitter()
        self._transport: asyncio.WriteTransport | None = None
        self._tokens = itertools.count()
        self._syncs: dict[bytes, asyncio.Future[bool]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.lost.set()
        self.writable.set()
        for waiting in self._syncs.values():
            if not waiting.done():
                waiting.set_result(False)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                if frame.kind is Kind.MESSAGE:
                    self._deliver(frame)
                elif (
                    frame.kind is Kind.ACK and (waiting := self._syncs.get(frame.body)) and not waiting.done()
                ):
                    waiting.set_result(True)
        except FrameError as error:
            log.warning("the hub sent what makes no sense", error=str(error))
            self.close()

    def write(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    async def sync(self) -> bool:
        """Wait until the hub took all that was written; false where the connection was lost before."""
        if self._transport is None:
            return False
        token = str(next(self._tokens)).encode()
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._syncs[token] = waiting
        try:
            self.write(encode(Kind.SYNC, body=token))
            return await waiting
        finally:
            del self._syncs[token]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

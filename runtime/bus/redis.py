"""The bus over Redis pub/sub, for more than one machine.

Redis's own patterns know no words, so what it delivers for ours is filtered here; and it delivers a message once per
matching subscription, so each mailbox takes the delivery of the first of its patterns that matches, and no other.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis.asyncio
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from runtime import logs
from runtime.bus.mailbox import Mailbox, check_body
from runtime.bus.patterns import check_topic, matches
from runtime.bus.port import BusUnavailableError, Message
from runtime.service import Backoff, RestartPolicy

log = logs.get("runtime.bus.redis")

PREFIX = "gachi:"
"""Before every channel name: a Redis may serve others too."""
RECONNECT = RestartPolicy(at_once=0.05, first=0.1, limit=2.0, healthy_after=5.0)
POLL = 1.0
CONNECT_TIMEOUT = 3.0


class RedisBus:
    """One process's connections to Redis: one to publish on, one to listen on. Connects at its first use."""

    def __init__(self, url: str, *, publish_timeout: float = 2.0) -> None:
        self._publish_timeout = publish_timeout
        # One connection, so that what one process publishes in order arrives in order. We reconnect by ourselves.
        self._client = redis.asyncio.Redis.from_url(
            url,
            single_connection_client=True,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_keepalive=True,
            health_check_interval=10,
            retry=Retry(NoBackoff(), 0),
        )
        self._listener = redis.asyncio.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_keepalive=True,
            health_check_interval=10,
            retry=Retry(NoBackoff(), 0),
        )
        self._mailboxes: set[Mailbox] = set()
        self._wanted: Counter[str] = Counter()
        self._sent: set[str] = set()
        self._unanswered: Counter[str] = Counter()
        self._served: weakref.WeakSet[Mailbox] = weakref.WeakSet()
        self._listening = False
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    async def publish(self, topic: str, body: bytes) -> None:
        """See `runtime.bus.port.Bus.publish`; tries again until `publish_timeout`.

        A message whose answer was lost is sent again. It could only arrive twice if Redis died between delivering
        and answering, and then it lost its subscribers too.
        """
        check_topic(topic)
        check_body(body)
        reason: Exception | None = None
        try:
            async with asyncio.timeout(self._publish_timeout):
                while not self._closed:
                    try:
                        await self._client.publish(PREFIX + topic, body)
                    except (RedisError, OSError) as error:
                        reason = error
                        await asyncio.sleep(0.05)
                    else:
                        return
        except TimeoutError:
            pass
        raise BusUnavailableError(
            f"Redis did not take a message: {reason or 'the bus is closed'}"
        ) from reason

    @asynccontextmanager
    async def subscribe(self, *patterns: str, size: int = 256) -> AsyncIterator[Mailbox]:
        """See `runtime.bus.port.Bus.subscribe`; waits for Redis as long as it takes."""
        mailbox = Mailbox(patterns, size)
        if self._closed:
            raise BusUnavailableError("the bus is closed")
        forms = {_form(pattern) for pattern in mailbox.patterns}
        self._mailboxes.add(mailbox)
        self._wanted.update(forms)
        self._news.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="redis subscriptions")
        try:
            while not self._effective(forms):
                self._changed.clear()
                await self._changed.wait()
                if self._closed:
                    raise BusUnavailableError("the bus is closed")
            self._served.add(mailbox)
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)
            mailbox.close()
            for form in forms:
                self._wanted[form] -= 1
                if not self._wanted[form]:
                    del self._wanted[form]
            self._news.set()

    async def close(self) -> None:
        """End all subscriptions and connections."""
        self._closed = True
        for mailbox in self._mailboxes:
            mailbox.close()
        self._changed.set()
        if self._keeper is not None:
            # Told as well as cancelled, and more than once: redis-py can lose a cancellation that meets a send.
            self._news.set()
            while not self._keeper.done():
                self._keeper.cancel()
                await asyncio.wait([self._keeper], timeout=0.2)
            self._keeper = None
        for client in (self._client, self._listener):
            with suppress(RedisError, OSError):
                await client.aclose()

    async def _keep(self) -> None:
        """Listen, again and again, until the bus is closed."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(RECONNECT)
        while True:
            begun = loop.time()
            pubsub = self._listener.pubsub()
            try:
                await self._listen(pubsub)
            except* (RedisError, OSError, TimeoutError) as group:
                if backoff.failures == 0 or self._listening:
                    log.warning("Redis is away", error=str(group.exceptions[0]))
            finally:
                self._listening = False
                self._sent.clear()
                self._unanswered.clear()
                with suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            await asyncio.sleep(backoff.failed(loop.time() - begun))

    async def _listen(self, pubsub: PubSub) -> None:
        """One connection's life."""
        # Those that are there already have missed something if they were subscribed on an earlier connection.
        missed = [mailbox for mailbox in self._mailboxes if mailbox in self._served]
        await pubsub.connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        self._listening = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._adjust(pubsub), name="redis adjust")
            while True:
                message = await pubsub.get_message(timeout=POLL)
                if message is None:
                    continue
                if message["type"] in ("psubscribe", "punsubscribe"):
                    self._unanswered[message["channel"].decode()] -= 1
                    if not self._in_doubt():
                        for mailbox in missed:
                            mailbox.interruptions += 1
                        missed = []
                    self._changed.set()
                elif message["type"] == "pmessage":
                    self._deliver(message)

    async def _adjust(self, pubsub: PubSub) -> None:
        """Bring what is subscribed to what is wanted, each time that changes."""
        while not self._closed:
            self._news.clear()
            for form in self._wanted.keys() - self._sent:
                self._sent.add(form)
                self._unanswered[form] += 1
                await pubsub.psubscribe(form)
            for form in self._sent - self._wanted.keys():
                self._sent.discard(form)
                self._unanswered[form] += 1
                await pubsub.punsubscribe(form)
            await self._news.wait()

    def _in_doubt(self) -> bool:
        return any(self._unanswered.values()) or not self._wanted.keys() <= self._sent

    def _effective(self, forms: set[str]) -> bool:
        return forms <= self._sent and not any(self._unanswered[form] for form in forms)

    def _deliver(self, delivery: dict[str, Any]) -> None:
        form = delivery["pattern"].decode()
        message = Message(delivery["channel"].decode().removeprefix(PREFIX), delivery["data"])
        for mailbox in self._mailboxes:
            first = next((pattern for pattern in mailbox.patterns if matches(pattern, message.topic)), None)
            if first is not None and _form(first) == form:
                mailbox.put(message)


def _form(pattern: str) -> str:
    """A Redis pattern that delivers at least what ours stands for."""
    return PREFIX + pattern.replace("**", "*")

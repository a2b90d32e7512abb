"""The bus within one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.bus.mailbox import Mailbox, check_body
from runtime.bus.patterns import check_topic
from runtime.bus.port import BusUnavailableError, Message


class LocalBus:
    """Delivers at once, on the publisher's event loop."""

    def __init__(self) -> None:
        self._mailboxes: set[Mailbox] = set()
        self._closed = False

    async def publish(self, topic: str, body: bytes) -> None:
        """Put the message into every matching mailbox."""
        check_topic(topic)
        check_body(body)
        if self._closed:
            raise BusUnavailableError("the bus is closed")
        message = Message(topic, body)
        for mailbox in self._mailboxes:
            if mailbox.wants(topic):
                mailbox.put(message)

    @asynccontextmanager
    async def subscribe(self, *patterns: str, size: int = 256) -> AsyncIterator[Mailbox]:
        """See `runtime.bus.port.Bus.subscribe`."""
        mailbox = Mailbox(patterns, size)
        if self._closed:
            raise BusUnavailableError("the bus is closed")
        self._mailboxes.add(mailbox)
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)
            mailbox.close()

    async def close(self) -> None:
        """End all subscriptions."""
        self._closed = True
        for mailbox in self._mailboxes:
            mailbox.close()

"""What a bus does: publish to a topic, subscribe to patterns. Everything else is built over these two.

Delivery is at most once and in order per publisher; a subscriber that does not keep up loses its *oldest* messages,
and the loss is counted. What must not be lost is state, and state is asked for again (`contract.call`), not replayed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

MAX_BODY = 1 << 20
"""Bytes in one message body; larger ones are refused with ValueError by every adapter."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivered message: `topic` as published (dotted words), `body` UTF-8 JSON."""

    topic: str
    body: bytes


class Subscription(Protocol):
    """An open subscription: iterate it; it ends when the bus closes."""

    dropped: int
    """Messages lost because this subscriber did not keep up."""

    interruptions: int
    """Times the bus was away and came back: messages of the time between are missing, so ask for the state again."""

    def __aiter__(self) -> AsyncIterator[Message]: ...


class Bus(Protocol):
    """The port. Adapters: `local` (one process), `hub` (several processes, Unix socket), `redis`."""

    async def publish(self, topic: str, body: bytes) -> None:
        """Send to everybody subscribed now. Raises `BusUnavailableError` when the bus cannot be reached in time."""
        ...

    def subscribe(self, *patterns: str, size: int = 256) -> AbstractAsyncContextManager[Subscription]:
        """Messages whose topic matches a pattern, from the moment the context is entered.

        A pattern is dotted words; `*` stands for one word, a final `**` for one or more. The queue holds `size`
        messages; the oldest is dropped when it is full.
        """
        ...

    async def close(self) -> None:
        """End all subscriptions and connections."""
        ...


class BusUnavailableError(Exception):
    """The bus cannot be reached, or did not accept the message in time."""

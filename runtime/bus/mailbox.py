"""One subscriber's bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import ClassVar

from runtime.bus.patterns import check_pattern, matches_any
from runtime.bus.port import MAX_BODY, Message


class Mailbox:
    """The `Subscription` of every adapter: keeps the newest `size` messages, drops and counts the oldest.

    Belongs to one event loop; `put` and `close` never wait.
    """

    all_dropped: ClassVar[int] = 0
    """What all mailboxes of this process dropped, the closed ones too."""

    def __init__(self, patterns: Iterable[str], size: int) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        if not self.patterns:
            raise ValueError("a subscription needs a pattern")
        for pattern in self.patterns:
            check_pattern(pattern)
        if size < 1:
            raise ValueError("a subscription needs room for one message at least")
        self.size = size
        self.dropped = 0
        self.interruptions = 0
        self._messages: deque[Message] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def wants(self, topic: str) -> bool:
        """Whether one of its patterns matches."""
        return matches_any(self.patterns, topic)

    def put(self, message: Message) -> None:
        """Add a message; the oldest makes room when there is none."""
        if self._closed:
            return
        if len(self._messages) >= self.size:
            self._messages.popleft()
            self.dropped += 1
            Mailbox.all_dropped += 1
        self._messages.append(message)
        self._news.set()

    def close(self) -> None:
        """What is queued can still be read, then the iteration ends."""
        self._closed = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._messages.popleft()


def check_body(body: bytes) -> None:
    """Raises ValueError where a body is larger than every adapter takes."""
    if len(body) > MAX_BODY:
        raise ValueError(f"a message of {len(body)} bytes is over the limit of {MAX_BODY}")

"""Feeds over a Unix socket: the side of a worker, and of whoever records feeds. Ingest's is `media.adapters.feed_socket`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from media.adapters import feed_wire
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, TrackHeader

SILENCE = 5.0
"""Seconds without even a ping after which ingest counts as hanging."""


class SocketFeedTap:
    """A view of one feed (`media.ports.FeedTap`): reconnects for ever, with back-off.

    A consumer that does not keep up is skipped forward by the server; nothing is queued here beyond one read.
    """

    def __init__(
        self, path: str | os.PathLike[str], feed: str, *, silence: float = SILENCE, max_backoff: float = 1.0
    ) -> None:
        self._path = os.fspath(path)
        self._feed = feed
        self._silence = silence
        self._max_backoff = max_backoff

    async def __aiter__(self) -> AsyncGenerator[TrackHeader | EncodedPacket | FeedStatus]:
        """Headers, packets and statuses, without end."""
        backoff = 0.05
        told: FeedStatus | None = None
        while True:
            reason = "ingest cannot be reached"
            try:
                async with aclosing(self._connection()) as values:
                    async for value in values:
                        backoff = 0.05
                        if isinstance(value, FeedStatus):
                            told = value
                        yield value
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                reason = f"ingest cannot be reached: {error}" if str(error) else reason
            if told is None or told.phase is not FeedPhase.LOST:
                told = FeedStatus(phase=FeedPhase.LOST, reason=reason)
                yield told
            await asyncio.sleep(backoff)
            backoff = min(self._max_backoff, backoff * 2)

    async def _connection(self) -> AsyncGenerator[TrackHeader | EncodedPacket | FeedStatus]:
        """One connection's values, until it ends."""
        async with asyncio.timeout(self._silence):
            stream, writer = await asyncio.open_unix_connection(self._path, limit=1 << 18)
        try:
            writer.write(feed_wire.hello(self._feed))
            frames = feed_wire.FrameReader()
            while True:
                # A deadline of its own instead of wait_for: no task for each read.
                async with asyncio.timeout(self._silence):
                    data = await stream.read(1 << 18)
                if not data:
                    raise EOFError("it closed the connection")
                for kind, body in frames.feed(data):
                    value = feed_wire.parse(kind, body)
                    if value is not None:
                        yield value
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

"""Feeds over a Unix socket: ingest's side. The other one is `media.adapters.feed_tap`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from media.adapters import feed_wire
from media.ingest.feed import Feed
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime import logs

log = logs.get("media.ingest.taps")

MAX_UNSENT = 8 << 20
"""Bytes a listener may be behind; then it is skipped forward to a later keyframe."""
_RESUME_BELOW = MAX_UNSENT // 4
_PING_EVERY = 1.0
_HELLO_WITHIN = 5.0


class FeedSocketServer:
    """Gives every feed to whoever connects. `await run()` serves until cancelled; `start` first."""

    def __init__(self, path: Path, find: Callable[[str], Feed | None], max_unsent: int = MAX_UNSENT) -> None:
        self._path = path
        self._find = find
        self._server: asyncio.Server | None = None
        self._last: tuple[EncodedPacket | None, bytes] = (None, b"")
        self.max_unsent = max_unsent
        self.taps: set[_Tap] = set()
        self.dropped = 0
        """Packets that slow listeners did not get."""

    async def start(self) -> None:
        """Bind. A socket left over by a dead process is replaced."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Tap(self, self._find), self._path)
        self._path.chmod(0o600)

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            while True:
                await asyncio.sleep(_PING_EVERY)
                now = asyncio.get_running_loop().time()
                for tap in tuple(self.taps):
                    tap.check(now)
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop serving and cut all listeners; they reconnect by themselves."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for tap in tuple(self.taps):
            tap.cut()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2.0)
        self._path.unlink(missing_ok=True)

    def forget(self, feed: Feed) -> None:
        """A feed was removed: tell and cut its listeners."""
        for tap in tuple(self.taps):
            if tap.feed is feed:
                tap.say_gone()

    def frame(self, packet: EncodedPacket) -> bytes:
        """The packet's frame, made once for all its listeners."""
        last, frame = self._last
        if last is not packet:
            frame = feed_wire.packet(packet)
            self._last = (packet, frame)
        return frame


class _Tap(asyncio.Protocol):
    """One listener's connection. Frames of one turn of the loop go out in one write."""

    def __init__(self, server: FeedSocketServer, find: Callable[[str], Feed | None]) -> None:
        self.feed: Feed | None = None
        self._server = server
        self._find = find
        self._reader = feed_wire.FrameReader(limit=256)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._skipping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A listener connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._server.max_unsent * 2)
        self._server.taps.add(self)

    def data_received(self, data: bytes) -> None:
        """The opening frame; a listener has nothing else to say."""
        try:
            frames = self._reader.feed(data)
        except ValueError:
            self.cut()
            return
        for kind, body in frames:
            if kind == feed_wire.HELLO and self.feed is None:
                self._attach(body.decode("utf-8", "replace"))
            else:
                self.cut()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol's signature
        """The listener went away."""
        self._server.taps.discard(self)
        self._transport = None
        self._out.clear()
        if self.feed is not None:
            self.feed.listeners.discard(self)

    def check(self, now: float) -> None:
        """Time passed: tell the listener that we live, or cut one that never said which feed it wants."""
        if self.feed is not None:
            if self._behind() < _RESUME_BELOW:
                self._write(feed_wire.PING_FRAME)
        elif now - self._since > _HELLO_WITHIN:
            self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def say_gone(self) -> None:
        """Tell that there is no such feed, then close."""
        self._write(feed_wire.status(FeedStatus(phase=FeedPhase.LOST, reason="there is no such feed")))
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # --- as the feed's listener ---

    def header(self, header: TrackHeader) -> None:
        """A track's parameters; while skipping they are sent on resuming."""
        if not self._skipping:
            self._write(feed_wire.header(header))

    def packet(self, packet: EncodedPacket) -> None:
        """One access unit."""
        if self._skipping and not self._resume(packet):
            self._server.dropped += 1
            return
        if self._behind() > self._server.max_unsent:
            self._skipping = True
            self._server.dropped += 1
            feed = self.feed.spec.id if self.feed else ""
            log.warning("a listener is too slow: skipping to a keyframe", feed=feed)
            return
        self._write(self._server.frame(packet))

    def status(self, status: FeedStatus) -> None:
        """The feed went to another phase."""
        self._write(feed_wire.status(status))

    def _attach(self, name: str) -> None:
        feed = self._find(name)
        if feed is None:
            self.say_gone()
            return
        self.feed = feed
        self._write(feed_wire.status(feed.status))
        for header in feed.ring.headers.values():
            self._write(feed_wire.header(header))
        for packet in feed.ring:
            self._write(feed_wire.packet(packet))
        feed.listeners.add(self)

    def _resume(self, packet: EncodedPacket) -> bool:
        if self.feed is None or self._behind() > self._server.max_unsent // 4:
            return False
        headers = self.feed.ring.headers
        joinable = packet.kind is MediaKind.VIDEO and packet.keyframe
        if not joinable and MediaKind.VIDEO in headers:
            return False
        self._skipping = False
        for header in headers.values():
            self._write(feed_wire.header(header))
        return True

    def _behind(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _write(self, frame: bytes) -> None:
        if self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

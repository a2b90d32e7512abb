"""An RTMP sender with real media that can be told to misbehave: it reconnects, and counts how often it had to.

What it sends is a clip that loops without a seam (8 s: 240 pictures and 375 AAC frames), so that a decoder at the
other end sees numbers, flashes and beeps; `Wrong` says what is wrong with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from media.model.tracks import EncodedPacket, MediaKind
from tests.support import rtmp_client
from tests.support.media import Clip, ClipSpec, make_clip

SECONDS = 8
MICROS = 1_000_000
CAMERA = ClipSpec(seconds=SECONDS, width=320, height=180, bitrate=300_000)


@dataclass
class Wrong:
    """What is wrong with the sender. Seconds count from its first packet."""

    start: float = 0.0
    """Added to every timestamp; may lie just below a wrap."""
    jumps: tuple[tuple[float, float], ...] = ()
    """(from, by): timestamps jump."""
    silent: tuple[float, float] = (0.0, 0.0)
    """Stretch in which no sound is sent (DTX)."""
    disordered: bool = False
    """Every fifth packet's timestamp is 120 ms too early, every seventh has the one of the packet before it."""
    then: ClipSpec | None = None
    """After `then_at` seconds this clip is sent, with new headers."""
    then_at: float = 5.0
    lossy: bool = False
    """Every 25th packet is missing."""


def _tag(packet: EncodedPacket) -> bytes:
    """The FLV tag body of a packet (Adobe FLV 10.1, annex E.4)."""
    if packet.kind is MediaKind.AUDIO:
        return b"\xaf\x01" + packet.data
    offset = (packet.pts - packet.dts) // 1000
    return (
        bytes((0x17 if packet.keyframe else 0x27, 1)) + (offset & 0xFFFFFF).to_bytes(3, "big") + packet.data
    )


def _headers(clip: Clip) -> bytes:
    return rtmp_client.headers(
        clip.video.extradata if clip.video else b"", clip.audio.extradata if clip.audio else b""
    )


def _looped(clip: Clip, first: int) -> Iterator[EncodedPacket]:
    """The clip again and again, its first packet at `first` microseconds."""
    turn = 0
    while True:
        for packet in clip.packets:
            by = first + turn * SECONDS * MICROS
            yield EncodedPacket(
                packet.kind, packet.pts + by, packet.dts + by, packet.keyframe, packet.data, packet.arrived
            )
        turn += 1


@dataclass
class Publisher:
    """Publishes to a port and key for as long as it is entered."""

    port: int
    key: str
    spec: ClipSpec = field(default_factory=lambda: CAMERA)
    wrong: Wrong = field(default_factory=Wrong)
    reconnects: bool = True
    connections: int = 0
    """How often it connected; 1 is: never had to reconnect."""
    sent: int = 0
    """Packets of the present connection."""
    paused: bool = False
    """While set it sends nothing and keeps the socket open; its clock goes on."""
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # Encoded before the clock starts.
        await asyncio.to_thread(make_clip, self.spec)
        if self.wrong.then:
            await asyncio.to_thread(make_clip, self.wrong.then)
        self._task = asyncio.create_task(self._keep(), name=f"publisher {self.key}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await self._publish()
            if not self.reconnects:
                return
            await asyncio.sleep(0.5)

    async def _publish(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        self.sent = 0
        # What the server says is read and thrown away; its end tells that the server hung up.
        closed = asyncio.create_task(rtmp_client.until_closed(reader, 3600), name="publisher reads")
        try:
            writer.write(rtmp_client.opening(self.key) + rtmp_client.metadata())
            for moment, data in self._messages():
                while (ahead := moment + self._begun - time.monotonic()) > 0:
                    await asyncio.wait((closed,), timeout=ahead)
                    if closed.done():
                        return
                if self.paused:
                    continue
                writer.write(data)
                await writer.drain()
                self.sent += 1
        finally:
            closed.cancel()
            await asyncio.wait((closed,))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _messages(self) -> Iterator[tuple[float, bytes]]:
        """(seconds from the start, bytes) in order, for ever."""
        self._begun = time.monotonic()
        clip = make_clip(self.spec)
        yield 0.0, _headers(clip)
        packets = _looped(clip, 0)
        changed = False
        before = 0
        for count in range(1 << 62):
            packet = next(packets)
            at = packet.dts / MICROS
            if self.wrong.then is not None and not changed and at >= self.wrong.then_at and packet.keyframe:
                changed = True
                clip = make_clip(self.wrong.then)
                packets = _looped(clip, packet.dts)
                yield at, _headers(clip)
                continue
            muted = self.wrong.silent[0] <= at < self.wrong.silent[1]
            if (packet.kind is MediaKind.AUDIO and muted) or (self.wrong.lossy and count % 25 == 24):
                continue
            stamp = at + self.wrong.start + sum(by for since, by in self.wrong.jumps if at >= since)
            millis = round(stamp * 1000)
            if self.wrong.disordered:
                millis = before if count % 7 == 6 else millis - 120 if count % 5 == 4 else millis
            before = millis
            number = 9 if packet.kind is MediaKind.VIDEO else 8
            yield at, rtmp_client.message(number, _tag(packet), millis & 0xFFFFFFFF, stream=1)

    _begun: float = 0.0

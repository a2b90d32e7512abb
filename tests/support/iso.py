"""Taps that play a script, and files of recordings as others read them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import av

from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, TrackHeader
from tests.support.media import Clip

WALL = 1_764_531_000_000_000
Item = TrackHeader | EncodedPacket | FeedStatus
LIVE, LOST = FeedStatus(phase=FeedPhase.LIVE), FeedStatus(phase=FeedPhase.LOST, reason="the sender went away")


def arriving(packets: Iterable[EncodedPacket], at: int = WALL, delay: int = 0) -> list[EncodedPacket]:
    """The packets as ingest stamps them: each as its time comes, from wall time `at` for time 0 on."""
    return [EncodedPacket(p.kind, p.pts, p.dts, p.keyframe, p.data, at + p.dts + delay) for p in packets]


def script(clip: Clip, at: int = WALL) -> list[Item]:
    """A sender's whole visit."""
    return [LIVE, *clip.headers, *arriving(clip.packets, at)]


class ScriptedTap:
    """Gives what it is handed, then waits for more, as taps do."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self.play(items)

    def play(self, items: Iterable[Item]) -> None:
        for item in items:
            self._items.put_nowait(item)

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            yield await self._items.get()


def packets_of(file: Path | bytes) -> list[tuple[str, int, bytes]]:
    """Kind, time in milliseconds and data of each packet, in the order of the file."""
    source = io.BytesIO(file) if isinstance(file, bytes) else str(file)
    with av.open(source, "r") as container:
        return [
            (packet.stream.type, round((packet.pts or 0) * packet.time_base * 1000), bytes(packet))
            for packet in container.demux()
            if packet.size
        ]

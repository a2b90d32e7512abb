"""A reader of ``/realtime`` as docs/realtime.md describes one: what its frames make of the documents it had."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from web.realtime.frames import PROTOCOL

Frame = dict[str, Any]


def frames_in(data: bytes) -> list[Frame]:
    """The text frames among WebSocket frames of a server, whole and without a mask (RFC 6455 §5.2)."""
    found: list[Frame] = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        if data[0] == 0x81:
            found.append(json.loads(data[start : start + size]))
        data = data[start + size :]
    return found


@dataclass
class Documents:
    """What a reader knows."""

    epoch: str = ""
    offset: int = 0
    topics: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Frames by type."""

    def apply(self, frame: Frame) -> None:
        """Take a frame in."""
        kind = frame["type"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "hello":
            if frame["epoch"] != self.epoch:
                self.topics.clear()
            self.epoch = frame["epoch"]
            return
        if kind == "refused":
            self.refused |= frame["topics"]
            return
        assert frame["offset"] >= self.offset or kind == "snapshot", "offsets never go back"
        self.offset = frame["offset"]
        if kind == "snapshot":
            self.topics |= frame["topics"]
        elif kind == "patch":
            self._patch(frame)

    def _patch(self, frame: Frame) -> None:
        for topic, documents in frame.get("put", {}).items():
            self.topics[topic].update(documents)
        for topic, documents in frame.get("set", {}).items():
            for key, fields in documents.items():
                self.topics[topic][key] = {**self.topics[topic][key], **fields}
        for topic, keys in frame.get("gone", {}).items():
            for key in keys:
                self.topics[topic].pop(key, None)

    def request(self, topics: Sequence[str]) -> Frame:
        """What to ask for after the hello of a new connection."""
        known: Mapping[str, int | None] = {
            topic: self.offset if topic in self.topics else None for topic in topics
        }
        return {"type": "subscribe", "epoch": self.epoch, "topics": known}


class Follower:
    """A `Documents` over a connection."""

    def __init__(
        self, websocket: aiohttp.ClientWebSocketResponse, documents: Documents | None = None
    ) -> None:
        self.websocket = websocket
        self.documents = documents or Documents()

    @classmethod
    async def connect(
        cls,
        session: aiohttp.ClientSession,
        url: str,
        topics: Sequence[str],
        *,
        token: str = "",
        documents: Documents | None = None,
        timeout: float = 10.0,
        **more: Any,
    ) -> Follower:
        """Connect and ask; nothing but the hello is read."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        websocket = await session.ws_connect(f"{url}/realtime", headers=headers, protocols=[PROTOCOL], **more)
        follower = cls(websocket, documents)
        await follower.read(timeout)
        await websocket.send_json(follower.documents.request(topics))
        return follower

    async def read(self, timeout: float = 10.0) -> Frame:
        """The next frame, taken in."""
        frame: Frame = json.loads(await self.websocket.receive_str(timeout=timeout))
        self.documents.apply(frame)
        return frame

    async def close(self) -> None:
        await self.websocket.close()

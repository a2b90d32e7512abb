"""A small HTTP client that costs little, so that the server is what is measured: keep-alive, Content-Length only."""

from __future__ import annotations

import asyncio
from typing import cast


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._chunks: list[bytes] = []
        self._have = 0
        self._need = -1
        self._status = 0
        self._keep = False
        self._lost: BaseException | None = None

    async def get(self, path: str, *, keep: bool = False, headers: str = "") -> tuple[int, bytes]:
        """Status and, with `keep`, the body. `headers` are whole lines. Raises ConnectionError."""
        if self._transport is None or self._lost is not None:
            raise ConnectionError("the connection is closed")
        self._keep = keep
        self._waiting = asyncio.get_running_loop().create_future()
        self._chunks, self._have, self._need = [], 0, -1
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode())
        return await self._waiting

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop's call."""
        self._lost = exc or ConnectionError("the server hung up")
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(str(self._lost)))

    def data_received(self, data: bytes) -> None:
        """The loop's call."""
        if self._need < 0:
            self._chunks.append(data)
            head = data if len(self._chunks) == 1 else b"".join(self._chunks)
            end = head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._status = int(head[9:12])
            lower = head[:end].lower()
            at = lower.find(b"content-length:")
            if at < 0:
                self._finish(b"")
                return
            stop = lower.find(b"\r\n", at)
            self._need = int(lower[at + 15 : stop if stop > 0 else len(lower)])
            body = head[end + 4 :]
            self._have = len(body)
            self._chunks = [body] if self._keep else []
        else:
            self._have += len(data)
            if self._keep:
                self._chunks.append(data)
        if self._have >= self._need:
            self._finish(b"".join(self._chunks) if self._keep else b"")

    def _finish(self, body: bytes) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((self._status, body))


async def connect(port: int) -> Connection:
    """A connection to loopback."""
    _, protocol = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return protocol

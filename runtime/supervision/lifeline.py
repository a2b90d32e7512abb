"""What a role's or worker's code has of its parent: its config, when to stop, and a line to tell and be asked on."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from runtime import logs
from runtime.supervision.wire import BEAT, MAX_LINE, decode, encode

log = logs.get("runtime.lifeline")

ASKED_LIMIT = 256
"""Messages from the parent that wait to be read; the oldest is dropped beyond."""
BACKLOG_LIMIT = MAX_LINE
"""Bytes that wait for a parent that does not read; what is told beyond is dropped and counted."""


class Lifeline:
    """The child's side. Without a parent (a role in the foreground) it works alike and speaks to nobody."""

    def __init__(self, config: Mapping[str, Any] | None = None, *, name: str = "") -> None:
        self.name = name
        """Under which the parent knows this process."""
        self.config: dict[str, Any] = dict(config or {})
        """What the parent gave along; JSON values."""
        self.dropped = 0
        """Messages lost in either direction because somebody did not keep up."""
        self._stopping = asyncio.Event()
        self._asked: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    def ready(self, **info: object) -> None:
        """The process does its work from now on; `info` (JSON values) reaches the parent's callback."""
        self._send("ready", info=info)

    def tell(self, what: str, **data: object) -> None:
        """Tell the parent something (JSON values). Never waits; dropped and counted when the parent does not read."""
        self._send("tell", what=what, data=data)

    async def stopping(self) -> None:
        """Wait until this process shall end: asked by its parent, or its parent is gone."""
        await self._stopping.wait()

    @property
    def is_stopping(self) -> bool:
        """Whether it shall end."""
        return self._stopping.is_set()

    async def asked(self) -> AsyncIterator[dict[str, Any]]:
        """What the parent asks, in order: ``{"what": …, "data": {…}}``. Ends when the process shall stop."""
        while True:
            while self._asked:
                yield self._asked.popleft()
            if self._stopping.is_set():
                return
            self._news.clear()
            await self._news.wait()

    def stop(self) -> None:
        """Begin to stop (a signal in the foreground)."""
        self._stopping.set()
        self._news.set()

    def failed(self, reason: str, *, permanent: bool) -> None:
        """Say why the process is about to exit; with `permanent` it is not restarted."""
        self._send("failed", reason=reason[:2000], permanent=permanent)

    # --- the line to the parent, run by `runtime.supervision.child` ---------------------------------------------

    def attach(self, writer: asyncio.StreamWriter) -> None:
        """From now on there is a parent."""
        self._writer = writer

    async def beat(self) -> None:
        """Tell every `BEAT` seconds that the event loop turns."""
        while True:
            self._send("beat")
            await asyncio.sleep(BEAT)

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Read what the parent says, until it is gone: then this process shall stop."""
        try:
            while line := await reader.readline():
                message = decode(line)
                if message["kind"] == "ask":
                    self._receive({"what": message["what"], "data": message["data"]})
                elif message["kind"] == "shutdown":
                    self._send("ack")
                    self.stop()
        except (OSError, ValueError, KeyError) as error:
            log.warning("the line to the parent broke", error=repr(error))
        finally:
            self.stop()

    async def flush(self) -> None:
        """Wait a moment until what was told has left."""
        if self._writer is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._writer.drain()

    def _receive(self, message: dict[str, Any]) -> None:
        if len(self._asked) >= ASKED_LIMIT:
            self._asked.popleft()
            self.dropped += 1
        self._asked.append(message)
        self._news.set()

    def _send(self, kind: str, **fields: object) -> None:
        line = encode(kind, **fields)
        if self._writer is None or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > BACKLOG_LIMIT:
            self.dropped += 1
            return
        self._writer.write(line)

"""HTTP answers whose body is in RAM already: head and body go to the socket as they are, in one write.

aiohttp's `Response` joins the two to new bytes wherever an interpreter's own event loop had a faulty `writelines`, even
if another loop runs (aiohttp/http_writer.py, SKIP_WRITELINES). For media that was a copy of the segment for each viewer:
a fifth of the time of an answer, and memory for as long as the viewer took to read it. Its header fields, a multidict
that is filled, looked through and written anew for each answer, cost nearly as much; here they are bytes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import NewType

from aiohttp import HttpVersion10, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE

# In these asyncio's `writelines` did not tell when the buffer was full, so that nobody waited for a slow reader
# (CVE-2024-12254); uvloop's was never wrong, but which loop runs is not known here. Before 3.12 it joins and writes.
_FAULTY_WRITELINES = (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)


Fields = NewType("Fields", bytes)
"""Header fields as they go over the wire. Made by `fields`."""


def fields(headers: Mapping[str, str]) -> Fields:
    """Write header fields down once for many answers. Raises ValueError for what would not stay in its line."""
    lines = []
    for name, value in headers.items():
        if not (name + value).isprintable():
            raise ValueError(f"a header field with control characters: {name!r}")
        lines.append(f"{name}: {value}\r\n")
    return Fields("".join(lines).encode("latin-1"))


class _Signature:
    """`Date` and `Server`, written anew each second."""

    def __init__(self) -> None:
        self._second = -1
        self._lines = b""

    def lines(self) -> bytes:
        """Both fields and the empty line that ends a head."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._lines = (
                f"Date: {formatdate(now, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n".encode()
            )
        return self._lines


_SIGNATURE = _Signature()


class Whole(web.StreamResponse):
    """An answer with all of `body`, which is not copied; none of it is sent to who asks with HEAD.

    The header fields are `head`, and what HTTP itself needs: length, date, server and connection. aiohttp's signals, its
    cookies and its compression are not part of it.
    """

    def __init__(self, body: bytes, head: Fields, status: int = 200) -> None:
        super().__init__(status=status)
        self._held = body
        self._head = head
        self._asked: web.BaseRequest | None = None
        self._handed_over = False

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self._held)

    @property
    def prepared(self) -> bool:
        """Whether it is being sent, or was."""
        return self._asked is not None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open after it; None before that is known."""
        return self._asked.keep_alive if self._asked is not None else None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Take note of who asks: the head goes out together with the body, by `write_eof`."""
        self._asked = request
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Send it, once, and wait until it is `taken`. Raises ConnectionError where the reader is gone."""
        if data:
            raise ValueError("the body was given when the answer was made")
        request = self._asked
        if request is None:
            raise RuntimeError("write_eof() before prepare()")
        if self._handed_over:
            return
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader is gone")
        self._handed_over = True
        head = self._lines(request)
        if request.method == hdrs.METH_HEAD or not self._held:
            transport.write(head)
        elif _FAULTY_WRITELINES:
            transport.write(head + self._held)
        else:
            transport.writelines((head, self._held))
        await self.taken(request)

    async def taken(self, request: web.BaseRequest) -> None:
        """Wait until the reader took all but what the transport holds for it."""
        await request.writer.drain()

    def _lines(self, request: web.BaseRequest) -> bytes:
        old = request.version == HttpVersion10
        connection = b""
        # HTTP/1.1 stays open unless told otherwise, HTTP/1.0 the other way round (RFC 9112 §9.3).
        if request.keep_alive == old:
            connection = b"Connection: keep-alive\r\n" if old else b"Connection: close\r\n"
        return b"HTTP/1.%d %d %s\r\n%sContent-Length: %d\r\n%s%s" % (
            not old, self.status, self.reason.encode(), self._head, len(self._held), connection, _SIGNATURE.lines()
        )  # fmt: skip

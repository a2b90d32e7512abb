"""The worker's HTTP layer: serves a `LiveChannel` to edges and, where it is bound to TCP, to players.

It decides nothing about HLS. All of it runs on the loop that calls `LiveChannel.add`. Nobody waits for ever: a
blocked playlist or hinted part is given up after three target durations, a reader that takes longer than
`send_timeout` for one answer is cut off, and no more than `MAX_WAITING` requests wait at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web

from media.model.errors import NotFoundError, StoreError
from media.packaging.byterange import UnsatisfiableError, parse_range
from media.packaging.directives import parse_directives
from media.packaging.live import PLAYLIST, Held, LiveChannel, PlaylistAnswer, Ready, Refused, Stored, Wait
from media.ports import SegmentStore
from runtime.answers import Fields, Whole, fields

MAX_WAITING = 10_000
"""Requests that may wait at once; past it they get 503. Edges coalesce, so this is far above honest use."""
SWEEPS = 8
"""How often, in one `send_timeout`, slow readers are looked for."""
_PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
_MEDIA_TYPE = "video/mp4"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, Date",
    "Timing-Allow-Origin": "*",
}
_PREFLIGHT = {
    **_CORS,
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range",
    "Access-Control-Max-Age": "86400",
}
# Edges may share a playlist for a moment; `_HLS_*` are part of the address and so of the cache key.
_PLAYLIST_HEADERS = {
    **_CORS,
    "Cache-Control": "max-age=1",
    "Vary": "Accept-Encoding",
    "Content-Type": _PLAYLIST_TYPE,
}
_GZIP_HEADERS = {**_PLAYLIST_HEADERS, "Content-Encoding": "gzip"}
_MEDIA_HEADERS = {
    **_CORS,
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "Content-Type": _MEDIA_TYPE,
}
_MEDIA_FIELDS, _PLAYLIST_FIELDS, _GZIP_FIELDS = map(
    fields, (_MEDIA_HEADERS, _PLAYLIST_HEADERS, _GZIP_HEADERS)
)
_ERROR_HEADERS = {**_CORS, "Cache-Control": "no-store"}
_LATER_HEADERS = {**_ERROR_HEADERS, "Retry-After": "1"}


@dataclass(slots=True)
class OriginStats:
    """Counts since the start."""

    requests: int = 0
    bytes: int = 0
    """Of bodies that were handed to readers."""
    waiting: int = 0
    """Requests that wait now."""
    timed_out: int = 0
    """Waits that were given up."""
    turned_away: int = 0
    """Requests refused because too many wait."""
    slow_readers: int = 0
    """Readers that were cut off."""


STATS = web.AppKey("stats", OriginStats)


class _Readers:
    """Who is being sent an answer, and until when they have to take it.

    One timer for all instead of one for each answer, and none while nobody reads: the answer is the hot path.
    """

    def __init__(self, timeout: float, stats: OriginStats) -> None:
        self._timeout = timeout
        self._stats = stats
        self._until: dict[asyncio.Transport, float] = {}
        self._loop = asyncio.get_running_loop()
        self._sweeping = False

    def begin(self, transport: asyncio.Transport) -> None:
        """An answer is being sent."""
        self._until[transport] = self._loop.time() + self._timeout
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(self._timeout / SWEEPS, self._sweep)

    def end(self, transport: asyncio.Transport) -> None:
        """It was taken, or given up."""
        self._until.pop(transport, None)

    def _sweep(self) -> None:
        now = self._loop.time()
        for transport in [each for each, until in self._until.items() if until <= now]:
            del self._until[transport]
            self._stats.slow_readers += 1
            transport.abort()
        self._sweeping = bool(self._until)
        if self._sweeping:
            self._loop.call_later(self._timeout / SWEEPS, self._sweep)


class _Timed(Whole):
    """An answer whose reader must take it within the readers' time, or is cut off."""

    def __init__(self, readers: _Readers, body: bytes, head: Fields, status: int = 200) -> None:
        super().__init__(body, head, status)
        self._readers = readers

    async def taken(self, request: web.BaseRequest) -> None:
        """Wait for the reader, and have it watched meanwhile."""
        transport = request.transport
        # Mostly it is with the kernel as a whole by now, and nothing is left to be waited for.
        if transport is None or not transport.get_write_buffer_size():
            return
        self._readers.begin(transport)
        try:
            await super().taken(request)
        finally:
            self._readers.end(transport)


class _Origin:
    """The handlers of one application."""

    def __init__(
        self, live: LiveChannel, store: SegmentStore, wait_timeout: float, send_timeout: float
    ) -> None:
        self.stats = OriginStats()
        self._live = live
        self._store = store
        self._wait_timeout = wait_timeout
        self._changed = {name: asyncio.Event() for name in live.renditions}
        self._closing = False
        self._readers = _Readers(send_timeout, self.stats)
        live.watch(self._wake)

    def _wake(self, rendition: str) -> None:
        event = self._changed[rendition]
        self._changed[rendition] = asyncio.Event()
        event.set()

    async def close(self, _: web.Application) -> None:
        """Let all that wait go with 503."""
        self._closing = True
        for rendition in self._changed:
            self._wake(rendition)

    async def _there(self, rendition: str, ask: Callable[[], object]) -> bool:
        """Wait until the answer is no longer `Wait`; False when that was in vain."""
        if self.stats.waiting >= MAX_WAITING:
            self.stats.turned_away += 1
            return False
        self.stats.waiting += 1
        try:
            async with asyncio.timeout(self._wait_timeout):
                while not self._closing:
                    await self._changed[rendition].wait()
                    if not isinstance(ask(), Wait):
                        return True
                return False
        except TimeoutError:
            self.stats.timed_out += 1
            return False
        finally:
            self.stats.waiting -= 1

    # --- handlers ----------------------------------------------------------------------------------------------------

    async def health(self, _: web.Request) -> web.StreamResponse:
        """200 once every rendition lists a segment, 503 before."""
        ready = self._live.ready
        return web.Response(
            status=200 if ready else 503, text="ok\n" if ready else "starting\n", headers=_ERROR_HEADERS
        )

    async def preflight(self, _: web.Request) -> web.StreamResponse:
        """CORS: a Range header makes browsers ask first."""
        return web.Response(status=204, headers=_PREFLIGHT)

    async def multivariant(self, request: web.Request) -> web.StreamResponse:
        """The multivariant playlist."""
        self.stats.requests += 1
        live = self._live
        answer = live.multivariant()
        if isinstance(answer, Wait) and await self._there(live.renditions[0], live.multivariant):
            answer = live.multivariant()
        return self._later() if isinstance(answer, Wait) else self._playlist(request, answer)

    async def below(self, request: web.Request) -> web.StreamResponse:
        """Whatever a rendition has."""
        if request.match_info["name"] == PLAYLIST:
            return await self.media_playlist(request)
        return await self.object(request)

    async def media_playlist(self, request: web.Request) -> web.StreamResponse:
        """A media playlist; blocks as its query asks."""
        self.stats.requests += 1
        rendition = request.match_info["rendition"]
        try:
            wanted = parse_directives(request.query.items())
        except ValueError as error:
            return self._refuse(400, str(error))

        def ask() -> PlaylistAnswer:
            return self._live.playlist(rendition, wanted.msn, wanted.part, skip=wanted.skip)

        answer = ask()
        if isinstance(answer, Wait) and await self._there(rendition, ask):
            answer = ask()
        if isinstance(answer, Wait):
            return self._later()
        if isinstance(answer, Refused):
            return self._refuse(answer.status, answer.why)
        return self._playlist(request, answer)

    async def object(self, request: web.Request) -> web.StreamResponse:
        """An init segment, segment or part; the hinted part is held until it is there."""
        self.stats.requests += 1
        info = request.match_info
        rendition, name = info["rendition"], info["name"]
        live = self._live
        found = live.find(rendition, name)
        if isinstance(found, Wait) and await self._there(rendition, lambda: live.find(rendition, name)):
            found = live.find(rendition, name)
        if isinstance(found, Held):
            return self._media(request, found.data)
        if isinstance(found, Stored):
            try:
                return self._media(request, await self._store.get(found.key))
            except NotFoundError:
                return self._refuse(404, "no such object")
            except StoreError:
                return self._later()
        if isinstance(found, Wait):
            return self._later()
        return self._refuse(404, "no such object")

    # --- answers -----------------------------------------------------------------------------------------------------

    def _playlist(self, request: web.Request, ready: Ready) -> web.StreamResponse:
        if accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            body, head = ready.gzipped, _GZIP_FIELDS
        else:
            body, head = ready.body, _PLAYLIST_FIELDS
        self.stats.bytes += len(body)
        return _Timed(self._readers, body, head)

    def _media(self, request: web.Request, data: bytes) -> web.StreamResponse:
        wanted = request.headers.get(hdrs.RANGE)
        if wanted is not None:
            try:
                span = parse_range(wanted, len(data))
            except UnsatisfiableError:
                headers = {**_ERROR_HEADERS, "Content-Range": f"bytes */{len(data)}"}
                return web.Response(status=416, text="the range lies outside the object\n", headers=headers)
            if span is not None:
                start, end = span
                head = fields({**_MEDIA_HEADERS, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})
                self.stats.bytes += end - start
                return _Timed(self._readers, data[start:end], head, 206)
        self.stats.bytes += len(data)
        return _Timed(self._readers, data, _MEDIA_FIELDS)

    @staticmethod
    def _later() -> web.StreamResponse:
        return web.Response(status=503, text="not there yet\n", headers=_LATER_HEADERS)

    @staticmethod
    def _refuse(status: int, why: str) -> web.StreamResponse:
        return web.Response(status=status, text=f"{why}\n", headers=_ERROR_HEADERS)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110 §12.5.3); `gzip;q=0` refuses it."""
    for item in header.lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def make_app(
    live: LiveChannel, store: SegmentStore, *, wait_timeout: float | None = None, send_timeout: float = 15.0
) -> web.Application:
    """The application; `app[STATS]` counts. Made once per `LiveChannel`, on the loop that feeds it.

    `wait_timeout` is by default three target durations, in seconds.
    """
    timeout = 3.0 * live.spec.target_duration if wait_timeout is None else wait_timeout
    origin = _Origin(live, store, timeout, send_timeout)
    app = web.Application(client_max_size=1024)
    app[STATS] = origin.stats
    app.on_shutdown.append(origin.close)
    app.router.add_get("/healthz", origin.health)
    app.router.add_get(f"/{PLAYLIST}", origin.multivariant)
    # One pattern for both: the router tries patterns one after the other.
    app.router.add_get("/{rendition}/{name}", origin.below)
    app.router.add_route("OPTIONS", "/{rendition}/{name}", origin.preflight)
    return app

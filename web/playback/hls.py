"""``/hls/{channel}/…``: live media to viewers."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs, web

from media.packaging.byterange import UnsatisfiableError, parse_range
from media.packaging.directives import parse_directives
from runtime.answers import Whole, fields
from runtime.cache import TooManyFlightsError
from web.connections import Connections
from web.metrics import WebMetrics
from web.playback import names
from web.playback.demand import ChannelStartingError, Demand
from web.playback.live import BadRequestError, LiveMedia, Media, NoSuchObjectError, NotNowError
from web.playback.names import Kind
from web.problems import catalogue
from web.problems.answer import ProblemError

CORS: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, Date, Age",
    "Timing-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT: Mapping[str, str] = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range, If-Range",
    "Access-Control-Max-Age": "86400",
}
MEDIA_HEADERS: Mapping[str, str] = {
    **CORS,
    "Content-Type": "video/mp4",
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
}
_MEDIA_FIELDS = fields(MEDIA_HEADERS)
PLAYLIST_HEADERS: Mapping[str, str] = {
    **CORS,
    "Content-Type": "application/vnd.apple.mpegurl",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


class Sender:
    """Answers with media: ranges, encodings, and the bound on slow readers. Shared by live and replays."""

    def __init__(self, connections: Connections, metrics: WebMetrics) -> None:
        self._connections = connections
        self._bytes = metrics.tally.sent

    async def media(self, request: web.Request, media: Media) -> web.StreamResponse:
        """An immutable object, or one range of it (RFC 9110 §14)."""
        body = media.body
        wanted = request.headers.get(hdrs.RANGE)
        # We give out no validators, so that an If-Range never matches: then the whole is the answer (§13.1.5).
        if wanted is not None and hdrs.IF_RANGE not in request.headers:
            try:
                span = parse_range(wanted, len(body))
            except UnsatisfiableError as error:
                raise ProblemError(
                    catalogue.RANGE, headers={**CORS, "Content-Range": f"bytes */{len(body)}"}
                ) from error
            if span is not None:
                start, end = span
                head = fields({**MEDIA_HEADERS, "Content-Range": f"bytes {start}-{end - 1}/{len(body)}"})
                self._bytes[media.kind] += end - start
                return await self._connections.send(request, Whole(body[start:end], head, 206))
        self._bytes[media.kind] += len(body)
        return await self._connections.send(request, Whole(body, _MEDIA_FIELDS))

    async def playlist(self, request: web.Request, media: Media, cache_control: str) -> web.StreamResponse:
        """A playlist, gzipped where the client takes it."""
        headers = {**PLAYLIST_HEADERS, "Cache-Control": cache_control}
        body = media.body
        if media.gzipped and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            headers["Content-Encoding"] = "gzip"
            body = media.gzipped
        self._bytes[Kind.PLAYLIST] += len(body)
        return await self._connections.send(request, Whole(body, fields(headers)))


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding takes gzip (RFC 9110 §12.5.3); `gzip;q=0` refuses it."""
    for item in header.lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in {"q=", "q=0."}
    return False


class HlsPages:
    """The handlers."""

    def __init__(self, live: LiveMedia, demand: Demand, sender: Sender, metrics: WebMetrics) -> None:
        self._live = live
        self._demand = demand
        self._sender = sender
        self._metrics = metrics

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/hls/{channel}/{name:.+}", self.get)
        app.router.add_route("OPTIONS", "/hls/{channel}/{name:.+}", preflight)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One object or playlist."""
        info = request.match_info
        channel, name = info["channel"], info["name"]
        try:
            if (media := self._live.kept(channel, name)) is not None:
                return await self._sender.media(request, media)
            kind = names.kind_of(name) if names.CHANNEL.fullmatch(channel) else None
            if kind is None:
                return ProblemError(catalogue.NOT_FOUND, headers=CORS).response(request)
            if kind is Kind.PLAYLIST:
                return await self._playlist(request, channel, name)
            return await self._sender.media(request, await self._live.object(channel, name, kind))
        except ProblemError as problem:
            return problem.response(request)
        except (
            BadRequestError,
            NoSuchObjectError,
            NotNowError,
            TooManyFlightsError,
            ChannelStartingError,
        ) as error:
            return self._refusal(error).response(request)

    async def _playlist(self, request: web.Request, channel: str, name: str) -> web.StreamResponse:
        try:
            directives = parse_directives(request.query.items())
        except ValueError as error:
            raise BadRequestError from error
        if directives.part is not None and directives.msn is None:
            raise BadRequestError  # RFC 8216bis §6.2.5.2
        self._demand.viewer(channel)
        media = await self._live.playlist(channel, name, directives)
        # What a blocking request got is right for its address for long, so shared caches may keep it (Apple's advice:
        # six target durations); browsers only for a moment, as they do not ask for the same again but after a pause.
        shared = f", s-maxage={6 * media.target}" if directives.msn is not None and media.target else ""
        return await self._sender.playlist(request, media, f"public, max-age=1{shared}")

    def _refusal(self, error: Exception) -> ProblemError:
        if isinstance(error, BadRequestError):
            return ProblemError(catalogue.PLAYLIST, headers=CORS)
        if isinstance(error, NoSuchObjectError):
            return ProblemError(catalogue.NOT_FOUND, headers=CORS)
        if isinstance(error, ChannelStartingError):
            return ProblemError(catalogue.STARTING, headers={**CORS, "Retry-After": "2"})
        if isinstance(error, TooManyFlightsError):
            self._metrics.refused.inc()
        return ProblemError(catalogue.UNAVAILABLE, headers={**CORS, "Retry-After": "1"})


async def preflight(_: web.Request) -> web.StreamResponse:
    """CORS: a Range header makes browsers ask first."""
    return web.Response(status=204, headers=PREFLIGHT)

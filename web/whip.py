"""``/whip/{feed}``: the HTTP of WebRTC ingest (RFC 9725). Media goes to the ingest process, which answers the offers.

What RFC 9725 leaves open: sessions take trickled candidates, and refuse ICE restarts with 422 (§4.3.1); a PATCH without
``If-Match`` is taken, since without restarts a session has one ICE generation and thus one tag.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web

from media.contracts.feeds import GetFeed
from media.contracts.whip import IceServerView, WhipEnd, WhipOffer, WhipTrickle
from media.ingest.keys import hash_key
from media.ingest.whip.sdp import MAX_SDP
from runtime import logs
from runtime.bus.contract import Command, CommandError, Fault, ReplyT
from web.api.dispatch import unkeepable
from web.auth.clients import Proxies
from web.auth.limits import Buckets, Rate
from web.metrics import WebMetrics
from web.ports import Ask
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command
from web.settings import AuthSettings, HttpSettings

log = logs.get("web.whip")

ANSWER_SECONDS = 12.0
"""What the bus call of an offer may take: ingest waits for STUN and TURN servers."""
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="gachi"'}
_CORS = {
    # Any site's page may publish: what lets it in is the stream key, which no browser sends by itself.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, Link, ETag, Accept-Patch, Retry-After",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_MAX_PEER = 120
_MAX_KEY = 200

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Whip:
    """The handlers."""

    def __init__(
        self,
        ask: Ask,
        http: HttpSettings,
        auth: AuthSettings,
        metrics: WebMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._http = http
        self._metrics = metrics
        self._clock = clock
        self._proxies = Proxies(http.trusted_proxies)
        self._requests = Buckets(Rate(auth.address_rate, auth.address_burst))
        self._failures = Buckets(Rate(auth.failure_rate, auth.failure_burst))

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        endpoint, session = "/whip/{feed}", "/whip/{feed}/{session}"
        app.router.add_post(endpoint, self._handled("whip.offer", self._offer))
        app.router.add_options(endpoint, _preflight({"Accept-Post": SDP}, "POST, OPTIONS"))
        app.router.add_patch(session, self._handled("whip.trickle", self._trickle))
        app.router.add_delete(session, self._handled("whip.end", self._end))
        app.router.add_options(session, _preflight({"Accept-Patch": FRAGMENT}, "PATCH, DELETE, OPTIONS"))

    async def _offer(self, request: web.Request) -> web.Response:
        key, text = self._key(request), await self._body(request, SDP)
        answer = await self._ask_ingest(
            request.match_info["feed"],
            WhipOffer(
                feed=request.match_info["feed"], key=key, sdp=text, peer=self._peer(request), cause="whip"
            ),
        )
        headers = {
            "Location": f"/whip/{request.match_info['feed']}/{answer.session}",
            "ETag": f'"{answer.etag}"',
            "Accept-Patch": FRAGMENT,
        }
        response = web.Response(status=201, body=answer.sdp.encode(), content_type=SDP, headers=headers)
        for server in answer.ice_servers:
            response.headers.add("Link", _link(server))
        return response

    async def _trickle(self, request: web.Request) -> web.Response:
        key, text = self._key(request), await self._body(request, FRAGMENT)
        given = request.headers.get(hdrs.IF_MATCH)
        etag = given.strip().strip('"') if given is not None else None
        await self._ask_ingest(
            request.match_info["feed"],
            WhipTrickle(
                feed=request.match_info["feed"],
                session=request.match_info["session"],
                key=key,
                fragment=text,
                etag=etag,
                cause="whip",
            ),
        )
        return web.Response(status=204)

    async def _end(self, request: web.Request) -> web.Response:
        feed, session = request.match_info["feed"], request.match_info["session"]
        await self._ask_ingest(
            feed, WhipEnd(feed=feed, session=session, key=self._key(request), cause="whip")
        )
        return web.Response(status=200)

    # ---

    async def _ask_ingest(self, feed: str, command: Command[ReplyT]) -> ReplyT:
        """Command the ingest process once it is there.

        While it is started anew a command is lost, and whoever sent it waits for its time-out. A question is repeated
        until somebody answers: so a phone is let in, or told that its session is no more, as soon as it can be.
        """
        try:
            await self._ask(GetFeed(feed=feed, cause="whip"))
        except CommandError as error:
            if error.fault is not Fault.NOT_FOUND:  # what that means is the command's to say
                raise
        return await self._ask(command)

    def _handled(self, operation: str, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            try:
                self._check(request)
                response = await handler(request)
            except ProblemError as problem:
                response = problem.response(request)
            except CommandError as error:
                response = self._refused(error, request).response(request)
            except web.HTTPRequestEntityTooLarge:
                response = ProblemError(catalogue.TOO_LARGE, limit=MAX_SDP).response(request)
            except (ConnectionError, TimeoutError):
                response = web.Response(status=499)  # the client left in the middle
            except Exception:
                log.exception("a WHIP request failed", operation=operation)
                response = ProblemError(catalogue.INTERNAL).response(request)
            response.headers.update(_CORS)
            self._metrics.api_requests.labels(operation, str(response.status)).inc()
            return response

        return handle

    def _check(self, request: web.Request) -> None:
        if unkeepable(dict(request.match_info)) is not None:
            raise ProblemError(catalogue.NOT_FOUND)  # nothing has such an id
        now, address = self._clock(), self._proxies.client(request).address
        if wait := self._failures.wait(address, now):
            self._metrics.rate_limited.labels("failures").inc()
            raise ProblemError(catalogue.TOO_MANY, seconds=wait, headers={"Retry-After": str(wait)})
        if wait := self._requests.take(address, now):
            self._metrics.rate_limited.labels("address").inc()
            raise ProblemError(catalogue.TOO_MANY, seconds=wait, headers={"Retry-After": str(wait)})

    def _key(self, request: web.Request) -> str:
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not 0 < len(key) <= _MAX_KEY or unkeepable(key) is not None:
            raise ProblemError(catalogue.WRONG_KEY, field="stream_key", headers=_CHALLENGE)
        return hash_key(key)

    def _refused(self, error: CommandError, request: web.Request) -> ProblemError:
        """The problem of what ingest refused."""
        if error.field == "stream_key":
            self._failures.take(self._proxies.client(request).address, self._clock())
            return ProblemError(catalogue.WRONG_KEY, field="stream_key", headers=_CHALLENGE)
        if error.field == "session" and error.fault is Fault.UNAVAILABLE:
            return ProblemError(catalogue.FULL, headers={"Retry-After": "5"})
        if error.field == "etag":
            return ProblemError(catalogue.STALE, field="If-Match")
        if error.fault is Fault.INVALID and (error.field or "").partition(".")[0] == "sdp":
            return ProblemError(catalogue.BAD_SDP, field=error.field, reason=str(error))
        return from_command(error)

    async def _body(self, request: web.Request, wanted: str) -> str:
        if request.content_length is not None and request.content_length > MAX_SDP:
            raise ProblemError(catalogue.TOO_LARGE, limit=MAX_SDP, headers={"Connection": "close"})
        if request.content_type != wanted:
            raise ProblemError(catalogue.NOT_SDP, wanted=wanted)
        try:
            async with asyncio.timeout(self._http.body_timeout):
                raw = await request.read()
        except TimeoutError as error:
            raise ProblemError(
                catalogue.BAD_SDP,
                field="sdp",
                reason="it did not come in time",
                headers={"Connection": "close"},
            ) from error
        if len(raw) > MAX_SDP:
            raise ProblemError(catalogue.TOO_LARGE, limit=MAX_SDP)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProblemError(catalogue.BAD_SDP, field="sdp", reason="it is no UTF-8") from error

    def _peer(self, request: web.Request) -> str:
        agent = request.headers.get(hdrs.USER_AGENT, "")
        text = f"{self._proxies.client(request).address} {agent}"
        return "".join(each for each in text if each.isprintable())[:_MAX_PEER].strip()


def _preflight(extra: Mapping[str, str], methods: str) -> Handler:
    headers = {
        **_CORS,
        **extra,
        "Allow": methods,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
        "Access-Control-Max-Age": "86400",
    }

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=200, headers=headers)

    return handle


def _link(server: IceServerView) -> str:
    """RFC 9725 §4.6."""
    parts = [f"<{server.url}>", 'rel="ice-server"']
    if server.username:
        parts += [
            f"username={_quoted(server.username)}",
            f"credential={_quoted(server.credential)}",
            'credential-type="password"',
        ]
    return "; ".join(parts)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""``POST /hooks/{shop}``: webhooks of shops. Who sent one is the bridge's to judge, by its signature over the very bytes that came.

A shop wants its answer within seconds and sends again what was not taken, so nothing is done here but to hand it on. One that was seen
before is as good as taken.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable

from aiohttp import web

from commerce_bridge.contracts.products import HearWebhook
from runtime import logs
from runtime.bus.contract import CommandError, Fault
from web.api.dispatch import unkeepable
from web.auth.clients import Proxies
from web.auth.limits import Buckets, Rate
from web.metrics import WebMetrics
from web.ports import Ask
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command
from web.settings import AuthSettings, HttpSettings

log = logs.get("web.hooks")

MAX_BODY = 256 << 10
"""Bytes; shops send a few kilobytes."""
_KEPT_BACK = {"cookie", "host", "connection", "content-length", "transfer-encoding"}
"""Headers that no shop signs."""
_OPERATION = "hooks.hear"


class Hooks:
    """The handler."""

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
        # A shop is a program with one address that tells of all its orders: it may do as much as one with a token.
        self._requests = Buckets(Rate(auth.token_rate, auth.token_burst))
        self._failures = Buckets(Rate(auth.failure_rate, auth.failure_burst))

    def add_to(self, app: web.Application) -> None:
        """Register the path."""
        app.router.add_post("/hooks/{shop}", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            response = await self._hear(request)
        except ProblemError as problem:
            response = problem.response(request)
        except CommandError as error:
            response = self._refused(error, request).response(request)
        except web.HTTPRequestEntityTooLarge:
            response = ProblemError(catalogue.TOO_LARGE, limit=self._limit).response(request)
        except (ConnectionError, TimeoutError):
            response = web.Response(status=499)  # the client left in the middle
        except Exception:
            log.exception("a webhook failed")
            response = ProblemError(catalogue.INTERNAL).response(request)
        self._metrics.api_requests.labels(_OPERATION, str(response.status)).inc()
        return response

    async def _hear(self, request: web.Request) -> web.Response:
        self._check(request)
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            if name.lower() not in _KEPT_BACK:
                headers.setdefault(name.lower(), value)
        if unkeepable(headers) is not None:
            raise ProblemError(catalogue.FORGED)  # nothing that is signed says that
        body = await self._body(request)
        await self._ask(
            HearWebhook(
                shop=request.match_info["shop"],
                headers=headers,
                body=base64.b64encode(body).decode(),
                cause="hook",
            )
        )
        return web.Response(status=202, headers={"Cache-Control": "no-store"})

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

    def _refused(self, error: CommandError, request: web.Request) -> ProblemError:
        if error.fault is Fault.INVALID and error.field == "signature":
            self._failures.take(self._proxies.client(request).address, self._clock())
            return ProblemError(catalogue.FORGED)
        return from_command(error)

    @property
    def _limit(self) -> int:
        return min(MAX_BODY, self._http.max_body)

    async def _body(self, request: web.Request) -> bytes:
        if request.content_length is not None and request.content_length > self._limit:
            raise ProblemError(catalogue.TOO_LARGE, limit=self._limit, headers={"Connection": "close"})
        try:
            async with asyncio.timeout(self._http.body_timeout):
                body = await request.read()
        except TimeoutError as error:
            raise ProblemError(
                catalogue.BAD_JSON, position="time-out", headers={"Connection": "close"}
            ) from error
        if len(body) > self._limit:  # it had not said how long it is
            raise ProblemError(catalogue.TOO_LARGE, limit=self._limit)
        return body

"""From the route table to aiohttp: rate, caller, role, query and body are checked here, in this order, for every route."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn

from aiohttp import hdrs, web
from pydantic import ValidationError

from runtime import logs
from runtime.bus.contract import CommandError
from web.api.routing import PREFIX, Answer, Call, Route
from web.api.services import Services
from web.api.session import COOKIE
from web.api.wire import Wire
from web.auth.audit import Trail, changes_of
from web.auth.clients import Client, Proxies
from web.auth.limits import Buckets, Rate
from web.auth.tokens import Identity
from web.metrics import WebMetrics
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command, from_validation

log = logs.get("web.api")

HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # What is answered depends on who asks; said for caches that would ignore no-store.
    "Vary": "Authorization, Cookie",
}
_SAFE = frozenset({"GET", "HEAD"})
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


class Dispatcher:
    """Makes aiohttp handlers of routes."""

    def __init__(self, services: Services, metrics: WebMetrics) -> None:
        auth = services.auth
        self._services = services
        self._metrics = metrics
        self._proxies = Proxies(services.http.trusted_proxies)
        self._by_token = Buckets(Rate(auth.token_rate, auth.token_burst))
        self._by_address = Buckets(Rate(auth.address_rate, auth.address_burst))
        self._failures = Buckets(Rate(auth.failure_rate, auth.failure_burst))

    def add_to(self, app: web.Application, routes: Sequence[Route]) -> None:
        """Register the routes, and the answers for what is no route."""
        methods: dict[str, list[str]] = {}
        for route in routes:
            path = PREFIX + route.path
            methods.setdefault(path, []).append(route.method)
            app.router.add_route(route.method, path, self.handler(route))
            if route.method == "GET":
                app.router.add_route("HEAD", path, self.handler(route))
        for path, allowed in methods.items():
            app.router.add_route("*", path, not_allowed([*allowed, "HEAD"] if "GET" in allowed else allowed))
        app.router.add_route("*", "/api/{rest:.*}", _not_found)

    def handler(self, route: Route) -> HttpHandler:
        """The aiohttp handler of one route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            began = time.perf_counter()
            if unkeepable(dict(request.match_info)) is None:
                response = await self._answered(route, request)
            else:
                response = await _not_found(request)  # nothing has such an id
            self._metrics.api_requests.labels(route.operation, str(response.status)).inc()
            self._metrics.api_seconds.labels(route.operation).observe(time.perf_counter() - began)
            return response

        return handle

    async def _answered(self, route: Route, request: web.Request) -> web.StreamResponse:
        client = self.client(request)
        named = "/".join(request.match_info.values())
        trail = self._services.audit.trail(route.method, route.operation, named, client.address)
        try:
            response, problem = await self._worked(route, request, client, trail), ""
        except ProblemError as error:
            if route.credential and error.kind is catalogue.UNAUTHENTICATED:
                self._failures.take(client.address, self._services.clock())
            response, problem = error.response(request), error.kind.slug
        except CommandError as error:
            told = from_command(error)
            response, problem = told.response(request), told.kind.slug
        except web.HTTPRequestEntityTooLarge:
            told = ProblemError(catalogue.TOO_LARGE, limit=self._services.http.max_body)
            response, problem = told.response(request), told.kind.slug
        except (ConnectionError, TimeoutError):
            # The client left, or was dropped, in the middle of an answer: aiohttp finds the connection closed.
            response, problem = web.Response(status=499), ""
        except Exception:
            log.exception("an API request failed", operation=route.operation)
            response, problem = ProblemError(catalogue.INTERNAL).response(request), catalogue.INTERNAL.slug
        if route.method not in _SAFE and route.noted:
            await trail.end(response.status, problem)
        return response

    async def _worked(
        self, route: Route, request: web.Request, client: Client, trail: Trail
    ) -> web.StreamResponse:
        caller = await self.identify(request)
        trail.by(caller)
        self._limit(request, caller)
        if route.role is not None and (caller is None or not caller.role.covers(route.role)):
            _refuse(route, caller)
        self._check_site(request, caller)
        query, body = _query(route, request), await self._body(route, request)
        if route.credential and getattr(body, route.credential) is not None:
            self._check_failures(request)
        if not route.credential:
            trail.gives(changes_of(body))
            if route.method not in _SAFE and route.noted:
                await trail.begin(strict=route.strict)
        call = Call(request, self._services, caller, query, body, client, trail)
        answer = await route.handler(call)
        if isinstance(answer, Answer) and (made := answer.headers.get("Location")):
            trail.about(made.rpartition("/")[2])
        return self._response(route, answer, client)

    # --- who is asking

    def client(self, request: web.BaseRequest) -> Client:
        """Who stands at the other end; what a trusted proxy says of it, where one stands before us."""
        return self._proxies.client(request)

    async def identify(self, request: web.Request) -> Identity | None:
        """Who asks. Raises `unauthenticated` for a wrong token, `too-many-requests` for many of them."""
        header = request.headers.get(hdrs.AUTHORIZATION)
        if header is None:
            cookie = request.cookies.get(COOKIE, "")
            # An old cookie makes a guest, not an error: the page must show, and tell that one may log in again.
            return await self._services.sessions.verify(cookie) if cookie else None
        self._check_failures(request)
        scheme, _, text = header.partition(" ")
        identity = await self._services.tokens.verify(text.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            self._failures.take(self.client(request).address, self._services.clock())
            raise ProblemError(
                catalogue.UNAUTHENTICATED,
                headers={"WWW-Authenticate": 'Bearer realm="gachi", error="invalid_token"'},
            )
        return identity

    def _check_failures(self, request: web.Request) -> None:
        if wait := self._failures.wait(self.client(request).address, self._services.clock()):
            self._metrics.rate_limited.labels("failures").inc()
            raise _too_many(wait)

    def _limit(self, request: web.Request, caller: Identity | None) -> None:
        now = self._services.clock()
        by = "token" if caller else "address"
        if caller:
            wait = self._by_token.take(caller.id, now)
        else:
            wait = self._by_address.take(self.client(request).address, now)
        if wait:
            self._metrics.rate_limited.labels(by).inc()
            raise _too_many(wait)

    def _check_site(self, request: web.Request, caller: Identity | None) -> None:
        """With the cookie, changes only from our own pages: Fetch Metadata; Origin where that is not sent (plain HTTP).
        Every browser sends one of them with a change, and a page cannot forge either; who sends none is no browser.
        """
        if request.method in _SAFE or hdrs.AUTHORIZATION in request.headers:
            return
        if caller is None and hdrs.COOKIE not in request.headers and hdrs.ORIGIN not in request.headers:
            return
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get(hdrs.ORIGIN)
        # A proxy may ask us by another name than its own: the one that people see is ours too.
        own = {request.host, self._services.http.public_url.partition("://")[2].rstrip("/")} - {""}
        same = site == "same-origin" if site else origin is None or origin.partition("://")[2] in own
        if not same:
            raise ProblemError(catalogue.CROSS_SITE)

    # --- what was sent

    async def _body(self, route: Route, request: web.Request) -> Wire | None:
        if route.body is None:
            return None
        limit = min(route.max_body or self._services.http.max_body, self._services.http.max_body)
        if request.content_length is not None and request.content_length > limit:
            raise ProblemError(catalogue.TOO_LARGE, limit=limit, headers={"Connection": "close"})
        if request.content_type != "application/json":
            raise ProblemError(catalogue.MEDIA_TYPE)
        try:
            async with asyncio.timeout(self._services.http.body_timeout):
                raw = await request.read()
        except TimeoutError as error:
            raise ProblemError(
                catalogue.BAD_JSON, position="time-out", headers={"Connection": "close"}
            ) from error
        value = parse_json(raw)
        if len(raw) > limit:  # it had not said how long it is
            raise ProblemError(catalogue.TOO_LARGE, limit=limit)
        if (path := unkeepable(value)) is not None:
            raise ProblemError(catalogue.INVALID_FIELD, field=path, errors=[(path, "unkeepable_text", {})])
        try:
            # By way of JSON: strict JSON types, yet enums by their value.
            return route.body.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise from_validation(error) from error

    # --- what is answered

    def _response(
        self, route: Route, answer: Answer | web.StreamResponse, client: Client
    ) -> web.StreamResponse:
        if isinstance(answer, web.StreamResponse):
            return answer
        headers = {**JSON_HEADERS, **answer.headers}
        if answer.version is not None:
            headers["ETag"] = f'"{answer.version}"'
        status = answer.status or route.status
        body = answer.body.model_dump_json().encode() if answer.body is not None else None
        response = web.Response(
            body=body,
            status=status,
            headers=headers,
            content_type="application/json" if body is not None else None,
        )
        if answer.cookie is not None:
            # Lax, not Strict: a link to a download that somebody was sent works; changes need `_check_site` anyway.
            if answer.cookie:
                response.set_cookie(
                    COOKIE,
                    answer.cookie,
                    max_age=self._services.sessions.longest,
                    httponly=True,
                    samesite="Lax",
                    secure=client.secure,
                    path="/",
                )
            else:
                response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=client.secure)
        return response


def parse_json(raw: bytes) -> object:
    """The JSON text (RFC 8259); raises `bad-json` naming line and column. NaN and names given twice are refused."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(catalogue.BAD_JSON, position=f"byte {error.start}") from error
    try:
        return json.loads(text, parse_constant=_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ProblemError(
            catalogue.BAD_JSON, position=f"line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise ProblemError(catalogue.BAD_JSON, position="a nesting that is too deep") from error
    except ValueError as error:  # a number of thousands of digits
        raise ProblemError(catalogue.BAD_JSON, position="a number that is too long") from error


def unkeepable(value: object) -> str | None:
    """Dotted path of a text that no store can keep: PostgreSQL has no U+0000, UTF-8 no half of a surrogate pair
    (RFC 8259 §8.2 warns of it). None where all is well.
    """
    left: list[tuple[str, object]] = [("", value)]
    while left:
        path, each = left.pop()
        if isinstance(each, str):
            if _UNKEEPABLE.search(each):
                return path or "body"
        elif isinstance(each, Mapping):
            if any(_UNKEEPABLE.search(name) for name in each):
                return path or "body"  # a problem could not spell such a name either
            left += [(f"{path}.{name}" if path else name, inner) for name, inner in each.items()]
        elif isinstance(each, list):
            left += [(f"{path}.{place}" if path else str(place), inner) for place, inner in enumerate(each)]
    return None


def _constant(name: str) -> NoReturn:
    raise ProblemError(catalogue.BAD_JSON, position=name)


def _once(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ProblemError(catalogue.BAD_JSON, position=f"the second “{twice}”")
    return found


def _query(route: Route, request: web.Request) -> Wire | None:
    if route.query is None:
        return None
    asked = dict(request.query)
    if (name := unkeepable(asked)) is not None:
        raise ProblemError(catalogue.INVALID_FIELD, field=name, errors=[(name, "unkeepable_text", {})])
    try:
        return route.query.model_validate(asked)
    except ValidationError as error:
        raise from_validation(error) from error


def _refuse(route: Route, caller: Identity | None) -> NoReturn:
    if caller is None:
        raise ProblemError(catalogue.UNAUTHENTICATED, headers={"WWW-Authenticate": 'Bearer realm="gachi"'})
    raise ProblemError(catalogue.FORBIDDEN, role=str(route.role))


def _too_many(seconds: int) -> ProblemError:
    return ProblemError(catalogue.TOO_MANY, seconds=seconds, headers={"Retry-After": str(seconds)})


def not_allowed(methods: Sequence[str]) -> HttpHandler:
    """The handler for the other methods of an address."""
    allowed = ", ".join(dict.fromkeys(methods))

    async def handle(request: web.Request) -> web.StreamResponse:
        return ProblemError(catalogue.METHOD, allowed=allowed, headers={"Allow": allowed}).response(request)

    return handle


async def _not_found(request: web.Request) -> web.StreamResponse:
    return ProblemError(catalogue.NOT_FOUND).response(request)

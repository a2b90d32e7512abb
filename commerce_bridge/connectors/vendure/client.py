"""Asks the admin API: logs in, and says of what went wrong whose fault it is. The only place that knows aiohttp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from commerce_bridge.connectors.vendure import queries
from commerce_bridge.connectors.vendure.options import Keys, Options, read_keys
from commerce_bridge.model.errors import ShopDownError, ShopLiedError, ShopRefusedError

ANSWER_LIMIT = 32 << 20
"""Bytes of one answer. A hundred products of two hundred variants each have some 8 MB."""
_AT_ONCE = 4
"""Connections to one shop."""
_IDLE = 4.0
"""Seconds that a connection is kept for the next question: Node ends it after five, maybe while one is on its way."""
_LONGEST_WAIT = 3600.0
"""Seconds: a shop that asks for more is asked again then all the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question brought."""

    data: dict[str, Any]
    time: int | None
    """When the shop answered, by its own clock: Unix microseconds of whole seconds; None where it does not say."""


class _SessionOverError(Exception):
    """The shop does not know us (any more)."""


class AdminApi:
    """One shop's admin API. Every method raises `ShopDownError`, `ShopRefusedError` and `ShopLiedError`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._keys = Keys()
        self._session: aiohttp.ClientSession | None = None
        self._login = asyncio.Lock()
        self._logins = 0
        self._bearer = ""

    @property
    def keys(self) -> Keys:
        """As they were last read."""
        return self._keys

    def read_keys(self) -> Keys:
        """Read them anew."""
        try:
            self._keys = read_keys(self._options)
        except OSError as error:
            raise ShopDownError(f"its keys cannot be read: {error}") from error
        except ValueError as error:
            raise ShopRefusedError(f"its keys cannot be read: {error}") from error
        return self._keys

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Answer:
        """Ask; where the shop has forgotten us, log in and ask once more."""
        if not self._logins:
            await self._log_in(0)
        logins = self._logins
        try:
            return await self._ask(query, variables or {})
        except _SessionOverError:
            await self._log_in(logins)
        try:
            return await self._ask(query, variables or {})
        except _SessionOverError as error:
            raise ShopRefusedError("the shop lets us log in, but not read its catalog") from error

    async def close(self) -> None:
        """Give up connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            self._logins = 0

    async def _log_in(self, seen: int) -> None:
        """Log in, unless somebody else did since there were `seen` log-ins."""
        async with self._login:
            if self._logins != seen:
                return
            keys = self.read_keys()
            if not keys.token:
                if not (keys.username and keys.password):
                    raise ShopRefusedError("there is neither a token nor a username with its password")
                self._bearer = ""
                names = {"username": keys.username, "password": keys.password}
                try:
                    answer = await self._ask(queries.LOGIN, names)
                except _SessionOverError as error:
                    raise ShopRefusedError("the shop does not let us log in") from error
                came = answer.data.get("login")
                kind = came.get("__typename") if isinstance(came, dict) else None
                if kind != "CurrentUser":
                    raise ShopRefusedError(f"the shop does not let us log in: {kind}", field="password")
            self._logins += 1

    async def _ask(self, query: str, variables: Mapping[str, Any]) -> Answer:
        status, headers, body = await self._post({"query": query, "variables": dict(variables)})
        if status in {401, 403}:
            raise _SessionOverError
        if status in {404, 405} or 300 <= status < 400:
            raise ShopRefusedError(f"there is no admin API at its address: status {status}", field="url")
        if status == 429 or status >= 500:
            raise ShopDownError(f"the shop answers with status {status}", retry_after=_wait(headers))
        told = _parsed(body)
        if errors := told.get("errors"):
            raise _fault(errors)
        data = told.get("data")
        if status != 200 or not isinstance(data, dict):
            raise ShopLiedError(f"status {status} with an answer without data")
        self._bearer = headers.get("vendure-auth-token") or self._bearer
        return Answer(data, _date(headers))

    async def _post(self, question: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        headers = {}
        if self._keys.token:
            headers["vendure-api-key"] = self._keys.token
        elif self._bearer:
            headers["Authorization"] = f"Bearer {self._bearer}"
        if self._options.channel:
            headers["vendure-token"] = self._options.channel
        timeout = aiohttp.ClientTimeout(total=self._options.timeout)
        try:
            async with self._open().post(
                self._options.url, json=question, headers=headers, allow_redirects=False, timeout=timeout
            ) as answer:
                body = bytearray()
                async for piece in answer.content.iter_chunked(1 << 16):
                    body += piece
                    if len(body) > ANSWER_LIMIT:
                        raise ShopLiedError(f"an answer of more than {ANSWER_LIMIT} bytes")
                return answer.status, answer.headers, bytes(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ShopDownError(f"the shop does not answer: {str(error) or type(error).__name__}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_AT_ONCE, keepalive_timeout=_IDLE),
                # A shop whose session is a cookie, and that is reached by an address, as in tests and offices.
                cookie_jar=aiohttp.CookieJar(unsafe=True),
            )
        return self._session


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ShopLiedError("an answer that is no JSON") from error
    if not isinstance(told, dict):
        raise ShopLiedError("an answer that is no JSON object")
    return told


def _fault(errors: object) -> Exception:
    """What GraphQL errors mean (Apollo's codes, and Vendure's `FORBIDDEN`)."""
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return ShopLiedError("an answer with errors that cannot be read")
    told, extensions = str(first.get("message", ""))[:300], first.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    if code in {"FORBIDDEN", "UNAUTHENTICATED"}:
        return _SessionOverError()
    if code == "INTERNAL_SERVER_ERROR":
        return ShopDownError(f"the shop failed: {told}")
    return ShopLiedError(f"the shop does not understand us: {told}")


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After` (RFC 9110 §10.2.3), in either of its forms."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), _LONGEST_WAIT)
    until, now = _http_time(text), _date(headers)
    if until is None or now is None:
        return None
    return min(max(0.0, (until - now) / 1e6), _LONGEST_WAIT)


def _date(headers: Mapping[str, str]) -> int | None:
    return _http_time(headers.get("Date", ""))


def _http_time(text: str) -> int | None:
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None

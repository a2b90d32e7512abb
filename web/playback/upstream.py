"""Fetching from workers' origins over Unix sockets or HTTP."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import aiohttp

MAX_OBJECT = 64 * 1024 * 1024
"""Bytes of one object: more than ten seconds at 50 Mb/s; an origin that sends more is out of its mind."""
MAX_ORIGINS = 64
"""Origins whose connections are kept; the one not used for longest is closed."""
CONNECT_SECONDS = 2.0


class OriginGoneError(Exception):
    """The origin cannot be reached, or broke off, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An origin's answer."""

    status: int
    body: bytes


class Upstream:
    """Connections to origins, by their address (`unix:/path` or `http://host:port`)."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, aiohttp.ClientSession] = OrderedDict()

    async def fetch(self, origin: str, name: str, query: str, timeout: float) -> Fetched:
        """GET one object, whole. Raises `OriginGoneError`."""
        session, base = await self._session(origin)
        url = f"{base}/{name}?{query}" if query else f"{base}/{name}"
        try:
            async with (
                asyncio.timeout(timeout),
                session.get(url, headers={"Accept-Encoding": "identity"}, allow_redirects=False) as response,
            ):
                body = await response.content.read(MAX_OBJECT + 1) if response.content_length is None else b""
                if response.content_length is not None:
                    if response.content_length > MAX_OBJECT:
                        raise OriginGoneError(f"{origin} sent too large an object")
                    body = await response.read()
                return Fetched(response.status, body)
        except TimeoutError as error:
            raise OriginGoneError(f"{origin} did not answer within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise OriginGoneError(f"{origin}: {error}") from error

    async def _session(self, origin: str) -> tuple[aiohttp.ClientSession, str]:
        base = "http://origin" if origin.startswith("unix:") else origin.rstrip("/")
        session = self._sessions.get(origin)
        if session is not None:
            self._sessions.move_to_end(origin)
            return session, base
        connector: aiohttp.BaseConnector
        if origin.startswith("unix:"):
            connector = aiohttp.UnixConnector(path=origin.removeprefix("unix:"), limit=0)
        else:
            connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=10)
        # No limit of its own: flights are bounded, and a blocked playlist must not hold up a part.
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        self._sessions[origin] = session
        while len(self._sessions) > MAX_ORIGINS:
            _, old = self._sessions.popitem(last=False)
            await old.close()
        return session, base

    async def close(self) -> None:
        """Close all connections."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

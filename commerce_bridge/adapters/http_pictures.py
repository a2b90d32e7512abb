"""`PictureFetcher` over aiohttp's client."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp

from commerce_bridge.model.errors import ShopDownError, ShopLiedError, ShopRefusedError
from commerce_bridge.pictures.addresses import is_public

WITHIN = 5.0
"""Seconds for all of a picture, redirects included."""
MOST_BYTES = 8 << 20
MOST_REDIRECTS = 3
TYPES = frozenset((
    "image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif", "image/avif",
    "application/octet-stream", "binary/octet-stream",  # object stores that were not told what they keep
))  # fmt: skip
"""What a picture may say that it is; what it is shows when it is decoded. No SVG: it is a program as much as a picture."""
_HEADERS = {
    "Accept": "image/jpeg,image/png,image/webp,image/gif,image/avif;q=0.5",
    "Accept-Encoding": "identity",  # a picture is small already; what unpacks to gigabytes is not let in
    "User-Agent": "gachi-live (pictures of products)",
}


class HttpPictures:
    """Two sets of connections: out into the world, and wherever a shop may be that is allowed to be near."""

    def __init__(self, *, within: float = WITHIN, most_bytes: int = MOST_BYTES) -> None:
        self._within = within
        self._most_bytes = most_bytes
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def fetch(self, url: str, *, private: bool) -> bytes:
        """See `PictureFetcher`."""
        try:
            async with (
                asyncio.timeout(self._within),
                self._session(private=private).get(
                    url, headers=_HEADERS, max_redirects=MOST_REDIRECTS
                ) as response,
            ):
                _check(response)
                return await self._body(response)
        except TimeoutError as error:
            raise ShopDownError(f"no picture came within {self._within:g} s") from error
        except (aiohttp.InvalidURL, aiohttp.TooManyRedirects) as error:
            raise ShopLiedError(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if _was_private(error):
                raise ShopRefusedError("its address is not a public one") from error
            raise ShopDownError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close all connections."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    def _session(self, *, private: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(private)
        if session is None:
            connector = aiohttp.TCPConnector(
                limit=16, keepalive_timeout=5, socket_factory=_any_socket if private else _public_socket
            )
            session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # ours is around all of it
            )
            self._sessions[private] = session
        return session

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if (response.content_length or 0) > self._most_bytes:
            raise ShopLiedError(f"a picture of {response.content_length} bytes is too large")
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > self._most_bytes:
                raise ShopLiedError(f"a picture of more than {self._most_bytes} bytes is too large")
        return bytes(body)


class _PrivateAddressError(OSError):
    """A name or a redirect led to where no shop is."""


def _was_private(error: BaseException) -> bool:
    """Whether that was why no connection was made: the client wraps what its sockets raise."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _PrivateAddressError) or isinstance(
            getattr(seen, "os_error", None), _PrivateAddressError
        ):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _any_socket(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)


def _public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for this very address: what it is connected to was looked at, whatever its name says a moment later."""
    address = info[4][0]
    if not is_public(address):
        raise _PrivateAddressError(f"{address} is not a public address")
    return _any_socket(info)


def _check(response: aiohttp.ClientResponse) -> None:
    """Refuse what is no picture by its own word."""
    if response.status >= 500 or response.status == 429:
        raise ShopDownError(f"the shop answers {response.status}")
    if response.status != 200:
        raise ShopLiedError(f"the shop answers {response.status}")
    kind = response.content_type.lower()
    if kind not in TYPES:
        raise ShopLiedError(f"{kind[:60]} is no type of picture that is shown here")

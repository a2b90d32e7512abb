"""Feeds on web servers, by aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp

from commerce_bridge.connectors.feed.sources import CHUNK, Reading
from commerce_bridge.model.errors import (
    ShopDownError,
    ShopLiedError,
    ShopRefusedError,
    ShopUnchangedError,
)

_CONNECT_WITHIN = 10.0
_BEGINS_WITHIN = 120.0
"""Seconds to the first byte of a feed, through all redirects, however slowly they are told."""
_LONGEST_WAIT = 1800.0
"""Seconds that one feed may be waited for, all its pieces together: one byte a time-out would take for ever."""
_TRUSTED_FOR = 24 * 3600.0
"""Seconds for which a server is believed that nothing changed; then the feed is read as a whole again."""
_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class _Version:
    """By what a server knows the feed that we have."""

    headers: dict[str, str]
    """To ask with."""
    since: float
    """When it was read as a whole, of the monotonic clock."""


class UrlSource:
    """One address. Its query may hold a secret: messages name it without."""

    def __init__(
        self, url: str, *, limit: int, timeout: float, monotonic: Callable[[], float], wall: Callable[[], int]
    ) -> None:
        """`limit`: bytes of the whole, unpacked. `timeout`: seconds without a byte. `wall`: Unix microseconds."""
        self._url = url
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.hostname}{parts.path}"
        self.limit = limit
        self.timeout = timeout
        self.monotonic = monotonic
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None
        self.version: _Version | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Reading]:
        """As `Source.open`."""
        version = self.version
        if version is not None and self.monotonic() - version.since > _TRUSTED_FOR:
            version = None
        with _translated(self.name):
            async with asyncio.timeout(_BEGINS_WITHIN):
                response = await self._connected().get(
                    self._url, headers=version.headers if version else {}, max_redirects=_REDIRECTS
                )
        try:
            if response.status == 304 and version is not None:
                raise ShopUnchangedError(f"{self.name} is as it was")
            self._judge(response)
            # Half of what comes may be used: what there was before is no measure any more.
            self.version = None
            yield _UrlReading(self, response)
        finally:
            response.close()

    async def close(self) -> None:
        """As `Source.close`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                # Of each step: how long all of them may take is counted while they are read.
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=min(_CONNECT_WITHIN, self.timeout), sock_read=self.timeout
                ),
                headers={"User-Agent": "gachi-live", "Accept": "*/*"},
            )
        return self._session

    def _judge(self, response: aiohttp.ClientResponse) -> None:
        """Raise for every answer that is no feed."""
        status, said = response.status, f"{self.name} answers {response.status}"
        if status in {408, 425, 429} or status >= 500:
            raise ShopDownError(said, retry_after=self._retry_after(response.headers.get("Retry-After", "")))
        if status >= 400:
            raise ShopRefusedError(said)
        if status != 200:
            raise ShopLiedError(f"{said}: no feed comes with that")
        if (response.content_length or 0) > self.limit:
            raise ShopLiedError(
                f"{self.name} has {response.content_length} bytes; {self.limit} are read at most"
            )

    def _retry_after(self, text: str) -> float | None:
        """Seconds, or a date (RFC 9110, 10.2.3) → seconds from now; a day at most."""
        try:
            seconds = (
                float(text)
                if text.isascii() and text.isdigit()
                else parsedate_to_datetime(text).timestamp() - self._wall() / 1_000_000
            )
        except (ValueError, OverflowError):
            return None
        return min(max(0.0, seconds), 86_400.0)


class _UrlReading:
    def __init__(self, source: UrlSource, response: aiohttp.ClientResponse) -> None:
        self._source = source
        self._response = response
        self._read = 0
        self._waited = 0.0
        # What is packed has another length than what we read.
        self.size = None if "Content-Encoding" in response.headers else response.content_length

    async def read(self) -> bytes:
        """As `Reading.read`."""
        source, pieces, held = self._source, list[bytes](), 0
        began = source.monotonic()
        with _translated(source.name):
            while held < CHUNK:
                piece = await self._response.content.read(CHUNK - held)
                if not piece:
                    break
                pieces.append(piece)
                held += len(piece)
                if self._waited + source.monotonic() - began > _LONGEST_WAIT:
                    raise ShopDownError(f"{source.name} takes longer than {_LONGEST_WAIT:g} s")
        self._waited += source.monotonic() - began
        self._read += held
        if self._read > source.limit:
            raise ShopLiedError(f"{source.name} sends more than {source.limit} bytes")
        return b"".join(pieces)

    def told(self) -> None:
        """As `Reading.told`."""
        headers = {
            asked: self._response.headers[told]
            for asked, told in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
            if told in self._response.headers
        }
        if headers:
            self._source.version = _Version(headers, self._source.monotonic())


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """What aiohttp raises → what `Shop` raises."""
    try:
        yield
    except TimeoutError as error:
        raise ShopDownError(f"{name} does not answer in time") from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.TooManyRedirects) as error:
        raise ShopLiedError(f"{name} leads nowhere: {type(error).__name__}") from error
    except aiohttp.ClientPayloadError as error:
        raise ShopDownError(f"{name} breaks off") from error
    except aiohttp.ClientResponseError as error:
        raise ShopLiedError(f"{name} speaks no HTTP: {error.message}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ShopDownError(f"{name} cannot be reached: {error}") from error

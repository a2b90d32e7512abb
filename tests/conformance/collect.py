"""Records a live channel over HTTP for the checker: follows every media playlist with blocking reloads, as a player
does, and fetches every object once (a few twice, to see that names keep their bytes).
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urljoin

from aiohttp import ClientSession, ClientTimeout

from media.packaging.playlist import MediaPlaylist
from media.packaging.playlist_parser import parse_media, parse_multivariant
from tests.conformance.checker import Answer, Recording

RETRIES = 20
"""Failed requests in a row, a quarter of a second apart, after which the collector gives up: a worker's restart
answers with 502 to 504, or not at all, for some seconds."""
TWICE_EVERY = 10
FULL_EVERY = 5


class CollectError(Exception):
    """The channel could not be followed."""


class MissingError(CollectError):
    """There is no such object."""


class _Follower:
    """Follows one rendition."""

    def __init__(self, session: ClientSession, url: str, name: str, into: Recording, *, fetch: bool) -> None:
        self._session = session
        self._url = url
        self._name = name
        self._into = into
        self._fetch = fetch
        self._fetched = 0
        self._failures = 0

    async def _get(self, url: str, params: dict[str, str]) -> bytes | None:
        """The body of a 200; None after a failure that may pass."""
        try:
            async with self._session.get(url, params=params) as answer:
                body = await answer.read()
                status = answer.status
        except (OSError, TimeoutError) as error:
            status, body = 0, str(error).encode()
        if status == 200:
            self._failures = 0
            return body
        if status == 404:
            raise MissingError(f"{url} {params}: 404 {body[:80]!r}")
        if status not in {0, 502, 503, 504}:
            raise CollectError(f"{url} {params}: {status} {body[:80]!r}")
        self._failures += 1
        if self._failures > RETRIES:
            raise CollectError(f"{url}: {RETRIES} failures in a row, the last {status} {body[:80]!r}")
        await asyncio.sleep(0.25)
        return None

    async def follow(self, until: float) -> None:
        """Follow until the monotonic time `until`."""
        msn: int | None = None
        part = 0
        reloads = 0
        while time.monotonic() < until:
            skip = msn is not None and reloads % FULL_EVERY != 0
            params = {} if msn is None else {"_HLS_msn": str(msn), "_HLS_part": str(part)}
            params |= {"_HLS_skip": "YES"} if skip else {}
            body = await self._get(self._url, params)
            if body is None:
                msn = None  # whoever comes back tells where the edge is
                continue
            text = body.decode()
            self._into.answers.append(
                Answer(self._name, text, time.monotonic(), msn, None if msn is None else part, skip=skip)
            )
            reloads += 1
            playlist = parse_media(text)
            skipped = playlist.skip.segments if playlist.skip else 0
            last = playlist.media_sequence + skipped + len(playlist.segments) - 1
            msn, part = last + 1, len(playlist.open.parts) if playlist.open else 0
            if self._fetch:
                await self._objects(playlist)

    async def _objects(self, playlist: MediaPlaylist) -> None:
        names = [entry.map for entry in playlist.segments if entry.map]
        names += [playlist.open.map] if playlist.open and playlist.open.map else []
        # Segments that list parts are the recent ones: what the collector saw being made.
        names += [entry.uri for entry in playlist.segments if entry.parts]
        names += [item.uri for entry in playlist.segments for item in entry.parts]
        names += [item.uri for item in playlist.open.parts] if playlist.open else []
        for name in names:
            bodies = self._into.objects.setdefault((self._name, name), [])
            if bodies:
                continue
            try:
                for _ in range(2 if self._fetched % TWICE_EVERY == 0 else 1):
                    body = await self._get(urljoin(self._url, name), {})
                    if body is not None:
                        bodies.append(body)
            except MissingError:
                if await self._listed(name):
                    raise
            self._fetched += 1
            if not bodies:
                del self._into.objects[self._name, name]

    async def _listed(self, name: str) -> bool:
        """Whether the playlist still names an object: the open parts of a worker that died are gone, and named no more."""
        for _ in range(RETRIES):
            body = await self._get(self._url, {})
            if body is not None:
                return name in body.decode()
        return True


async def collect(session: ClientSession, url: str, seconds: float, *, fetch: bool = True) -> Recording:
    """Follow the channel whose multivariant playlist is at `url` for so long. Raises `CollectError` where a request
    is refused, or where nothing answers for `RETRIES` tries.
    """
    recording = Recording()
    timeout = ClientTimeout(total=30)
    async with session.get(url, timeout=timeout) as answer:
        recording.multivariant = await answer.text()
        if answer.status != 200:
            raise CollectError(f"{url}: {answer.status} {recording.multivariant[:80]!r}")
    playlist = parse_multivariant(recording.multivariant)
    uris = {variant.uri for variant in playlist.variants} | {
        item.uri for item in playlist.renditions if item.uri
    }
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for uri in sorted(uris):
            name = uri.partition("/")[0]
            follower = _Follower(session, urljoin(url, uri), name, recording, fetch=fetch)
            group.create_task(follower.follow(until), name=f"collect {name}")
    return recording

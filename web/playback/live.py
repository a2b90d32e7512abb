"""Live media as an edge sees it: each object fetched once from the channel's origin, kept, and carried over to the
channel's next worker when one dies. Knows nothing of HTTP servers; `hls` answers with what is found here.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from media.contracts.channels import ChannelView
from media.packaging.directives import Directives
from runtime.cache import BytesCache, Flights
from web.metrics import WebMetrics
from web.playback.board import Board
from web.playback.names import Kind, canonical
from web.playback.upstream import Fetched, OriginGoneError, Upstream

_TARGET = re.compile(rb"#EXT-X-TARGETDURATION:(\d{1,5})", re.ASCII)
_PART_TARGET = re.compile(rb"PART-TARGET=(\d{1,5}(?:\.\d{1,9})?)", re.ASCII)
_HEAD = 4096
"""Bytes at a playlist's start in which its fixed tags are."""
DEFAULT_HALF_PART = 0.15
RETRY_SECONDS = 0.15
"""Pause before an origin that is gone is tried again: the next worker may take the same address."""
MIN_GZIP = 256


@dataclass(frozen=True, slots=True)
class Media:
    """One object, or one state of a playlist, in RAM."""

    body: bytes
    gzipped: bytes = b""
    """Empty where it is not worth it."""
    fresh_until: float = 0.0
    """Monotonic seconds; playlists only."""
    target: int = 0
    """EXT-X-TARGETDURATION of a media playlist."""
    kind: Kind = Kind.PLAYLIST

    @property
    def cost(self) -> int:
        """Bytes it counts for in the cache, with what Python needs around them."""
        return len(self.body) + len(self.gzipped) + 256


def compressed(body: bytes, *, fresh_until: float = 0.0, target: int = 0) -> Media:
    """A text with its gzip form, made once for all viewers; mtime 0, so that the same text is the same bytes."""
    gzipped = gzip.compress(body, 5, mtime=0) if len(body) >= MIN_GZIP else b""
    return Media(body, gzipped=gzipped, fresh_until=fresh_until, target=target)


class NoSuchObjectError(Exception):
    """There is no such channel or object."""


class BadRequestError(Exception):
    """The origin says that the request's directives are impossible (400)."""


class NotNowError(Exception):
    """The channel has no origin now, and got none in time."""


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Times in seconds, sizes in bytes."""

    cache_bytes: int
    takeover: float
    object_timeout: float
    max_fetches: int


class LiveMedia:
    """Channels' media out of RAM. `objects` is shared with the replays."""

    def __init__(
        self,
        board: Board,
        upstream: Upstream,
        limits: LiveLimits,
        metrics: WebMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._board = board
        self._upstream = upstream
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self.objects: BytesCache[Media] = BytesCache(limits.cache_bytes)
        self._playlists: BytesCache[Media] = BytesCache(max(1 << 22, limits.cache_bytes // 16))
        self._flights: Flights[Media] = Flights(limits.max_fetches)
        self._hits = metrics.tally.hits
        self._misses = {kind: metrics.hls_misses.labels(kind.value) for kind in Kind}

    def kept(self, channel: str, name: str) -> Media | None:
        """An immutable object that is in RAM already; any name may be asked for, only good ones were put there."""
        media = self.objects.get(f"{channel}/{name}")
        if media is not None:
            self._hits[media.kind] += 1
        return media

    async def object(self, channel: str, name: str, kind: Kind) -> Media:
        """An init segment, segment or part that is not `kept`. Raises `NoSuchObjectError`, `NotNowError`, `TooManyFlightsError`."""
        key = f"{channel}/{name}"
        self._misses[kind].inc()

        async def fetch() -> Media:
            fetched = await self._from_origin(channel, name, "", kind)
            media = Media(fetched.body, kind=kind)
            self.objects.put(key, media)
            self._metrics.cache_bytes.set(self.objects.bytes)
            return media

        return await self._flights.join(key, fetch)

    async def playlist(self, channel: str, name: str, directives: Directives) -> Media:
        """A playlist; a blocking request waits with all others for the same. Raises as `object`, and
        `BadRequestError`.
        """
        query = canonical(directives)
        key = f"{channel}/{name}?{query}"
        media = self._playlists.get(key)
        if media is not None and self._clock() < media.fresh_until and self._listed(channel):
            self._hits[Kind.PLAYLIST] += 1
            return media
        self._misses[Kind.PLAYLIST].inc()

        async def fetch() -> Media:
            fetched = await self._from_origin(channel, name, query, Kind.PLAYLIST)
            media = self._as_playlist(fetched.body)
            self._playlists.put(key, media)
            return media

        return await self._flights.join(key, fetch)

    async def close(self) -> None:
        """End all fetches."""
        await self._flights.close()

    def _listed(self, channel: str) -> bool:
        view = self._board.get(channel)
        return view is not None and view.wanted and not view.idle

    def _as_playlist(self, body: bytes) -> Media:
        head = body[:_HEAD]
        target, part = _TARGET.search(head), _PART_TARGET.search(head)
        keep = float(part[1]) / 2 if part else DEFAULT_HALF_PART
        return compressed(body, fresh_until=self._clock() + keep, target=int(target[1]) if target else 0)

    async def _from_origin(self, channel: str, name: str, query: str, kind: Kind) -> Fetched:
        deadline = self._clock() + self._limits.takeover
        while True:
            view = await self._on_air(channel, deadline)
            try:
                fetched = await self._upstream.fetch(view.origin, name, query, self._patience(view))
            except OriginGoneError as error:
                self._metrics.fetches.labels(kind.value, "gone").inc()
                await self._next_origin(channel, view, deadline, error)
                continue
            if fetched.status == 200:
                self._metrics.fetches.labels(kind.value, "ok").inc()
                return fetched
            self._metrics.fetches.labels(kind.value, str(fetched.status)).inc()
            if fetched.status == 400:
                raise BadRequestError
            if fetched.status == 404:
                raise NoSuchObjectError(name)
            # 503: it waited in vain, or is closing down; 5xx: it fails. The next worker may do better.
            await self._next_origin(channel, view, deadline, None)

    async def _on_air(self, channel: str, deadline: float) -> ChannelView:
        """The channel with an origin, waiting for one until the deadline."""

        def settled() -> bool:
            view = self._board.get(channel)
            return self._board.known if view is None else not view.wanted or view.idle or bool(view.origin)

        await self._board.until(settled, deadline - self._clock())
        view = self._board.get(channel)
        if view is None and self._board.known:
            raise NoSuchObjectError(channel)
        if view is not None and not view.wanted:
            raise NoSuchObjectError(f"{channel} is off air")
        if view is None or not view.origin:
            raise NotNowError(channel)
        return view

    async def _next_origin(
        self, channel: str, failed: ChannelView, deadline: float, why: OriginGoneError | None
    ) -> None:
        """Wait for another origin, or a moment: the next worker may take the same address."""
        left = deadline - self._clock()
        if left <= 0:
            raise NotNowError(channel) from why

        def moved() -> bool:
            view = self._board.get(channel)
            return view is None or (view.origin, view.epoch) != (failed.origin, failed.epoch)

        if await self._board.until(moved, min(left, RETRY_SECONDS)):
            self._metrics.takeovers.labels(channel).inc()

    def _patience(self, view: ChannelView) -> float:
        """How long an origin may take: it holds a request for three target durations at most."""
        settings = view.settings
        try:
            segment = settings.gop_frames * settings.segment_gops / float(Fraction(settings.rate))
        except (ValueError, ZeroDivisionError):
            segment = 0.0
        return max(self._limits.object_timeout, 3.0 * (segment + 1) + 1)

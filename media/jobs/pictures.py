"""Pictures of live feeds, for who chooses what goes on air: one keyframe of each, small, while somebody looks.

Ingest must not decode, since a codec that crashes there would drop every publisher; so this process taps the feed's
socket as a worker does, leaves with the newest keyframe, and has it drawn. It is made once for all who ask within
`KEEP` seconds, and what is shown is never older than that and the time between two keyframes.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from media.contracts.feeds import FeedView
from media.contracts.jobs import FeedPicture, GetFeedPicture
from media.model.errors import ConflictError, EngineError, SourceError, UnavailableError
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime import logs
from runtime.bus.contract import CommandError
from runtime.cache import BytesCache, Flights, TooManyFlightsError

log = logs.get("media.jobs.pictures")

KEEP = 5.0
"""Seconds for which a picture is shown to all who ask."""
WITHIN = 4.0
"""Seconds to wait for a keyframe and have it drawn; who asks over the bus waits for five."""
MAX_MAKING = 16
"""Pictures that are being made at once; who wants another one is told to come again."""
CACHE_BYTES = 4 << 20
"""A hundred pictures; those that nobody asked for longest go."""

Items = AsyncGenerator[TrackHeader | EncodedPacket | FeedStatus]
Look = Callable[[str], Awaitable[FeedView]]
"""How a feed fares, by its owner. Raises `CommandError`."""
OpenTap = Callable[[str], Items]
"""Headers, then packets from the newest keyframe on (`media.ports.FeedTap`), to be closed."""
Draw = Callable[[TrackHeader, EncodedPacket], Awaitable[bytes]]
"""JPEG of a keyframe. Raises `SourceError`, `EngineError`; may be cancelled."""


@dataclass(slots=True)
class PictureFigures:
    """Counts since the start, for metrics."""

    made: int = 0
    kept: int = 0
    """Answered with one that had been made before."""
    none: int = 0
    """The feed had nothing to show: it is not there, not live, or sends sound alone."""
    failed: int = 0
    """Late, damaged, or our fault."""
    refused: int = 0
    """Too many were being made."""
    seconds: float = 0.0
    """Spent on those that were made or failed, waiting for a keyframe included."""


@dataclass(frozen=True, slots=True)
class _Kept:
    jpeg: str
    taken: int
    until: float

    @property
    def cost(self) -> int:
        """Bytes it counts for."""
        return len(self.jpeg) + 256


class Pictures:
    """Answers `GetFeedPicture`. Close it at the end."""

    def __init__(
        self,
        look: Look,
        open_tap: OpenTap,
        draw: Draw,
        *,
        clock: Callable[[], float] = time.monotonic,
        keep: float = KEEP,
        within: float = WITHIN,
    ) -> None:
        self._look = look
        self._open_tap = open_tap
        self._draw = draw
        self._clock = clock
        self._keep = keep
        self._within = within
        self._cache: BytesCache[_Kept] = BytesCache(CACHE_BYTES)
        self._flights: Flights[_Kept] = Flights(MAX_MAKING)
        self.figures = PictureFigures()

    async def get(self, command: GetFeedPicture) -> FeedPicture:
        """What the feed shows. Raises `ConflictError`, `UnavailableError`, and the owner's `CommandError`."""
        feed = command.feed
        kept = self._cache.get(feed)
        if kept is not None and self._clock() < kept.until:
            self.figures.kept += 1
        else:
            try:
                kept = await self._flights.join(feed, lambda: self._fly(feed))
            except TooManyFlightsError as error:
                self.figures.refused += 1
                raise UnavailableError(f"{MAX_MAKING} pictures are being made already") from error
        fresh = max(0.0, kept.until - self._clock())
        return FeedPicture(feed=feed, jpeg=kept.jpeg, taken=kept.taken, fresh=round(fresh, 3))

    async def aclose(self) -> None:
        """End what is being made."""
        await self._flights.close()

    async def _fly(self, feed: str) -> _Kept:
        self._cache.drop(feed)
        began = self._clock()
        try:
            async with asyncio.timeout(self._within):
                made = await self._made(feed)
        except (ConflictError, CommandError):
            self.figures.none += 1
            raise
        except TimeoutError as error:
            self._failed(feed, began, reason := f"no keyframe came and was drawn within {self._within:g} s")
            raise UnavailableError(reason) from error
        except (UnavailableError, SourceError, EngineError) as error:
            self._failed(feed, began, str(error))
            if isinstance(error, EngineError):
                log.warning("a picture could not be drawn", feed=feed, reason=str(error))
            raise UnavailableError(str(error)) from error
        self.figures.made += 1
        self.figures.seconds += self._clock() - began
        self._cache.put(feed, made)
        return made

    def _failed(self, feed: str, began: float, reason: str) -> None:
        self.figures.failed += 1
        self.figures.seconds += self._clock() - began
        log.debug("no picture of a feed", feed=feed, reason=reason)

    async def _made(self, feed: str) -> _Kept:
        view = await self._look(feed)
        if view.phase is not FeedPhase.LIVE:
            raise ConflictError(f"the feed is {view.phase}" + (f": {view.reason}" if view.reason else ""))
        if not view.video_codec:
            raise ConflictError("the feed sends sound alone")
        header, keyframe = await self._keyframe(feed)
        until = self._clock() + self._keep
        jpeg = await self._draw(header, keyframe)
        return _Kept(base64.b64encode(jpeg).decode(), keyframe.arrived, until)

    async def _keyframe(self, feed: str) -> tuple[TrackHeader, EncodedPacket]:
        """The newest, or the next where none is kept, with the parameters that it needs."""
        header: TrackHeader | None = None
        async with aclosing(self._open_tap(feed)) as items:
            async for item in items:
                if isinstance(item, FeedStatus):
                    if item.phase is not FeedPhase.LIVE:  # since we looked, or ingest itself is away
                        raise UnavailableError(f"the feed is {item.phase}: {item.reason}")
                elif item.kind is not MediaKind.VIDEO:
                    continue
                elif isinstance(item, TrackHeader):
                    header = item
                elif item.keyframe and header is not None:
                    return header, item
        raise UnavailableError("ingest gave no keyframe")

"""``/replays/{show}/storyboard.vtt`` and ``storyboard-{n}.jpg``: the small pictures of a replay's seek bar. Nobody needs
them, so where they are not there the answer is 404, and the jobs process is asked to make them.
"""

from __future__ import annotations

import contextlib
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping

from aiohttp import web

from media.contracts.jobs import MakeStoryboard
from media.model.errors import NotFoundError
from media.ports import SegmentStore
from media.record.layout import storyboard_key, storyboard_sheet_key
from runtime.answers import Whole, fields
from runtime.bus.contract import CommandError
from runtime.cache import BytesCache, Flights
from web.connections import Connections
from web.metrics import WebMetrics
from web.playback import names
from web.playback.hls import CORS, preflight
from web.playback.live import Media
from web.playback.names import Kind
from web.playback.replays import Replays, answered
from web.ports import Ask

ASK_AGAIN = 60.0
"""Seconds in which the making of one show's storyboard is asked for once, however many want it."""
ASKED = 1_000
"""So many shows it is remembered of; the one that was asked for first is forgotten first."""
PATHS = (r"/replays/{show}/{name:storyboard\.vtt}", r"/replays/{show}/storyboard-{sheet:0|[1-9]\d{0,3}}.jpg")
TEXT_HEADERS: Mapping[str, str] = {
    **CORS,
    "Content-Type": "text/vtt; charset=utf-8",
    # As long as one of a deleted show may be seen; the player asks once a visit.
    "Cache-Control": "public, max-age=300",
    "X-Content-Type-Options": "nosniff",
}
SHEET_HEADERS: Mapping[str, str] = {
    **CORS,
    "Content-Type": "image/jpeg",
    "Cache-Control": "public, max-age=86400",
    "X-Content-Type-Options": "nosniff",
}


class Storyboards:
    """Serves storyboards from the store, by way of the cache that live media uses."""

    def __init__(
        self,
        replays: Replays,
        ask: Ask,
        store: SegmentStore,
        objects: BytesCache[Media],
        connections: Connections,
        metrics: WebMetrics,
        *,
        max_fetches: int,
        clock: Callable[[], float],
    ) -> None:
        self._replays = replays
        self._ask = ask
        self._store = store
        self._objects = objects
        self._connections = connections
        self._metrics = metrics
        self._clock = clock
        self._reading: Flights[Media] = Flights(max_fetches)
        self._asked: OrderedDict[str, float] = OrderedDict()

    def add_to(self, app: web.Application) -> None:
        """Register the paths: before the replays', which would take them for their own."""
        for path in PATHS:
            app.router.add_get(path, self.get)
            app.router.add_route("OPTIONS", path, preflight)

    async def close(self) -> None:
        """End all reads."""
        await self._reading.close()

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The text or a sheet."""
        return await answered(request, lambda: self._found(request))

    async def _found(self, request: web.Request) -> web.StreamResponse:
        show = request.match_info["show"]
        if not names.SHOW.fullmatch(show):
            raise NotFoundError(show)
        replay = await self._replays.open(show)
        sheet = request.match_info.get("sheet")
        if sheet is not None:
            media = await self._object(storyboard_sheet_key(replay.recording, int(sheet)))
            headers = SHEET_HEADERS
        else:
            try:
                media = await self._object(storyboard_key(replay.recording))
            except NotFoundError:
                await self._want(replay.recording)
                raise
            headers = TEXT_HEADERS
        self._metrics.tally.sent[Kind.STORYBOARD] += len(media.body)
        return await self._connections.send(request, Whole(media.body, fields(headers)))

    async def _object(self, key: str) -> Media:
        media = self._objects.get(key)
        if media is not None:
            self._metrics.tally.hits[Kind.STORYBOARD] += 1
            return media
        self._metrics.hls_misses.labels(Kind.STORYBOARD.value).inc()

        async def read() -> Media:
            found = Media(await self._store.get(key), kind=Kind.STORYBOARD)
            self._metrics.fetches.labels(Kind.STORYBOARD.value, "tape").inc()
            self._objects.put(key, found)
            self._metrics.cache_bytes.set(self._objects.bytes)
            return found

        return await self._reading.join(key, read)

    async def _want(self, recording: str) -> None:
        now = self._clock()
        if now - self._asked.get(recording, -math.inf) < ASK_AGAIN:
            return
        self._asked[recording] = now
        self._asked.move_to_end(recording)
        if len(self._asked) > ASKED:
            self._asked.popitem(last=False)
        with contextlib.suppress(CommandError):  # asked for again when somebody wants it again
            await self._ask(MakeStoryboard(recording=recording, cause="web.storyboard"))

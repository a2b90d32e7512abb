"""Posters: ``/live/{channel}/poster.jpg`` and ``/shows/{show}/poster.jpg``, a moment of the programme as a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from media.model.errors import MediaError
from media.packaging.directives import Directives
from media.packaging.playlist_parser import parse_media, parse_multivariant
from runtime import logs
from runtime.bus.contract import CommandError
from runtime.cache import BytesCache, Flights, TooManyFlightsError
from studio.contracts.shows import GetShow, ShowState
from web.metrics import WebMetrics
from web.playback import names
from web.playback.live import BadRequestError, LiveMedia, NoSuchObjectError, NotNowError
from web.playback.names import Kind
from web.playback.replays import Replays
from web.ports import Ask, PosterMaker

log = logs.get("web.posters")

CACHE_BYTES = 16 << 20
MAX_MAKING = 32
REPLAY_SECONDS = 3600.0
_NO_DIRECTIVES = Directives()
Fetch = Callable[[str, Kind], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Poster:
    """One picture; `real` tells it from the stand-in."""

    jpeg: bytes
    fresh_until: float
    real: bool

    @property
    def cost(self) -> int:
        """Bytes it counts for."""
        return len(self.jpeg) + 128


class NoPictureError(Exception):
    """There is nothing to make a poster of."""


class Posters:
    """Makes and keeps posters; one decodes at a time, in a thread."""

    def __init__(
        self,
        live: LiveMedia,
        replays: Replays,
        ask: Ask,
        make: PosterMaker,
        stand_in: Callable[[], bytes],
        metrics: WebMetrics,
        *,
        keep: float,
        clock: Callable[[], float],
    ) -> None:
        self._live = live
        self._replays = replays
        self._ask = ask
        self._make = make
        self._stand_in = stand_in
        self._metrics = metrics
        self._keep = keep
        self._clock = clock
        self._posters: BytesCache[Poster] = BytesCache(CACHE_BYTES)
        self._flights: Flights[Poster] = Flights(MAX_MAKING)
        self._decoding = asyncio.Lock()

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/live/{channel}/poster.jpg", self._channel_page)
        app.router.add_get("/shows/{show}/poster.jpg", self._show_page)

    async def of_channel(self, channel: str) -> Poster:
        """The newest IDR of the channel's lowest rung."""
        return await self._get(f"live/{channel}", lambda: self._from_channel(channel), self._keep)

    async def of_show(self, show: str) -> Poster:
        """A live show's channel now, an ended one's replay a tenth of the way in."""
        try:
            view = await self._ask(GetShow(show=show, cause="web.poster"))
        except CommandError:
            return self._none()
        if view.state is ShowState.LIVE:
            return await self.of_channel(view.channel)
        if view.state is ShowState.ENDED:
            return await self._get(f"show/{show}", lambda: self._from_replay(show), REPLAY_SECONDS)
        return self._none()

    async def close(self) -> None:
        """End what is being made."""
        await self._flights.close()

    async def _get(self, key: str, make: Callable[[], Awaitable[bytes]], keep: float) -> Poster:
        poster = self._posters.get(key)
        if poster is not None and self._clock() < poster.fresh_until:
            return poster

        async def flight() -> Poster:
            try:
                made = Poster(await make(), self._clock() + keep, real=True)
                self._metrics.posters.labels("made").inc()
            except (
                NoPictureError,
                NoSuchObjectError,
                NotNowError,
                BadRequestError,
                TooManyFlightsError,
                MediaError,
                CommandError,
                ValueError,
            ) as error:
                log.debug("no poster", of=key, error=str(error))
                made = self._none()
                self._metrics.posters.labels("none").inc()
            self._posters.put(key, made)
            return made

        try:
            return await self._flights.join(key, flight)
        except TooManyFlightsError:
            return self._none()

    def _none(self) -> Poster:
        return Poster(self._stand_in(), self._clock() + self._keep, real=False)

    async def _from_channel(self, channel: str) -> bytes:
        index = (await self._live.playlist(channel, "index.m3u8", _NO_DIRECTIVES)).body.decode()
        playlist = _lowest(index)
        text = (await self._live.playlist(channel, playlist, _NO_DIRECTIVES)).body.decode()

        async def fetch(name: str, kind: Kind) -> bytes:
            media = self._live.kept(channel, name) or await self._live.object(channel, name, kind)
            return media.body

        return await self._still(playlist, text, fetch, share=1.0)

    async def _from_replay(self, show: str) -> bytes:
        replay = await self._replays.open(show)
        playlist = _lowest(replay.multivariant.body.decode())
        text = replay.playlists[playlist.rpartition("/")[0]].body.decode()

        async def fetch(name: str, kind: Kind) -> bytes:
            return (await self._replays.object(replay, name, kind)).body

        return await self._still(playlist, text, fetch, share=0.1)

    async def _still(self, playlist: str, text: str, fetch: Fetch, *, share: float) -> bytes:
        """The picture at `share` of a media playlist: 1 is the newest part or segment that decodes alone."""
        folder = playlist.rpartition("/")[0]
        init, choices = "", []
        for segment in parse_media(text).segments:
            init = segment.map or init
            if segment.gap:
                continue
            if segment.uri:
                choices.append((init, segment.uri))
            choices += [(init, part.uri) for part in segment.parts if part.independent and not part.gap]
        if not choices:
            raise NoPictureError(playlist)
        chosen = choices[min(len(choices) - 1, int(len(choices) * share))]
        found = []
        for uri in chosen:
            name = f"{folder}/{uri}"
            kind = names.kind_of(name)
            if kind is None:
                raise NoPictureError(name)
            found.append(await fetch(name, kind))
        async with self._decoding:
            return await asyncio.to_thread(self._make, found[0], found[1])

    async def _channel_page(self, request: web.Request) -> web.StreamResponse:
        channel = request.match_info["channel"]
        known = names.CHANNEL.fullmatch(channel) is not None
        return _answer(await self.of_channel(channel) if known else self._none())

    async def _show_page(self, request: web.Request) -> web.StreamResponse:
        show = request.match_info["show"]
        return _answer(await self.of_show(show) if names.SHOW.fullmatch(show) else self._none())


def _lowest(multivariant: str) -> str:
    """Path of the video playlist with the least bandwidth."""
    variants = [variant for variant in parse_multivariant(multivariant).variants if variant.height]
    if not variants:
        raise NoPictureError("no variants")
    return min(variants, key=lambda variant: variant.bandwidth).uri


def _answer(poster: Poster) -> web.Response:
    headers = {
        "Cache-Control": "public, max-age=5",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    if not poster.real:
        headers["X-Poster"] = "stand-in"
    return web.Response(body=poster.jpeg, content_type="image/jpeg", headers=headers)

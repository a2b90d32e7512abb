"""``/replays/{show}/…``: an ended show's tape as VOD. The show says which recording, the recording which range."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from media.contracts.tape import GetRecording
from media.model.errors import NotFoundError, StoreError
from media.ports import SegmentStore
from runtime.bus.contract import CommandError
from runtime.cache import BytesCache, Flights, TooManyFlightsError
from studio.contracts.cards import GetCards
from studio.contracts.shows import GetShow, ShowState, ShowView
from web.metrics import WebMetrics
from web.playback import names
from web.playback.card_ranges import range_lines, with_ranges
from web.playback.hls import CORS, Sender, preflight
from web.playback.live import Media, compressed
from web.playback.names import Kind
from web.ports import Ask, ReplayReader
from web.problems import catalogue
from web.problems.answer import ProblemError, from_command

KEEP_SECONDS = 20.0
"""How long a replay's playlists are kept: at most so long a deleted recording is still listed."""
SETTLED_MICROS = 60_000_000
"""So long after a recording's end all of it is on tape; what is read then stays as it is."""
CACHE_BYTES = 64 << 20
"""For texts and names of replays: an hour of four renditions takes about 2 MB."""


@dataclass(frozen=True, slots=True)
class Replay:
    """One show's replay, ready to be served."""

    recording: str
    settled: bool
    """Its tape is not read again: it will not change while there is the recording."""
    multivariant: Media
    playlists: dict[str, Media]
    objects: dict[str, str]
    fresh_until: float

    @property
    def cost(self) -> int:
        """Bytes it counts for."""
        texts = self.multivariant.cost + sum(media.cost for media in self.playlists.values())
        return texts + 250 * len(self.objects)


class Replays:
    """Replays by show; objects go into the cache that live media uses, under the same keys as the store's."""

    def __init__(
        self,
        ask: Ask,
        reader: ReplayReader,
        store: SegmentStore,
        objects: BytesCache[Media],
        metrics: WebMetrics,
        *,
        max_fetches: int,
        clock: Callable[[], float],
        wall: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._ask = ask
        self._reader = reader
        self._store = store
        self._objects = objects
        self._metrics = metrics
        self._clock = clock
        self._wall = wall
        # The replay of a day may take all of it: read anew for each request it would keep everybody waiting.
        self._replays: BytesCache[Replay] = BytesCache(CACHE_BYTES, largest=1.0)
        self._opening: Flights[Replay] = Flights(max_fetches)
        self._reading: Flights[Media] = Flights(max_fetches)

    async def open(self, show: str) -> Replay:
        """The replay. Raises `NotFoundError`, `StoreError`, `CommandError`, `TooManyFlightsError`."""
        replay = self._replays.get(show)
        if replay is not None and self._clock() < replay.fresh_until:
            return replay
        return await self._opening.join(show, lambda: self._open(show))

    async def object(self, replay: Replay, name: str, kind: Kind) -> Media:
        """An object of the replay. Raises as `open`."""
        key = replay.objects.get(name)
        if key is None:
            raise NotFoundError(name)
        media = self._objects.get(key)
        if media is not None:
            self._metrics.tally.hits[kind] += 1
            return media
        self._metrics.hls_misses.labels(kind.value).inc()

        async def read() -> Media:
            found = Media(await self._store.get(key), kind=kind)
            self._metrics.fetches.labels(kind.value, "tape").inc()
            self._objects.put(key, found)
            self._metrics.cache_bytes.set(self._objects.bytes)
            return found

        return await self._reading.join(key, read)

    async def close(self) -> None:
        """End all reads."""
        await self._opening.close()
        await self._reading.close()

    async def _open(self, name: str) -> Replay:
        show = await self._ask(GetShow(show=name, cause="web.replay"))
        if show.state is not ShowState.ENDED or not show.recording:
            raise NotFoundError(f"{name} has no replay yet")
        asked = GetRecording(recording=show.recording, manifest=False, cause="web.replay")
        recording = await self._ask(asked)
        former = self._replays.get(name)
        if former is not None and former.settled and former.recording == recording.id:
            found = replace(former, fresh_until=self._clock() + KEEP_SECONDS)
        else:
            settled = self._wall() - recording.ended > SETTLED_MICROS
            tape = await self._reader.open(recording.channel, recording.started, recording.ended)
            ranges = await self._ranges(show)
            settled = settled and ranges is not None
            # In a thread: the playlists of a long show are megabytes, and viewers of others wait for this loop.
            multivariant, playlists = await asyncio.to_thread(
                _packed, tape.multivariant, tape.playlists, ranges or ()
            )
            fresh_until = self._clock() + KEEP_SECONDS
            found = Replay(recording.id, settled, multivariant, playlists, dict(tape.objects), fresh_until)
        self._replays.put(name, found)
        return found

    async def _ranges(self, show: ShowView) -> Sequence[str] | None:
        """What was on the picture when; None where nobody tells it: a replay plays without."""
        try:
            cards = await self._ask(GetCards(show=show.id, cause="web.replay"))
        except CommandError:
            return None
        return range_lines(cards, show.ended)


def _packed(
    multivariant: str, playlists: Mapping[str, str], ranges: Sequence[str]
) -> tuple[Media, dict[str, Media]]:
    packed = {
        rendition: compressed(with_ranges(text, ranges).encode()) for rendition, text in playlists.items()
    }
    return compressed(multivariant.encode()), packed


async def answered(
    request: web.Request, find: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What `find` gives, or the problem that its failure is to a viewer."""
    try:
        return await find()
    except NotFoundError:
        problem = ProblemError(catalogue.NOT_FOUND)
    except (StoreError, TooManyFlightsError):
        problem = ProblemError(catalogue.UNAVAILABLE, headers={"Retry-After": "1"})
    except CommandError as error:
        problem = from_command(error)
    except ProblemError as error:
        problem = error
    problem.headers.update(CORS)
    return problem.response(request)


class ReplayPages:
    """The handlers."""

    def __init__(self, replays: Replays, sender: Sender) -> None:
        self._replays = replays
        self._sender = sender

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/replays/{show}/{name:.+}", self.get)
        app.router.add_route("OPTIONS", "/replays/{show}/{name:.+}", preflight)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One object or playlist."""
        show, name = request.match_info["show"], request.match_info["name"]
        kind = names.kind_of(name) if names.SHOW.fullmatch(show) else None
        if kind is None or kind is Kind.PART:
            return ProblemError(catalogue.NOT_FOUND, headers=CORS).response(request)
        return await answered(request, lambda: self._found(request, show, name, kind))

    async def _found(self, request: web.Request, show: str, name: str, kind: Kind) -> web.StreamResponse:
        replay = await self._replays.open(show)
        if kind is not Kind.PLAYLIST:
            return await self._sender.media(request, await self._replays.object(replay, name, kind))
        rendition = name.rpartition("/")[0]
        playlist = replay.playlists.get(rendition) if rendition else replay.multivariant
        if playlist is None:
            raise NotFoundError(name)
        return await self._sender.playlist(request, playlist, "public, max-age=20")

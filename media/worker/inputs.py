"""Feeds of a worker: packets from the taps through decoder threads to the mixer.

Each feed in use has one task that reads its tap and one thread per track that decodes. A decoder that is behind
drops to the next keyframe rather than grow a queue; the mixer then sees an input that stalls, which it knows.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from av import VideoFrame

from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.mix.fold import Fold
from media.mix.handover import MixerInput
from media.model.errors import SourceError
from media.model.feed import FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from media.ports import FeedTap
from runtime import logs

log = logs.get("media.worker.inputs")

QUEUE = 900
"""Packets per track: a ring of 15 s at 60 fps comes in one burst when a worker joins."""
JUMPED = 2.0
"""Seconds after a jump of a sender's clock until what is decoded is what was folded since."""
STALE_MICROS = 600_000
"""Packets that reached ingest longer ago than this are decoded for what follows them, not to be shown."""

Door = MixerInput[VideoFrame]
OpenTap = Callable[[str], FeedTap]


@dataclass(frozen=True, slots=True)
class InputFigures:
    """What decoding of one feed has cost and lost. Counters since the feed was taken into use."""

    feed: str
    dropped: int
    """Packets that were dropped because a decoder was behind."""
    errors: int
    """Packets that could not be decoded."""
    jumps: int
    """Jumps of the sender's timestamps that were folded away."""
    reason: str
    """Why nothing can be decoded, in words; empty while it can."""


class _TrackThread:
    """Decodes one track. Items are headers and packets in order; a header makes a new decoder."""

    def __init__(self, feed: str, kind: MediaKind, door: Door) -> None:
        self._kind = kind
        self._door = door
        self._feed = feed
        self._items: deque[TrackHeader | EncodedPacket] = deque()
        self._ready = threading.Condition()
        self._closed = False
        self._until_keyframe = False
        self._header: TrackHeader | None = None
        self._decoder: VideoDecoder | AudioDecoder | None = None
        self._past_errors = 0
        self._opened: TrackHeader | None = None
        """The header of the decoder in use."""
        self._failed_with: TrackHeader | None = None
        """The same where that decoder failed for a reason of ours."""
        self._told = ""
        self.dropped = 0
        self.reason = ""
        # In a copy of our context, so that its lines carry the channel's ids.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name=f"decode-{kind}-{feed}",
            daemon=True,
        )
        self._thread.start()

    @property
    def errors(self) -> int:
        """Packets that could not be decoded, over all decoders of this track."""
        decoder = self._decoder
        return self._past_errors + (decoder.errors if decoder else 0)

    def offer(self, item: TrackHeader | EncodedPacket) -> None:
        """Hand over; called on the event loop, never waits."""
        with self._ready:
            if isinstance(item, TrackHeader):
                self._header = item
            elif self._until_keyframe:
                if not item.keyframe:
                    self.dropped += 1
                    return
                self._until_keyframe = False
            if len(self._items) >= QUEUE:
                self.dropped += len(self._items)
                self._items.clear()
                # A header may have been among what was dropped; the newest one is what the decoder must start from.
                if self._header is not None:
                    self._items.append(self._header)
                self._until_keyframe = True
                return
            self._items.append(item)
            self._ready.notify()

    def close(self) -> None:
        """End the thread after the packet in work."""
        with self._ready:
            self._closed = True
            self._items.clear()
            self._ready.notify()

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._items and not self._closed:
                    self._ready.wait()
                if self._closed:
                    return
                item = self._items.popleft()
            try:
                if isinstance(item, TrackHeader):
                    self._failed_with = None
                    self._open(item)
                elif self._decoder is not None:
                    self._decode(item)
                elif self._failed_with is not None and item.keyframe:
                    self._open(self._failed_with)
                    self._decode(item)
            except Exception as error:  # noqa: BLE001 - whatever it is, see below
                # A bug must not end the thread unseen, or the feed would be dead for as long as it is in use: it is
                # told, once, and tried anew at the next keyframe.
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        reason = f"an internal error: {error!r}"
        self._past_errors = self.errors + 1
        self._decoder = None
        self._failed_with = self._opened
        if reason != self._told:
            self._told = reason
            log.error("a decoder failed", feed=self._feed, track=str(self._kind), exc_info=error)
        self.reason = reason

    def _open(self, header: TrackHeader) -> None:
        self._opened = header
        self._past_errors = self.errors
        self._decoder = None
        try:
            self._decoder = VideoDecoder(header) if self._kind is MediaKind.VIDEO else AudioDecoder(header)
            self.reason = ""
        except SourceError as error:
            self.reason = str(error)
            log.warning("cannot decode", feed=self._feed, track=str(self._kind), reason=self.reason)

    def _decode(self, packet: EncodedPacket) -> None:
        decoder = self._decoder
        if isinstance(decoder, VideoDecoder):
            stale = packet.arrived and time.time_ns() // 1000 - packet.arrived > STALE_MICROS
            for picture in decoder.decode(packet, show=not stale):
                self._door.put_picture(picture)
        elif decoder is not None:
            for sound in decoder.decode(packet):
                self._door.put_sound(sound)


class FeedInput:
    """One feed in use."""

    def __init__(self, feed: str, tap: FeedTap, door: Door) -> None:
        self.feed = feed
        self._tap = tap
        self._fold = Fold()
        self._jumps = 0
        self._jumped = float("-inf")
        self._tracks = {kind: _TrackThread(feed, kind, door) for kind in MediaKind}
        self.status = FeedStatus()
        """What ingest last said of the feed."""

    async def run(self) -> None:
        """Read the tap until cancelled."""
        try:
            async for item in self._tap:
                if isinstance(item, FeedStatus):
                    self.status = item
                elif isinstance(item, EncodedPacket):
                    self._tracks[item.kind].offer(self._fold.fold(item))
                    if self._fold.jumps != self._jumps:
                        self._jumps, self._jumped = self._fold.jumps, time.monotonic()
                else:
                    self._tracks[item.kind].offer(item)
        finally:
            self.close()

    def close(self) -> None:
        """End its threads; once more does no harm."""
        for track in self._tracks.values():
            track.close()

    @property
    def shift(self) -> int | None:
        """Microseconds from the sender's clock to the time that is decoded; None while that is not to be known."""
        if time.monotonic() - self._jumped < JUMPED:
            return None
        picture = self._fold.shift(MediaKind.VIDEO)
        return self._fold.shift(MediaKind.AUDIO) if picture is None else picture

    def figures(self) -> InputFigures:
        """What it has cost and lost."""
        tracks = self._tracks.values()
        return InputFigures(
            self.feed,
            sum(track.dropped for track in tracks),
            sum(track.errors for track in tracks),
            self._fold.jumps,
            "; ".join(track.reason for track in tracks if track.reason),
        )


class Inputs:
    """The feeds that a worker decodes now. All their tasks live in the group that is given."""

    def __init__(self, open_tap: OpenTap, tasks: asyncio.TaskGroup) -> None:
        self._open_tap = open_tap
        self._tasks = tasks
        self._inputs: dict[str, tuple[FeedInput, asyncio.Task[None]]] = {}

    @property
    def feeds(self) -> frozenset[str]:
        """Those in use."""
        return frozenset(self._inputs)

    def take(self, feed: str, door: Door) -> None:
        """Begin to decode a feed into the mixer; one that is in use already is left as it is."""
        if feed not in self._inputs:
            taken = FeedInput(feed, self._open_tap(feed), door)
            self._inputs[feed] = taken, self._tasks.create_task(taken.run(), name=f"input {feed}")

    def drop(self, feed: str) -> None:
        """Decode it no longer."""
        taken, task = self._inputs.pop(feed)
        task.cancel()
        taken.close()  # a task that is cancelled before its first step never gets to its own `finally`

    def close(self) -> None:
        """Drop all."""
        for feed in self.feeds:
            self.drop(feed)

    def figures(self) -> list[InputFigures]:
        """What each has cost and lost."""
        return [taken.figures() for taken, _ in self._inputs.values()]

    def shift(self, feed: str) -> int | None:
        """See `FeedInput.shift`."""
        return self._inputs[feed][0].shift if feed in self._inputs else None

    def reason(self, feed: str | None) -> str:
        """Why a feed has no picture, in words, as its decoders and ingest see it; empty where they know of nothing."""
        if feed is None or feed not in self._inputs:
            return ""
        taken, _ = self._inputs[feed]
        return taken.figures().reason or taken.status.reason

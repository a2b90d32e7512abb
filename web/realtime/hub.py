"""Who is told what, and when: readers with their offsets over one store.

No reader has a queue. It has an offset, and is given what came after that when its connection can take it: a reader
that does not read costs what the connection holds unsent, never a backlog. One frame is made for all readers that are
at the same offset with the same boards.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from web.auth.roles import Role
from web.realtime import frames
from web.realtime.frames import Refusal, Subscribe, Unsubscribe
from web.realtime.metrics import RealtimeMetrics
from web.realtime.settings import RealtimeSettings
from web.realtime.state import Board, Delta, Store
from web.realtime.topics import Freshness, Topic, Topics

ViewT = TypeVar("ViewT")

LAGGING_SECONDS = 0.2
"""How often it is looked whether a reader that did not take its frames can now."""
SILENT_BEATS = 2
"""Pings without an answer after which a reader is dropped."""


class Sink(Protocol):
    """A reader's connection. Nothing here waits."""

    def write(self, frame: bytes) -> None:
        """Hand a frame over, whatever is unsent still."""
        ...

    def unsent(self) -> int:
        """Bytes that the connection did not take yet."""
        ...

    def drop(self) -> None:
        """End it at once, with all that is unsent."""
        ...


@dataclass(eq=False, slots=True)
class Reader:
    """One client."""

    sink: Sink
    role: Role | None
    epoch: str
    heard: float
    """When anything came from it last; `clock` seconds."""
    boards: tuple[Board, ...] = ()
    """What it is told, in no order."""
    waiting: dict[str, Board] = field(default_factory=dict)
    """What it will be told once that is known."""
    offset: int = 0
    stalled: float | None = None
    """Since when its connection, with much unsent, takes nothing; None while it has room."""
    unsent: int = 0
    """Bytes unsent when it was looked at last, while it has no room."""


@dataclass(frozen=True, slots=True)
class _News:
    """What all readers of some boards at one offset are sent."""

    delta: Delta | None
    frame: bytes


class Hub:
    """The store, the readers, and the frames between them."""

    def __init__(
        self, topics: Topics, settings: RealtimeSettings, metrics: RealtimeMetrics, clock: Callable[[], float]
    ) -> None:
        self.topics = topics
        self.store = Store(settings.window)
        self.readers: set[Reader] = set()
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._process = secrets.token_hex(6)
        self._news = asyncio.Event()

    # --- what there is to tell

    def put(self, topic: Topic[ViewT], key: str, view: ViewT) -> None:
        """Something is now so."""
        for audience in topic.audiences:
            if self.store.put(audience.board, key, audience.shown(view).model_dump(mode="json")):
                self._news.set()

    def remove(self, topic: Topic[ViewT], key: str) -> None:
        """Something is no more."""
        for audience in topic.audiences:
            if self.store.remove(audience.board, key):
                self._news.set()

    def know(self, topic: Topic[ViewT], *, fresh: bool) -> None:
        """A topic's owner told everything (`fresh`), or does not answer."""
        self.put(self.topics.sources, topic.name, Freshness(fresh=fresh))
        boards = [audience.board for audience in self.topics.sources.audiences]
        if fresh:
            boards += [audience.board for audience in topic.audiences]
        for board in boards:
            if not board.known:
                board.known = True
                self._news.set()

    # --- readers

    def join(self, sink: Sink, role: Role | None) -> Reader:
        """A new reader, greeted."""
        epoch = f"{self._process}.{role or 'guest'}"
        reader = Reader(sink, role, epoch, self._clock(), offset=self.store.offset)
        self.readers.add(reader)
        self._metrics.clients.set(len(self.readers))
        self._write(reader, frames.hello(epoch, role, self._settings.beat_seconds))
        return reader

    def leave(self, reader: Reader) -> None:
        """It is gone."""
        self.readers.discard(reader)
        self._metrics.clients.set(len(self.readers))

    def hear(self, reader: Reader, request: Subscribe | Unsubscribe) -> None:
        """Do what a reader asks for."""
        if isinstance(request, Unsubscribe):
            reader.boards = tuple(board for board in reader.boards if board.topic not in request.topics)
            for topic in request.topics:
                reader.waiting.pop(topic, None)
            return
        self._send_news(reader, {})  # what it is told already is brought to the same offset first
        takes = reader.stalled is None
        mine = self.topics.boards(reader.role)
        refused: dict[str, Refusal] = {}
        fresh: list[Board] = []
        resumed: dict[int, list[Board]] = {}
        for topic, offset in request.topics.items():
            board = mine.get(topic)
            if board is None:
                refused[topic] = self._refusal(reader, known=topic in mine)
            elif not (takes and board.known):
                reader.waiting[topic] = board
            elif offset is not None and request.epoch == reader.epoch:
                resumed.setdefault(offset, []).append(board)
            else:
                fresh.append(board)
        for offset, boards in resumed.items():
            self._resume(reader, boards, offset)
        if fresh:
            self._snapshot(reader, fresh, "first")
        if refused and takes:
            self._write(reader, frames.refused(refused))
        self._metrics.tally()

    def _refusal(self, reader: Reader, *, known: bool) -> Refusal:
        guest = Refusal.FORBIDDEN if reader.role else Refusal.UNAUTHENTICATED
        why = guest if known else Refusal.UNKNOWN
        self._metrics.refused.labels(why.value).inc()
        return why

    def _resume(self, reader: Reader, boards: Sequence[Board], offset: int) -> None:
        delta = self.store.since(boards, offset)
        if delta is None:
            self._snapshot(reader, boards, "late")
            return
        self._add(reader, boards)
        self._metrics.resumed.inc(len(boards))
        self._count(delta)
        self._write(reader, frames.patch(delta, [board.topic for board in boards]))

    def _snapshot(self, reader: Reader, boards: Sequence[Board], reason: str) -> None:
        self._add(reader, boards)
        self._metrics.snapshots.labels(reason).inc(len(boards))
        self._write(reader, frames.snapshot(self.store.snapshot(boards)))

    def _add(self, reader: Reader, boards: Sequence[Board]) -> None:
        reader.boards = (*(board for board in reader.boards if board not in boards), *boards)
        reader.offset = self.store.offset

    # --- telling

    async def run(self) -> None:
        """Tell, ping and drop, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._telling(), name="realtime.telling")
            tasks.create_task(self._beating(), name="realtime.beating")

    async def _telling(self) -> None:
        while True:
            lagging = any(reader.stalled is not None for reader in self.readers)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAGGING_SECONDS if lagging else None):
                    await self._news.wait()
            # Cleared before it is waited: what comes meanwhile goes out with the rest, and what comes later wakes us.
            await asyncio.sleep(self._settings.batch_seconds)
            self._news.clear()
            self.flush()

    async def _beating(self) -> None:
        # More often than beats, so that who does not read is dropped in time.
        every = min(self._settings.beat_seconds, self._settings.stall_seconds / 4)
        beat = self._clock()
        while True:
            await asyncio.sleep(every)
            now = self._clock()
            self.drop_stuck(now)
            if now - beat >= self._settings.beat_seconds:
                beat = now
                self.beat(now)

    def flush(self) -> None:
        """Bring all readers to the present."""
        made: dict[tuple[tuple[Board, ...], int], _News] = {}
        for reader in self.readers:
            self._send_news(reader, made)
        self._metrics.tally()

    def beat(self, now: float) -> None:
        """Ping everybody, and drop who did not answer the last pings."""
        patience = SILENT_BEATS * self._settings.beat_seconds
        text = frames.beat(self.store.offset) + frames.PING
        for reader in list(self.readers):
            if now - reader.heard > patience:
                self._evict(reader, "silent")
            elif reader.stalled is None and reader.offset == self.store.offset:
                self._write(reader, text)

    def drop_stuck(self, now: float) -> None:
        """Drop who did not read for too long."""
        for reader in list(self.readers):
            if not self._can_take(reader, now):
                assert reader.stalled is not None
                if now - reader.stalled >= self._settings.stall_seconds:
                    self._evict(reader, "stalled")

    def _send_news(self, reader: Reader, made: dict[tuple[tuple[Board, ...], int], _News]) -> None:
        if not self._can_take(reader, self._clock()) or (
            reader.offset == self.store.offset and not reader.waiting
        ):
            return
        if reader.offset != self.store.offset:
            key = (reader.boards, reader.offset)
            news = made.get(key)
            if news is None:
                news = made[key] = self._news_since(reader.boards, reader.offset)
            self._tell(reader, news)
        if known := [board for board in reader.waiting.values() if board.known]:
            for board in known:
                del reader.waiting[board.topic]
            self._snapshot(reader, known, "first")

    def _news_since(self, boards: Sequence[Board], offset: int) -> _News:
        delta = self.store.since(boards, offset)
        if delta is None or delta.changes > self._settings.backlog:
            return _News(None, frames.snapshot(self.store.snapshot(boards)))
        return _News(delta, b"" if delta.empty else frames.patch(delta))

    def _tell(self, reader: Reader, news: _News) -> None:
        reader.offset = self.store.offset
        if news.delta is None:
            self._metrics.snapshots.labels("behind").inc(len(reader.boards))
        else:
            self._count(news.delta)
        if news.frame:
            self._write(reader, news.frame)

    def _count(self, delta: Delta) -> None:
        self._metrics.told += delta.documents
        self._metrics.replaced += delta.changes - delta.documents

    def _can_take(self, reader: Reader, now: float) -> bool:
        unsent = reader.sink.unsent()
        if unsent <= self._settings.buffer_kb << 10:
            reader.stalled = None
            return True
        # Nothing is written meanwhile: with fewer bytes than before it reads, if slowly.
        if reader.stalled is None or unsent < reader.unsent:
            reader.stalled = now
        reader.unsent = unsent
        return False

    def _write(self, reader: Reader, frame: bytes) -> None:
        self._metrics.written += len(frame)
        reader.sink.write(frame)

    def _evict(self, reader: Reader, reason: str) -> None:
        self._metrics.evicted.labels(reason).inc()
        self.leave(reader)
        reader.sink.drop()

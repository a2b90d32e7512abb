"""The recorder: takes every part of a channel and sees that it gets on tape, without ever delaying live.

A part goes into RAM (bounded) and into the journal (a file, appended by a thread). When all renditions have finished
a segment, its objects are put in the store, then its index entries are committed in one transaction, then the
journal's files are removed. So at every moment a segment is in the journal or indexed, and a crash loses at most
the part that was not appended yet (`recovery` reads the journal).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from media.contracts.tape import TapeTrouble
from media.model.errors import FencedError, NotFoundError, StoreError
from media.model.time import ProgrammeTime
from media.packaging.parts import Part
from media.ports import SegmentStore, TapeIndex, TapeInit, TapeSegment
from media.record.gaps import TOLERANCE, GapCause, GapLog, KnownGap
from media.record.journal import Journal
from media.record.layout import OpenName, init_key
from media.record.rows import Row, Rows

_FENCE_EVERY = 1.0
"""Seconds for which a look at the newest epoch is good."""
_BATCH = 50
"""Rows committed in one transaction when many wait."""


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """Bounds and time-outs; bytes and seconds."""

    held_bytes: int = 64 << 20
    """Parts and segments that the store does not have yet: some 100 s of a 4.5 Mb/s ladder."""
    journal_bytes: int = 16 << 20
    pending_rows: int = 1800
    """Stored segments whose index entries wait for the database: an hour of 2 s segments."""
    put_timeout: float = 10.0
    commit_timeout: float = 20.0
    slow_put: float = 1.0
    """A put that takes longer is told as trouble."""
    retry: float = 0.5


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """How the recorder fares. Counters are since its start."""

    held_bytes: int
    journal_bytes: int
    pending_rows: int
    stored_segments: int
    lost_segments: int
    """Rows of all renditions that are not on tape."""
    unjournaled_segments: int
    """Files of open segments that were given up: not protected against a crash until stored."""
    trouble: str


class Recorder:
    """Records one epoch of one channel. `run` is a task of the owner; all callbacks are made on its event loop.

    `part` and `init` may be called from any thread; they never wait and never raise.
    """

    def __init__(
        self,
        channel: str,
        epoch: int,
        renditions: Sequence[str],
        *,
        store: SegmentStore,
        index: TapeIndex,
        gap_log: GapLog,
        open_dir: Path,
        stored: Callable[[str, int], None],
        trouble: Callable[[TapeTrouble], None],
        gap: Callable[[KnownGap], None],
        limits: RecorderLimits | None = None,
    ) -> None:
        self._channel = channel
        self._epoch = epoch
        self._store = store
        self._index = index
        self._gap_log = gap_log
        self._stored = stored
        self._trouble = trouble
        self._gap = gap
        self._limits = limits or RecorderLimits()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake_store = asyncio.Event()
        self._wake_index = asyncio.Event()
        self._closing = False
        self._store_done = False
        self._journal = Journal(
            open_dir / channel, epoch, self._journal_failed, max_bytes=self._limits.journal_bytes
        )
        self._rows = Rows(epoch, renditions, self._limits.held_bytes, self._journal.remove)
        self._newest = -1
        self._now = 0
        self._complete: deque[Row] = deque()
        self._inits: deque[tuple[TapeInit, bytes]] = deque()
        self._inits_stored: deque[TapeInit] = deque()
        self._pending: deque[list[TapeSegment]] = deque()
        self._gaps: deque[KnownGap] = deque(maxlen=1000)
        self._open_gap: KnownGap | None = None
        self._lost = 0
        self._lost_told = 0
        self._count = 0
        self._reasons: dict[str, str] = {}
        self._told = ""
        self._fence_seen = float("-inf")

    # --- what the worker calls ---------------------------------------------------------------------------------------

    def init(
        self,
        rendition: str,
        data: bytes,
        *,
        codecs: str,
        width: int = 0,
        height: int = 0,
        bitrate: int = 0,
        frame_rate: int = 0,
    ) -> None:
        """The rendition's init segment; before its first part, once."""
        key = init_key(self._channel, rendition, self._epoch)
        init = TapeInit(
            self._channel, self._epoch, rendition, key, codecs, width, height, bitrate, frame_rate
        )
        with self._lock:
            self._inits.append((init, data))
        self._notify()

    def part(self, part: Part) -> None:
        """One part of one rendition, in order."""
        with self._lock:
            if self._closing or part.epoch != self._epoch:
                return
            if part.msn > self._newest:
                self._newest = part.msn
                self._journal.mark(part.msn)
            self._now = max(self._now, part.starts + part.duration * 1_000_000 // part.timescale)
            settled, kept = self._rows.add(part)
            if kept:
                self._journal.append(OpenName(part.epoch, part.msn, part.rendition), part.data)
            for row in settled:
                if row.lost:
                    self._note_loss(row)
                else:
                    self._complete.append(row)
        if settled:
            self._notify()

    def finish(self) -> None:
        """Take no more parts; `run` returns once everything whole is committed. What is open is left to recovery."""
        with self._lock:
            self._closing = True
        self._notify()

    @property
    def stats(self) -> RecorderStats:
        """How it fares now."""
        return RecorderStats(
            held_bytes=self._rows.held,
            journal_bytes=self._journal.backlog,
            pending_rows=len(self._pending),
            stored_segments=self._count,
            lost_segments=self._lost,
            unjournaled_segments=self._journal.skipped,
            trouble=self._told,
        )

    async def run(self) -> None:
        """Record until `finish`. Raises `FencedError` when a newer epoch of the channel exists."""
        self._loop = asyncio.get_running_loop()
        self._notify()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._store_rows(), name=f"tape store {self._channel}")
                tasks.create_task(self._commit(), name=f"tape index {self._channel}")
            await asyncio.to_thread(self._journal.close)
        except BaseExceptionGroup as group:
            fenced, others = group.split(FencedError)
            if fenced is None or others is not None:
                raise
            raise FencedError(f"a newer epoch of {self._channel} than {self._epoch} exists") from group
        finally:
            self._loop = None
            self._journal.close(0)

    # --- into the store ----------------------------------------------------------------------------------------------

    async def _store_rows(self) -> None:
        while True:
            self._wake_store.clear()
            self._tell()
            while self._inits:
                await self._store_init(*self._inits[0])
                self._inits.popleft()
            while self._complete:
                await self._store_row(self._complete[0])
                self._complete.popleft()
            if self._closing and not self._complete and not self._inits:
                self._store_done = True
                self._wake_index.set()
                return
            await self._wake_store.wait()

    async def _store_init(self, init: TapeInit, data: bytes) -> None:
        while error := await self._put(init.key, data):
            self._set_trouble("store", error)
            await asyncio.sleep(self._limits.retry)
        self._inits_stored.append(init)
        self._wake_index.set()

    async def _store_row(self, row: Row) -> None:
        """Put the row's objects, again and again until the store has them or they cannot be."""
        entries = row.entries(self._channel, self._epoch)
        left = {entry.key: b"".join(row.tracks[entry.rendition].parts) for entry in entries}
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            errors = dict(
                zip(left, await asyncio.gather(*(self._put(k, d) for k, d in left.items())), strict=True)
            )
            took = clock() - began
            left = {key: data for key, data in left.items() if errors[key]}
            if not left:
                break
            error = next(filter(None, errors.values()))
            if _CLASH in errors.values():
                with self._lock:
                    row.lost = error
                    self._rows.release(row)
                    self._note_loss(row)
                self._wake_index.set()
                return
            self._set_trouble("store", error)
            await asyncio.sleep(self._limits.retry)
        slow = took > self._limits.slow_put
        self._set_trouble("store", f"the disk is slow: {took:.1f} s for a segment" if slow else "")
        with self._lock:
            self._rows.release(row)
        self._pending.append(entries)
        self._wake_index.set()

    async def _put(self, key: str, data: bytes) -> str:
        """Put one object; returns why not, or nothing. One that is there with the same content is a success."""
        try:
            async with asyncio.timeout(self._limits.put_timeout):
                try:
                    await self._store.put(key, data)
                except StoreError as error:
                    # An attempt that timed out may have succeeded since.
                    try:
                        there = await self._store.get(key)
                    except (NotFoundError, StoreError):
                        return str(error)
                    return "" if there == data else _CLASH
        except TimeoutError:
            return f"the disk did not answer for {self._limits.put_timeout:g} s"
        return ""

    # --- into the index ----------------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        while True:
            self._wake_index.clear()
            while self._inits_stored or self._pending or self._gaps:
                try:
                    async with asyncio.timeout(self._limits.commit_timeout):
                        await self._commit_some()
                except TimeoutError:
                    self._set_trouble("index", "the database did not answer in time")
                except StoreError as error:
                    self._set_trouble("index", str(error))
                else:
                    self._set_trouble("index", "")
                    continue
                self._shed()
                await asyncio.sleep(self._limits.retry)
            if self._store_done:
                self._close_gap()
                return
            await self._wake_index.wait()

    async def _commit_some(self) -> None:
        clock = asyncio.get_running_loop().time
        if clock() - self._fence_seen > _FENCE_EVERY:
            if await self._index.current_epoch(self._channel) > self._epoch:
                raise FencedError(f"a newer epoch of {self._channel} than {self._epoch} exists")
            self._fence_seen = clock()
        while self._inits_stored:
            await self._index.add_init(self._inits_stored[0])
            self._inits_stored.popleft()
        while self._gaps:
            gap = self._gaps[0]
            await self._gap_log.add_gap(gap)
            with self._lock:
                if self._gaps and self._gaps[0] == gap:
                    self._gaps.popleft()
        rows = [self._pending[i] for i in range(min(_BATCH, len(self._pending)))]
        if not rows:
            return
        await self._index.add([entry for row in rows for entry in row])
        for row in rows:
            self._pending.popleft()
            for entry in row:
                self._journal.remove(OpenName(entry.epoch, entry.msn, entry.rendition))
                self._stored(entry.rendition, entry.msn)
        self._count += len(rows)
        if self._open_gap is not None and rows[-1][0].starts >= self._open_gap.ends - TOLERANCE:
            self._close_gap()

    def _shed(self) -> None:
        """Too many entries wait: give the oldest up. Their journal files stay, so the next start finds them."""
        while len(self._pending) > self._limits.pending_rows:
            row = self._pending.popleft()
            starts = min(entry.starts for entry in row)
            end = max(entry.starts + entry.duration * 1_000_000 // entry.timescale for entry in row)
            with self._lock:
                self._note_loss(Row(row[0].msn, starts, end))

    # --- what went wrong ---------------------------------------------------------------------------------------------

    def _note_loss(self, row: Row) -> None:
        """Caller holds the lock. A loss that follows another at once makes its gap longer."""
        self._lost += 1
        last = self._open_gap
        starts = row.starts
        if last is not None and abs(last.ends - row.starts) <= TOLERANCE:
            starts = last.starts
            if self._gaps and self._gaps[-1] == last:
                self._gaps.pop()
        gap = KnownGap(self._channel, ProgrammeTime(starts), ProgrammeTime(row.ends), GapCause.DISK.value)
        if last is not None and last.starts != starts:
            self._report_gap(last)
        self._open_gap = gap
        self._gaps.append(gap)
        if row.lost:
            self._reasons["queue"] = row.lost

    def _close_gap(self) -> None:
        """The tape goes on behind it: now its end is known."""
        with self._lock:
            gap, self._open_gap = self._open_gap, None
            self._reasons.pop("queue", None)
        if gap is not None:
            self._gap(gap)
        self._tell()

    def _report_gap(self, gap: KnownGap) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._gap, gap)

    def _journal_failed(self, reason: str) -> None:
        with self._lock:
            if reason:
                self._reasons["journal"] = reason
            else:
                self._reasons.pop("journal", None)
        self._notify()

    def _set_trouble(self, source: str, reason: str) -> None:
        with self._lock:
            if reason:
                self._reasons[source] = reason
            else:
                self._reasons.pop(source, None)
        self._tell()

    def _tell(self) -> None:
        """Report when the reason changed, or more was lost."""
        with self._lock:
            reason = next((self._reasons[s] for s in _SOURCES if s in self._reasons), "")
            if reason == self._told and self._lost == self._lost_told:
                return
            self._told, self._lost_told = reason, self._lost
            event = TapeTrouble(
                channel=self._channel,
                epoch=self._epoch,
                time=self._now,
                reason=reason,
                lost_segments=self._lost,
            )
        self._trouble(event)

    def _notify(self) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(
                RuntimeError
            ):  # the loop was closed in this instant: nobody is left to wake
                loop.call_soon_threadsafe(self._wake_store.set)
                loop.call_soon_threadsafe(self._wake_index.set)


_CLASH = "an object with this name and other content is in the store"
_SOURCES = ("store", "index", "queue", "journal")
"""Where trouble comes from, the most telling first."""

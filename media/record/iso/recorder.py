"""One feed being recorded: its tap, cut into parts, put into files, with what is known of them kept in the store.

Whatever fails here stays here: the feed, its channels and the other recordings do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from media.contracts.isos import FeedPlaced, IsoState
from media.model.errors import StoreError
from media.model.feed import FeedPhase, FeedStatus
from media.ports import FeedTap
from media.record.iso.cutter import Action, Begin, Cutter, Put, tracks_of
from media.record.iso.isos import Iso, IsoPart, PartCause, part_key
from media.record.iso.placing import Placing
from media.record.iso.settings import IsoSettings
from media.record.iso.store import IsoStore
from media.record.iso.writer import Room, Writer, Written, room
from media.record.settling import wall
from runtime import logs

log = logs.get("media.record.iso")

SAVE_EVERY = 2.0
"""Seconds between two looks at what has grown: as often it is kept and told."""
RETRY = 5.0
"""Seconds after which writing is tried again where it failed."""
CLOSE_TIMEOUT = 3.0
"""Seconds that a disk has to take what waits when the recording ends."""
SILENT = 3_000_000
"""Microseconds without a packet after which a recording waits."""


@dataclass(slots=True)
class _Live:
    """A part that is in work, or that the store was not told the end of."""

    part: IsoPart
    placing: Placing
    written: Written
    ended: bool = False


class IsoRecorder:
    """Records one feed. `run` until cancelled, then `finish`; everything but the writer is on one event loop.

    `changed()` is called when it fares differently, and every `SAVE_EVERY` seconds.
    """

    def __init__(
        self,
        iso: Iso,
        tap: FeedTap,
        store: IsoStore,
        root: Path,
        settings: IsoSettings,
        changed: Callable[[], None],
        *,
        cause: PartCause = PartCause.START,
        number: int = 0,
        free: Room = room,
    ) -> None:
        self.iso = iso
        self._tap = tap
        self._store = store
        self._root = root
        self._changed = changed
        self._number = number
        self._cutter = Cutter(cause)
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(
            iso.feed,
            self._failed,
            held_bytes=settings.held_bytes,
            min_free_bytes=settings.min_free_bytes,
            free=free,
        )
        self._live: dict[int, _Live] = {}
        self._past = (iso.parts, iso.size, iso.duration)
        self._begun = asyncio.Event()
        self._disk = ""
        self._retry_at = 0.0
        self._status = FeedStatus()
        self._heard = 0
        self._told: tuple[IsoState, str] | None = None
        self.blocks = 0
        """Packets that were handed to the writer."""
        self.failures = 0
        """Times a part had to be given up because of the disk."""

    @property
    def state(self) -> tuple[IsoState, str]:
        """How it fares, and why where that is not well."""
        if self._disk:
            return IsoState.TROUBLE, self._disk
        if self._cutter.open and wall() - self._heard < SILENT:
            return IsoState.RECORDING, ""
        if self._cutter.trouble and wall() - self._heard < SILENT:
            return IsoState.TROUBLE, self._cutter.trouble
        return IsoState.WAITING, self._status.reason

    @property
    def backlog(self) -> int:
        """Bytes that wait for the disk."""
        return self._writer.backlog

    def now(self) -> Iso:
        """The recording with the sums of its parts."""
        live = [self._as_it_is(one) for one in self._live.values()]
        parts, size, duration = self._past
        return replace(
            self.iso,
            parts=parts + sum(part.size > 0 for part in live),
            size=size + sum(part.size for part in live),
            duration=duration + sum(part.duration for part in live),
        )

    def parts(self) -> dict[int, IsoPart]:
        """Those that are newer here than in the store."""
        return {number: self._as_it_is(one) for number, one in self._live.items()}

    def placed(self, placed: FeedPlaced) -> None:
        """A channel says where it has the feed."""
        live, clock = self._live.get(self._number), self._cutter.clock(wall())
        if live is None or live.ended or clock is None or wall() - self._heard > SILENT:
            return
        offset = placed.offset - clock
        live.placing.tell(placed.channel, self._cutter.newest, offset, steady=placed.steady)

    async def run(self) -> None:
        """Record until cancelled; once more after it failed, with a new part."""
        self._act(self._cutter.interrupt(PartCause.RESTART))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name=f"iso tap {self.iso.feed}")
            tasks.create_task(self._tend(), name=f"iso tend {self.iso.feed}")

    async def finish(self) -> None:
        """Close what is open and keep it. To be called once `run` has ended."""
        self._act(self._cutter.interrupt(PartCause.RESTART))
        if not await asyncio.to_thread(self._writer.stop, CLOSE_TIMEOUT):
            log.warning("the disk did not take the end of a recording", iso=self.iso.id, feed=self.iso.feed)
        await self._save()

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        async for item in self._tap:
            if isinstance(item, FeedStatus):
                self._status = item
                if item.phase is FeedPhase.LIVE:
                    self._heard = wall()
            self._act(self._cutter.take(item))
            self._tell()

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Begin):
                self._begin(action)
            elif isinstance(action, Put):
                if not self._put(action):
                    self._disk_failed("the disk does not keep up")
                    return
            else:
                self._end()

    def _begin(self, begin: Begin) -> None:
        self._number += 1
        # What is joined came some time ago: the newest keyframe is given first.
        started = begin.arrived or wall()
        part = IsoPart(self.iso.id, self._number, begin.cause, started, **tracks_of(begin.tracks))  # type: ignore[arg-type]  # keyed by its fields
        path = self._root / part_key(self.iso.id, self._number)
        written = self._writer.begin(
            path, begin.tracks, number=self._number, started=started, title=self.iso.feed
        )
        self._live[self._number] = _Live(part, Placing(), written)
        self._begun.set()  # kept at once: should we die, its row says what the file is of
        log.info(
            "a part begins", iso=self.iso.id, feed=self.iso.feed, file=self._number, cause=begin.cause.value
        )

    def _put(self, put: Put) -> bool:
        live = self._live[self._number]
        self._heard = wall()
        live.placing.arrived(put.block.time, put.arrived or self._heard)
        live.part = replace(live.part, duration=self._cutter.reached, holes=self._cutter.holes)
        self.blocks += 1
        return self._writer.put(put.block)

    def _end(self) -> None:
        live = self._live[self._number]
        if live.ended:
            return
        live.ended = True
        live.placing.close(live.part.duration)
        self._writer.end(live.part.duration)

    def _failed(self, reason: str) -> None:
        """On the writer's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process has ended already
            self._loop.call_soon_threadsafe(self._disk_failed, reason)

    def _disk_failed(self, reason: str) -> None:
        """The part in work is as long as it got; nothing is begun for a while."""
        if not self._disk:
            log.warning("a feed cannot be recorded", iso=self.iso.id, feed=self.iso.feed, reason=reason)
        self.failures += 1
        self._disk, self._retry_at = reason, time.monotonic() + RETRY
        self._cutter.halted = True
        self._act(self._cutter.interrupt(PartCause.DISK))
        self._tell()

    def _as_it_is(self, live: _Live) -> IsoPart:
        started = live.placing.started
        closed = live.ended and live.written.closed
        # A file that was given up ends where its last cluster does, not where the sender was by then.
        duration = live.written.reached if closed and live.written.failed else live.part.duration
        return replace(
            live.part,
            started=live.part.started if started is None else started,
            size=live.written.size,
            duration=duration,
            closed=closed,
            placements=live.placing.placements,
        )

    async def _tend(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_EVERY):
                    await self._begun.wait()
            self._begun.clear()
            if self._cutter.halted and time.monotonic() >= self._retry_at and self._writer.ready:
                self._cutter.halted = False
            if self._disk and self._cutter.open:
                self._disk = ""
                log.info("the feed is recorded again", iso=self.iso.id, feed=self.iso.feed)
            await self._save()
            self._changed()

    async def _save(self) -> None:
        for number, live in list(self._live.items()):
            part = self._as_it_is(live)
            try:
                await self._store.put_part(part)
            except StoreError as error:
                # It is kept at the next turn; should we die until then, the file itself tells of it.
                log.warning("a part could not be kept", iso=self.iso.id, file=number, reason=str(error))
                return
            if part.closed:
                del self._live[number]
                parts, size, duration = self._past
                self._past = parts + (part.size > 0), size + part.size, duration + part.duration

    def _tell(self) -> None:
        if (now := self.state) != self._told:
            self._told = now
            self._changed()

"""Recordings of feeds: begins, keeps up and ends them, and answers for them.

A process of its own for a recording would cost 60 MB for each feed; ingest must not wait for a disk, and a node must not
die of one. Here nothing waits for anybody: when this process dies, the recordings go on two seconds later in new parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from media.contracts.faults import Handler
from media.contracts.feeds import FeedDeleted
from media.contracts.isos import (
    DeleteIso,
    FeedPlaced,
    GetIso,
    IsoChanged,
    IsoDeleted,
    IsoGapView,
    IsoList,
    IsoView,
    ListIsos,
    StartIso,
    StopIso,
)
from media.jobs.iso_views import part_view, view_of
from media.model.errors import ConflictError, MediaError, StoreError
from media.ports import FeedTap
from media.record.iso.file import mend
from media.record.iso.isos import ISOS, Iso, IsoPart, PartCause, gaps, part_of
from media.record.iso.recorder import IsoRecorder
from media.record.iso.settings import IsoSettings
from media.record.iso.store import IsoStore
from media.record.iso.writer import Room, room
from media.record.settling import wall
from runtime import ids, logs
from runtime.bus.calls import events
from runtime.bus.contract import Command, Done, Event
from runtime.bus.port import Bus
from runtime.service import Service

log = logs.get("media.jobs.isos")

PATIENCE = 3.0
"""Seconds that a command waits for that."""
AGAIN = 2.0
"""Seconds until the database is asked again for what was running."""


class Isos:
    """Answers the commands of `media.contracts.isos`. `run` is a task of the owner."""

    def __init__(
        self,
        store: IsoStore,
        open_tap: Callable[[str], FeedTap],
        root: Path,
        settings: IsoSettings,
        tell: Callable[[Event], None],
        *,
        free: Room = room,
    ) -> None:
        self._store = store
        self._open_tap = open_tap
        self._root = root
        self._settings = settings
        self._tell = tell
        self._free = free
        self._running: dict[str, tuple[IsoRecorder, asyncio.Task[None]]] = {}
        """By feed."""
        self._lock = asyncio.Lock()
        self._taken_up = asyncio.Event()
        self.began = 0
        self.mended = 0
        """Files of a process that died, closed by us."""

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        """The commands this owner answers."""
        return {
            StartIso: self.start,
            StopIso: self.stop,
            ListIsos: self.list,
            GetIso: self.get,
            DeleteIso: self.delete,
        }

    @property
    def recorders(self) -> Sequence[IsoRecorder]:
        """Those that run."""
        return [recorder for recorder, _ in self._running.values()]

    async def run(self, bus: Bus) -> None:
        """Take up what ran when the process before us ended, then follow until cancelled; closes all files."""
        try:
            await self._take_up()
            async with events(bus, FeedPlaced, FeedDeleted) as stream:
                async for event in stream:
                    if isinstance(event, FeedPlaced):
                        if event.feed in self._running:
                            self._running[event.feed][0].placed(event)
                    elif isinstance(event, FeedDeleted):
                        await self._feed_gone(event.feed)
        finally:
            await asyncio.gather(*(self._halt(feed) for feed in list(self._running)))

    async def start(self, command: StartIso) -> IsoView:
        """Begin, or find it running."""
        await self._ready()
        async with self._lock:
            running = self._running.get(command.feed)
            if running is None:
                if len(self._running) >= self._settings.max_running:
                    raise ConflictError(
                        f"{self._settings.max_running} feeds are recorded already (iso.max_running)",
                        field="feed",
                    )
                iso = await self._store.start(ids.new(), command.feed, wall())
                running = self._record(iso, PartCause.START, 0)
                self.began += 1
                log.info("a feed is recorded", iso=iso.id, feed=iso.feed)
            view = view_of(running[0].now(), running[0])
        self._tell(IsoChanged(iso=view))
        return view

    async def stop(self, command: StopIso) -> IsoView:
        """End it; the file is whole when this returns, unless the disk does not answer."""
        await self._ready()
        async with self._lock:
            iso = await self._store.get(command.iso)
            if iso.running:
                # The end is kept before the file is closed: should we die in between, nobody goes on with it.
                iso = await self._store.stop(iso.id, wall())
                if self._is_running(iso):
                    await self._halt(iso.feed)
                iso = await self._store.get(iso.id)
                log.info("a feed is recorded no longer", iso=iso.id, feed=iso.feed)
                self._tell(IsoChanged(iso=view_of(iso)))
            return await self._whole(iso)

    async def list(self, command: ListIsos) -> IsoList:
        """Newest first, without parts and gaps."""
        found = await self._store.list(command.feed)
        return IsoList(isos=[self._view(iso) for iso in found])

    async def get(self, command: GetIso) -> IsoView:
        """One with its parts and gaps."""
        return await self._whole(await self._store.get(command.iso))

    async def delete(self, command: DeleteIso) -> Done:
        """The row first, then the files: what is left of them is found by the sweep of old tape."""
        async with self._lock:
            await self._store.delete(command.iso, wall())
        await asyncio.to_thread(_remove, self._root / ISOS / command.iso)
        self._tell(IsoDeleted(iso=command.iso))
        return Done()

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _ready(self) -> None:
        """What ran before is taken up first: two recorders of one feed must not be."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._taken_up.wait()
        except TimeoutError as error:
            raise StoreError("what was recorded before is not taken up yet; try again") from error

    def _is_running(self, iso: Iso) -> bool:
        return iso.feed in self._running and self._running[iso.feed][0].iso.id == iso.id

    def _record(self, iso: Iso, cause: PartCause, number: int) -> tuple[IsoRecorder, asyncio.Task[None]]:
        def changed() -> None:
            self._tell(IsoChanged(iso=view_of(recorder.now(), recorder)))

        recorder = IsoRecorder(
            iso,
            self._open_tap(iso.feed),
            self._store,
            self._root,
            self._settings,
            changed,
            cause=cause,
            number=number,
            free=self._free,
        )
        service = Service(f"iso {iso.feed}", recorder.run)
        task = asyncio.create_task(service.run(), name=service.name)
        self._running[iso.feed] = recorder, task
        return recorder, task

    async def _halt(self, feed: str) -> None:
        """End the recorder of a feed, its file closed."""
        recorder, task = self._running.pop(feed)
        task.cancel()
        await asyncio.wait([task])
        await recorder.finish()

    async def _feed_gone(self, feed: str) -> None:
        if feed in self._running:
            # Nobody can wait for the answer, and the database may be away: then it waits for a feed that is no more.
            with contextlib.suppress(MediaError):
                await self.stop(StopIso(iso=self._running[feed][0].iso.id, cause="the feed was deleted"))

    async def _take_up(self) -> None:
        while True:
            try:
                async with self._lock:
                    await self._mend()
                    for iso in await self._store.list():
                        if iso.running and iso.feed not in self._running:
                            numbers = await asyncio.to_thread(_numbers, self._root, iso.id)
                            self._record(iso, PartCause.RESTART, max(numbers, default=0))
                            log.info("the recording of a feed is taken up", iso=iso.id, feed=iso.feed)
            except (StoreError, OSError) as error:
                log.warning("recordings of feeds cannot be taken up", reason=str(error))
                await asyncio.sleep(AGAIN)
            else:
                self._taken_up.set()
                return

    async def _mend(self) -> None:
        """Close the files that the process before us left open."""
        open_parts = {(part.iso, part.number): part for part in await self._store.open_parts()}
        for iso in await self._store.list():
            if not iso.running:
                continue
            # A file that the store was never told of: it was begun in the last seconds.
            known = {part.number for part in await self._store.parts(iso.id)}
            for number in set(await asyncio.to_thread(_numbers, self._root, iso.id)) - known:
                open_parts[iso.id, number] = IsoPart(iso.id, number, PartCause.RESTART, 0)
        for part in open_parts.values():
            found = await asyncio.to_thread(mend, self._root / part.key)
            if found is None:  # nothing had come into it, or somebody took it away
                if part.started:
                    await self._store.put_part(replace(part, size=0, duration=0, closed=True))
                continue
            self.mended += 1
            started = part.started or found.started
            whole = replace(part, started=started, size=found.size, duration=found.duration, closed=True)
            await self._store.put_part(whole)

    def _view(self, iso: Iso) -> IsoView:
        if self._is_running(iso):
            recorder = self._running[iso.feed][0]
            return view_of(recorder.now(), recorder)
        return view_of(iso)

    async def _whole(self, iso: Iso) -> IsoView:
        parts = {part.number: part for part in await self._store.parts(iso.id) if part.size}
        recorder = self._running[iso.feed][0] if self._is_running(iso) else None
        if recorder is not None:
            parts |= {number: part for number, part in recorder.parts().items() if part.size}
        ordered = [parts[number] for number in sorted(parts)]
        return self._view(iso).model_copy(
            update={
                "parts": [part_view(iso.feed, part) for part in ordered],
                "gaps": [IsoGapView(starts=g.starts, ends=g.ends, cause=g.cause) for g in gaps(iso, ordered)],
            }
        )


def _numbers(root: Path, iso: str) -> list[int]:
    """Numbers of the files there are of a recording."""
    found = (part_of(f"{ISOS}/{iso}/{path.name}") for path in (root / ISOS / iso).glob("*.mkv"))
    return sorted(each[1] for each in found if each)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)

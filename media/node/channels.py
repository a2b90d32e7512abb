"""Channels: kept in the store, run by the engine, told to everybody by events."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from media.contracts.channels import (
    AddDateRange,
    CapacityView,
    ChannelChanged,
    ChannelDeleted,
    ChannelList,
    ChannelView,
    CreateChannel,
    DeleteChannel,
    GetCapacity,
    GetChannel,
    ListChannels,
    NowReply,
    Program,
    ProgrammeNow,
    SetProgram,
    StartChannel,
    StopChannel,
    UpdateChannel,
    WatchChannel,
    WorkerLost,
    WorkerStarted,
)
from media.contracts.faults import Handler
from media.model.errors import CapacityError, ConflictError, NotFoundError, SpecError, StoreError
from media.node.admission import Admission, rung_values
from media.node.airing import OFF_AIR, OnAir, now_of, on_air
from media.node.settings import ChannelSeed
from media.node.spec import shown_differs, to_date_range, to_spec
from media.node.store import ChannelRecord, ChannelStore
from media.ports import Engine, EngineEvent
from media.record.gaps import GapCause, GapLog, KnownGap
from runtime import logs
from runtime.bus.contract import Command, Done, Event

log = logs.get("media.node.channels")

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

ROUSE_SECONDS = 2.5
"""That a show's start waits for an idle channel; the studio waits three for the answer."""

Publish = Callable[[Event], None]
"""Hands an event to the bus without waiting."""


class Channels:
    """All channels of this node: answers their commands and follows their workers.

    Commands are handled one at a time per channel, so a start cannot overtake the stop before it.
    """

    def __init__(
        self,
        store: ChannelStore,
        engine: Engine,
        gap_log: GapLog,
        publish: Publish,
        admission: Admission,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._gap_log = gap_log
        self._engine = engine
        self._publish = publish
        self._records: dict[str, ChannelRecord] = {}
        self._on_air: dict[str, OnAir] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.admission = admission
        self._clock = clock
        self._awake: dict[str, float] = {}
        """On-demand channels that run, and when somebody last asked for them."""
        self._refused: dict[str, str] = {}
        """On-demand channels that were asked for and not admitted, and why."""
        self._news = asyncio.Event()
        self.worker_starts = 0
        self.worker_losses = 0
        """Workers that ended without being asked to."""

    # --- start -------------------------------------------------------------------------------------------------------

    async def load(self, seeds: list[ChannelSeed]) -> None:
        """Read the store, add seeds that are missing, and put on air what is wanted."""
        for record in await self._store.all():
            self._records[record.id] = record
        for seed in seeds:
            if seed.id not in self._records:
                to_spec(seed.id, seed.settings)
                record = ChannelRecord(
                    seed.id, seed.settings, 1, seed.start, Program(feed=seed.program, backup=seed.backup)
                )
                await self._store.add(record)
                self._records[seed.id] = record
        for record in self._records.values():
            if self._runs(record):
                # Refused when it was started, if at all: a restart must not take a channel off air.
                await self._run(record, force=True)

    # --- commands ----------------------------------------------------------------------------------------------------

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        """The commands this owner answers."""
        return {
            CreateChannel: self.create,
            UpdateChannel: self.update,
            StartChannel: self.start,
            StopChannel: self.stop,
            DeleteChannel: self.delete,
            ListChannels: self.list,
            GetChannel: self.get,
            SetProgram: self.set_program,
            ProgrammeNow: self.now,
            AddDateRange: self.add_date_range,
            WatchChannel: self.watch,
            GetCapacity: self.capacity,
        }

    async def create(self, command: CreateChannel) -> ChannelView:
        """Add a channel, and put it on air when asked to."""
        channel = command.channel
        if not _ID.fullmatch(channel):
            raise SpecError(
                "a channel's id is lower-case letters, digits and hyphens, 40 at most", field="channel"
            )
        to_spec(channel, command.settings)
        async with self._locks.setdefault(channel, asyncio.Lock()):
            record = ChannelRecord(channel, command.settings, 1, command.start, Program())
            if channel in self._records:  # before its room is taken
                raise ConflictError(f"there is a channel {channel!r} already", field="channel")
            async with self._room(record, force=command.force):
                await self._store.add(record)
                self._records[channel] = record
            await self._engage(record)
        return self._tell(channel)

    async def update(self, command: UpdateChannel) -> ChannelView:
        """Replace the settings; a channel on air restarts with them."""
        to_spec(command.channel, command.settings)
        async with self._lock(command.channel):
            before = self._record(command.channel, command.version)
            record = dataclasses.replace(before, settings=command.settings, version=before.version + 1)
            if before.wanted and not before.settings.on_demand:
                self._awake[record.id] = (
                    self._clock()
                )  # it goes on; on demand from now, it stops when nobody asks
            changes = not self._runs(record) or shown_differs(before.settings, record.settings)
            async with self._room(record, force=command.force, anew=changes):
                await self._keep(record)
            if changes:
                await self._take_off(record.id)
                if not self._runs(record):
                    self._let_go(record.id)
            await self._engage(record)
        return self._tell(command.channel)

    async def start(self, command: StartChannel) -> ChannelView:
        """Put a channel on air; one on demand too, until nobody asks for it."""
        async with self._lock(command.channel):
            before = self._record(command.channel)
            record = dataclasses.replace(before, wanted=True)
            asleep = record.settings.on_demand and record.id not in self._awake
            self._awake[record.id] = self._clock()
            try:
                async with self._room(record, force=command.force):
                    await self._keep(record)
            except BaseException:
                if asleep:
                    self._awake.pop(record.id, None)
                raise
            await self._engage(record)
        return self._tell(command.channel)

    async def watch(self, command: WatchChannel) -> ChannelView:
        """Somebody asks for a channel: start it where it is on demand and idle."""
        if command.channel in self._awake:
            self._awake[command.channel] = self._clock()
        if not self.view(command.channel).idle:
            return self.view(command.channel)
        try:
            return await self.start(StartChannel(channel=command.channel, cause=command.cause))
        except CapacityError as error:
            if self._refused.get(command.channel) != str(error):
                self._refused[command.channel] = str(error)
                log.warning("an idle channel cannot start", channel=command.channel, why=str(error))
                self._tell(command.channel)
            raise

    async def capacity(self, command: GetCapacity) -> CapacityView:
        """What is used and left of the machine."""
        settings = command.settings
        if command.channel in self._records and settings is None:
            settings = self._records[command.channel].settings
        return await self.admission.view(command.channel, settings)

    async def stop(self, command: StopChannel) -> ChannelView:
        """Take a channel off air."""
        async with self._lock(command.channel):
            record = self._record(command.channel)
            await self._keep(dataclasses.replace(record, wanted=False))
            self._refused.pop(record.id, None)
            await self._take_off(record.id)
            self._let_go(record.id)
        return self._tell(command.channel)

    async def delete(self, command: DeleteChannel) -> Done:
        """Remove a channel that is off air."""
        async with self._lock(command.channel):
            if self._record(command.channel).wanted:
                raise ConflictError("stop the channel before deleting it")
            await self._store.remove(command.channel)
            del self._records[command.channel]
            self._awake.pop(command.channel, None)
        self._publish(ChannelDeleted(channel=command.channel))
        return Done()

    async def list(self, _: ListChannels) -> ChannelList:
        """All channels, by id."""
        return ChannelList(channels=[self.view(channel) for channel in sorted(self._records)])

    async def get(self, command: GetChannel) -> ChannelView:
        """One channel."""
        return self.view(command.channel)

    async def set_program(self, command: SetProgram) -> ChannelView:
        """Put a feed on program. It is kept first, so that a worker that starts meanwhile reads it."""
        if command.feed is not None and command.feed == command.backup:
            raise SpecError("the backup must be another feed than the one on program", field="backup")
        async with self._lock(command.channel):
            record = self._record(command.channel, command.version)
            program = Program(feed=command.feed, backup=command.backup)
            # The same once more is no change: whoever asks again because no answer came must not make others stale.
            version = record.version + (program != record.program)
            await self._keep(dataclasses.replace(record, program=program, version=version))
            self._engine.tell(record.id, "program", {**program.model_dump(), "command": command.id})
        return self._tell(command.channel)

    async def now(self, command: ProgrammeNow) -> NowReply:
        """The programme time of this instant; a conflict while the channel is off air."""
        return self.programme_now(command.channel)

    async def add_date_range(self, command: AddDateRange) -> Done:
        """Hand a date range to the worker."""
        if not self._airing(command.channel).epoch:
            raise ConflictError("the channel is off air")
        to_date_range(command.range)
        self._engine.tell(command.channel, "daterange", command.range.model_dump())
        return Done()

    # --- what others of the node ask ---------------------------------------------------------------------------------

    def programme_now(self, channel: str) -> NowReply:
        """As `now`. The worker's ticks follow CLOCK_MONOTONIC, so its last report can be carried forward exactly."""
        airing = self._airing(channel)
        if not airing.epoch:
            raise ConflictError("the channel is off air")
        return NowReply(time=now_of(airing), epoch=airing.epoch)

    def longest_dvr(self, channel: str) -> int:
        """Seconds of tape that viewers may seek back on a channel."""
        return self._record(channel).settings.dvr_seconds

    def ids(self) -> tuple[str, ...]:
        """All channels."""
        return tuple(self._records)

    def view(self, channel: str) -> ChannelView:
        """A channel as others see it."""
        record = self._record(channel)
        airing = self._airing(channel)
        load = self.admission.get(channel)
        return ChannelView(
            id=record.id,
            settings=record.settings,
            version=record.version,
            wanted=record.wanted,
            program=record.program,
            state=airing.state,
            picture=airing.picture,
            reason=airing.reason or self._why_dark(record, airing),
            epoch=airing.epoch,
            anchor=airing.anchor,
            origin=airing.origin,
            ready=airing.ready,
            speed=airing.speed,
            idle=record.wanted and not self._runs(record),
            rungs=rung_values(load.spec.ladder) if load else record.settings.ladder,
            ladder_why=load.why if load else "",
            needs=self.admission.needs(channel),
        )

    # --- on demand ---------------------------------------------------------------------------------------------------

    def on_demand(self) -> tuple[str, ...]:
        """Channels that run only while somebody asks for them."""
        return tuple(name for name, each in self._records.items() if each.wanted and each.settings.on_demand)

    async def rouse(self, channel: str) -> None:
        """Have an on-demand channel on air, if that comes in `ROUSE_SECONDS`. Raises `CapacityError`."""
        await self.watch(WatchChannel(channel=channel))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROUSE_SECONDS):
                while channel in self._awake and not self._airing(channel).epoch:
                    await self._news.wait()

    async def rest(self, channel: str) -> None:
        """Stop an on-demand channel that nobody has asked for in its `idle_seconds`."""
        async with self._lock(channel):
            record, asked = self._record(channel), self._awake.get(channel)
            if asked is None or self._clock() - asked < record.settings.idle_seconds:
                return
            log.info("nobody watches", channel=channel, seconds=record.settings.idle_seconds)
            await self._take_off(channel)
            self._let_go(channel)
        self._tell(channel)

    # --- what workers say --------------------------------------------------------------------------------------------

    def listen(self, name: str, event: EngineEvent, data: dict[str, object]) -> None:
        """The engine's listener: follow a worker. Reports of a channel that is gone or off are ignored."""
        record = self._records.get(name)
        if record is None or not self._runs(record):
            return
        before = self._airing(name)
        match event:
            case EngineEvent.READY:
                self._on_air[name] = on_air(data)
                self.worker_starts += 1
                self._publish(
                    WorkerStarted(
                        channel=name, epoch=self._on_air[name].epoch, anchor=self._on_air[name].anchor
                    )
                )
            case EngineEvent.EXITED:
                self.worker_losses += 1
                reason = str(data.get("reason", ""))
                what = (
                    "its worker failed for good" if data.get("permanent") else "its worker is started again"
                )
                self._on_air[name] = OnAir(reason=f"{what}: {reason}")
                log.warning("worker lost", channel=name, epoch=before.epoch, reason=reason)
                self._publish(WorkerLost(channel=name, epoch=before.epoch, reason=reason))
            case EngineEvent.TOLD if data.get("kind") == "state":
                self._on_air[name] = on_air(data)
            case _:
                return
        self._tell(name)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _airing(self, channel: str) -> OnAir:
        self._record(channel)
        return self._on_air.get(channel, OFF_AIR)

    def _record(self, channel: str, version: int | None = None) -> ChannelRecord:
        """A channel's record; with `version` only where it is at that one."""
        try:
            record = self._records[channel]
        except KeyError:
            raise NotFoundError(f"there is no channel {channel!r}", field="channel") from None
        if version is not None and version != record.version:
            raise ConflictError(f"the channel is at version {record.version}, not {version}", field="version")
        return record

    def _lock(self, channel: str) -> asyncio.Lock:
        self._record(channel)  # first: names that nobody made must not stay here as locks
        return self._locks.setdefault(channel, asyncio.Lock())

    def _runs(self, record: ChannelRecord) -> bool:
        """Whether it shall have a worker now."""
        return record.wanted and (not record.settings.on_demand or record.id in self._awake)

    @contextlib.asynccontextmanager
    async def _room(self, record: ChannelRecord, *, force: bool, anew: bool = False) -> AsyncIterator[None]:
        """Admit a channel that shall run, unless the block fails; `anew` also one that runs, with other settings.
        Raises `CapacityError`.
        """
        before = self.admission.get(record.id)
        if not self._runs(record) or (before is not None and not anew):
            yield
            return
        await self.admission.admit(record.id, record.settings, force=force)
        try:
            yield
        except BaseException:
            self.admission.restore(record.id, before)
            raise

    async def _engage(self, record: ChannelRecord) -> None:
        """Have it run that was admitted; no more than that of others."""
        load = self.admission.get(record.id)
        if load is not None and self._runs(record):
            self._refused.pop(record.id, None)
            await self._engine.ensure(record.id, load.config)

    def _let_go(self, channel: str) -> None:
        """A channel that runs no longer needs no room."""
        self._awake.pop(channel, None)
        self.admission.release(channel)

    async def _run(self, record: ChannelRecord, *, force: bool) -> None:
        async with self._room(record, force=force):
            await self._engage(record)

    def _why_dark(self, record: ChannelRecord, airing: OnAir) -> str:
        if airing.epoch or not record.wanted:
            return ""
        if self._runs(record):
            return "its worker is starting"
        refused = self._refused.get(record.id)
        return f"it cannot start: {refused}" if refused else "it starts when somebody watches"

    async def _take_off(self, channel: str) -> None:
        """Take a channel off air, and have the tape know that it was on purpose."""
        began = self._airing(channel)
        starts = now_of(began)
        await self._engine.stop(channel)
        self._on_air.pop(channel, None)
        if not began.epoch:
            return  # nothing to stop, or its worker was lost before
        gap = KnownGap(channel, starts, now_of(began), GapCause.STOPPED.value)
        try:
            await self._gap_log.add_gap(gap)
        except StoreError as error:
            log.warning(
                "the tape's gap will not say that it was on purpose", channel=channel, error=str(error)
            )

    async def _keep(self, record: ChannelRecord) -> None:
        await self._store.save(record)
        self._records[record.id] = record

    def _tell(self, channel: str) -> ChannelView:
        news, self._news = self._news, asyncio.Event()
        news.set()
        view = self.view(channel)
        self._publish(ChannelChanged(channel=view))
        return view

"""Channels: kept in the store, run by the engine, told to everybody by events."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any

from media.contracts.channels import (
    AddDateRange,
    ChannelChanged,
    ChannelDeleted,
    ChannelList,
    ChannelView,
    CreateChannel,
    DeleteChannel,
    GetChannel,
    ListChannels,
    NowReply,
    Program,
    ProgrammeNow,
    SetProgram,
    StartChannel,
    StopChannel,
    UpdateChannel,
    WorkerLost,
    WorkerStarted,
)
from media.contracts.faults import Handler
from media.model.channel import ChannelState
from media.model.errors import ConflictError, NotFoundError, SpecError, StoreError
from media.model.time import ProgrammeTime
from media.node.settings import ChannelSeed
from media.node.spec import to_date_range, to_spec
from media.node.store import ChannelRecord, ChannelStore
from media.ports import Engine, EngineEvent
from media.record.gaps import GapCause, GapLog, KnownGap
from runtime import logs
from runtime.bus.contract import Command, Done, Event

log = logs.get("media.node.channels")

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

Publish = Callable[[Event], None]
"""Hands an event to the bus without waiting."""


@dataclasses.dataclass(frozen=True, slots=True)
class OnAir:
    """What the worker of a channel last said of itself. Replaced whole, never edited."""

    epoch: int = 0
    anchor: int = 0
    origin: str = ""
    state: ChannelState = ChannelState.OFFLINE
    picture: str = ""
    reason: str = ""
    ready: bool = False
    speed: float = 0.0
    time: int = 0
    """Programme time at `monotonic`."""
    monotonic: int = 0
    """CLOCK_MONOTONIC in nanoseconds: one clock for all processes of a machine."""


OFF_AIR = OnAir()


class Channels:
    """All channels of this node: answers their commands and follows their workers.

    Commands are handled one at a time per channel, so a start cannot overtake the stop before it.
    """

    def __init__(self, store: ChannelStore, engine: Engine, gap_log: GapLog, publish: Publish) -> None:
        self._store = store
        self._gap_log = gap_log
        self._engine = engine
        self._publish = publish
        self._records: dict[str, ChannelRecord] = {}
        self._on_air: dict[str, OnAir] = {}
        self._locks: dict[str, asyncio.Lock] = {}
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
            if record.wanted:
                await self._engine.ensure(record.id, {"channel": record.id})

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
            await self._store.add(record)
            self._records[channel] = record
            if command.start:
                await self._engine.ensure(channel, {"channel": channel})
        return self._tell(channel)

    async def update(self, command: UpdateChannel) -> ChannelView:
        """Replace the settings; a channel on air restarts with them."""
        to_spec(command.channel, command.settings)
        async with self._lock(command.channel):
            record = self._record(command.channel, command.version)
            await self._keep(
                dataclasses.replace(record, settings=command.settings, version=record.version + 1)
            )
            if record.wanted and command.settings != record.settings:
                await self._take_off(record.id)
                await self._engine.ensure(record.id, {"channel": record.id})
        return self._tell(command.channel)

    async def start(self, command: StartChannel) -> ChannelView:
        """Put a channel on air."""
        async with self._lock(command.channel):
            record = self._record(command.channel)
            await self._keep(dataclasses.replace(record, wanted=True))
            await self._engine.ensure(record.id, {"channel": record.id})
        return self._tell(command.channel)

    async def stop(self, command: StopChannel) -> ChannelView:
        """Take a channel off air."""
        async with self._lock(command.channel):
            record = self._record(command.channel)
            await self._keep(dataclasses.replace(record, wanted=False))
            await self._take_off(record.id)
        return self._tell(command.channel)

    async def delete(self, command: DeleteChannel) -> Done:
        """Remove a channel that is off air."""
        async with self._lock(command.channel):
            if self._record(command.channel).wanted:
                raise ConflictError("stop the channel before deleting it")
            await self._store.remove(command.channel)
            del self._records[command.channel]
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
        return NowReply(time=_now(airing), epoch=airing.epoch)

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
        return ChannelView(
            id=record.id,
            settings=record.settings,
            version=record.version,
            wanted=record.wanted,
            program=record.program,
            state=airing.state,
            picture=airing.picture,
            reason=airing.reason or ("its worker is starting" if record.wanted and not airing.epoch else ""),
            epoch=airing.epoch,
            anchor=airing.anchor,
            origin=airing.origin,
            ready=airing.ready,
            speed=airing.speed,
        )

    # --- what workers say --------------------------------------------------------------------------------------------

    def listen(self, name: str, event: EngineEvent, data: dict[str, object]) -> None:
        """The engine's listener: follow a worker. Reports of a channel that is gone or off are ignored."""
        record = self._records.get(name)
        if record is None or not record.wanted:
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

    async def _take_off(self, channel: str) -> None:
        """Take a channel off air, and have the tape know that it was on purpose."""
        began = self._airing(channel)
        starts = _now(began)
        await self._engine.stop(channel)
        self._on_air.pop(channel, None)
        if not began.epoch:
            return  # nothing to stop, or its worker was lost before
        gap = KnownGap(channel, starts, _now(began), GapCause.STOPPED.value)
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
        view = self.view(channel)
        self._publish(ChannelChanged(channel=view))
        return view


def _now(airing: OnAir) -> ProgrammeTime:
    """The programme time of this instant, by a worker's last report."""
    return ProgrammeTime(airing.time + (time.monotonic_ns() - airing.monotonic) // 1000)


def on_air(data: dict[str, object]) -> OnAir:
    """A worker's report as a value; unknown keys are passed over, missing ones keep their defaults."""
    known = {field.name for field in dataclasses.fields(OnAir)}
    values = {key: value for key, value in data.items() if key in known}
    if "state" in values:
        values["state"] = ChannelState(str(values["state"]))
    return OnAir(**values)  # type: ignore[arg-type]  # the worker's report is our own JSON, keyed by these fields

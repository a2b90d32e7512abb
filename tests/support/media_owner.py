"""The media as the studio meets it: channels, feeds and recordings that behave as the contracts say, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from media.contracts.channels import (
    AddDateRange,
    ChannelChanged,
    ChannelList,
    ChannelView,
    DateRange,
    GetChannel,
    ListChannels,
    NowReply,
    Program,
    ProgrammeNow,
    SetProgram,
)
from media.contracts.channels import ChannelSettings as Settings
from media.contracts.feeds import FeedChanged, FeedList, FeedView, ListFeeds
from media.contracts.tape import (
    DeleteRecording,
    RecordingList,
    RecordingView,
    StartRecording,
    StopRecording,
)
from media.model.channel import ChannelState
from media.model.feed import FeedKind, FeedPhase, SecondPublisher
from runtime.bus.calls import Handler, publish, serve
from runtime.bus.contract import Command, CommandError, Done, Fault
from runtime.bus.port import Bus
from runtime.clock import Clock

AHEAD = 250_000
"""Programme time is this many microseconds ahead of wall time: whoever mixes the two up is found out."""


def feed(name: str, phase: FeedPhase = FeedPhase.LIVE, reason: str = "") -> FeedView:
    return FeedView(
        id=name,
        kind=FeedKind.TEST,
        name=name,
        second_publisher=SecondPublisher.REFUSE,
        options={},
        version=1,
        phase=phase,
        reason=reason,
    )


class MediaOwner:
    """Owns what it is told to have. `answering` cleared: commands are carried out, but no answer comes."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self.channels: dict[str, ChannelView] = {}
        self.feeds: dict[str, FeedView] = {}
        self.recordings: dict[str, RecordingView] = {}
        self.ranges: dict[str, list[DateRange]] = {}
        """By channel, each one that was written, in order."""
        self.answering = asyncio.Event()
        self.answering.set()

    def add_channel(self, channel: str, program: Program) -> None:
        self.channels[channel] = ChannelView(
            id=channel,
            settings=Settings(),
            version=1,
            wanted=True,
            state=ChannelState.LIVE,
            program=program,
            picture=program.feed or "",
            epoch=1,
            anchor=1,
        )

    def programme_now(self) -> int:
        return self._clock.wall() + AHEAD

    async def set_phase(self, name: str, phase: FeedPhase, reason: str = "") -> None:
        self.feeds[name] = feed(name, phase, reason)
        await publish(
            self._bus, FeedChanged(feed=self.feeds[name], phase_changed=True, at=self._clock.wall())
        )

    async def set_program(self, command: SetProgram) -> ChannelView:
        channel = self._channel(command.channel)
        program = Program(feed=command.feed, backup=command.backup)
        self.channels[channel.id] = changed = channel.model_copy(update={"program": program})
        await publish(self._bus, ChannelChanged(channel=changed, at=self._clock.wall()))
        return changed

    def _channel(self, channel: str) -> ChannelView:
        try:
            return self.channels[channel]
        except KeyError:
            raise CommandError(Fault.NOT_FOUND, f"there is no channel {channel}", field="channel") from None

    def _recording(self, recording: str) -> RecordingView:
        try:
            return self.recordings[recording]
        except KeyError:
            raise CommandError(Fault.NOT_FOUND, f"there is no recording {recording}") from None

    async def _start(self, command: StartRecording) -> RecordingView:
        channel = self._channel(command.channel)
        running = self.recordings.get(command.recording)
        if running is None:
            running = RecordingView(id=command.recording, channel=channel.id, started=self.programme_now())
            self.recordings[running.id] = running
        elif running.ended:
            raise CommandError(Fault.CONFLICT, f"recording {running.id} has ended")
        await self.answering.wait()
        return running

    async def _stop(self, command: StopRecording) -> RecordingView:
        recording = self._recording(command.recording)
        if not recording.ended:
            recording = recording.model_copy(update={"ended": self.programme_now()})
            self.recordings[recording.id] = recording
        await self.answering.wait()
        return recording

    async def _delete(self, command: DeleteRecording) -> Done:
        if not self._recording(command.recording).ended:
            raise CommandError(Fault.CONFLICT, "it runs")
        del self.recordings[command.recording]
        return Done()

    async def _get_channel(self, command: GetChannel) -> ChannelView:
        return self._channel(command.channel)

    async def _now(self, command: ProgrammeNow) -> NowReply:
        self._channel(command.channel)
        return NowReply(time=self.programme_now(), epoch=1)

    async def _add_range(self, command: AddDateRange) -> Done:
        await self.answering.wait()
        self.ranges.setdefault(self._channel(command.channel).id, []).append(command.range)
        return Done()

    async def _channels(self, command: ListChannels) -> ChannelList:
        return ChannelList(channels=list(self.channels.values()))

    async def _feeds(self, command: ListFeeds) -> FeedList:
        return FeedList(feeds=list(self.feeds.values()))

    async def all_recordings(self) -> RecordingList:
        return RecordingList(recordings=list(self.recordings.values()))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer commands while open."""
        handlers: dict[type[Command[Any]], Handler] = {
            AddDateRange: self._add_range,
            GetChannel: self._get_channel,
            ListChannels: self._channels,
            ListFeeds: self._feeds,
            ProgrammeNow: self._now,
            SetProgram: self.set_program,
            StartRecording: self._start,
            StopRecording: self._stop,
            DeleteRecording: self._delete,
        }
        async with serve(self._bus, handlers):
            yield

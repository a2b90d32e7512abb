"""What shows ask of the media: its commands over the bus, with errors that say what did not happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from media.contracts.channels import (
    AddDateRange,
    ChannelView,
    DateRange,
    GetChannel,
    ListChannels,
    ProgrammeNow,
)
from media.contracts.feeds import FeedView, ListFeeds
from media.contracts.tape import DeleteRecording, RecordingView, StartRecording, StopRecording
from runtime.bus.calls import call
from runtime.bus.contract import Command, CommandError, Fault, Value
from runtime.bus.port import Bus
from studio.showlog.programme import ProgrammeTimes

ReplyT = TypeVar("ReplyT", bound=Value)


class MediaDesk:
    """The studio's side of the media contracts. Every call takes at most `timeout` seconds.

    Raises `CommandError` as the media gave it; `Fault.UNAVAILABLE` where it does not answer.
    """

    def __init__(
        self, bus: Bus, times: ProgrammeTimes, *, now: Callable[[], int], timeout: float = 3.0
    ) -> None:
        self._bus = bus
        self._times = times
        self._now = now
        self._timeout = timeout

    async def _ask(self, command: Command[ReplyT], timeout: float | None = None) -> ReplyT:
        return await call(self._bus, command, timeout=self._timeout if timeout is None else timeout)

    async def channel(self, channel: str) -> ChannelView:
        """One channel with what is on it."""
        return await self._ask(GetChannel(channel=channel))

    async def everything(self) -> tuple[list[ChannelView], list[FeedView]]:
        """All channels and all feeds."""
        channels, feeds = await asyncio.gather(self._ask(ListChannels()), self._ask(ListFeeds()))
        return channels.channels, feeds.feeds

    async def start_recording(self, channel: str, recording: str, *, cause: str) -> RecordingView:
        """Begin a recording at the programme time of now; the running one of this name is returned."""
        return await self._ask(StartRecording(channel=channel, recording=recording, cause=cause))

    async def stop_recording(self, recording: str, *, cause: str) -> RecordingView:
        """End it; an ended one is returned as it is."""
        return await self._ask(StopRecording(recording=recording, cause=cause))

    async def take_back(self, recording: str, *, cause: str) -> None:
        """Have no such recording, whether or not there is one."""
        try:
            await self.stop_recording(recording, cause=cause)
            await self.forget(recording, cause=cause)
        except CommandError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise

    async def forget(self, recording: str, *, cause: str) -> None:
        """Give an ended recording to retention; none of this name is fine too."""
        try:
            await self._ask(DeleteRecording(recording=recording, cause=cause))
        except CommandError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise

    async def add_range(self, channel: str, item: DateRange) -> None:
        """Write a date range into a channel's live playlists; the same id again replaces it."""
        await self._ask(AddDateRange(channel=channel, range=item))

    async def sample_time(self, channel: str) -> None:
        """Compare the channel's programme time with ours; where it does not answer the last sample stays good."""
        before = self._now()
        try:
            reply = await self._ask(ProgrammeNow(channel=channel), timeout=1.0)
        except CommandError:
            return
        self._times.learn(channel, wall=(before + self._now()) // 2, programme=reply.time)

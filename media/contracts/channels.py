"""Channels and what is on program: owned by the node process."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from media.model.channel import ChannelState
from runtime.bus.contract import Command, Done, Event, Value


class RungValue(Value):
    """One video rendition."""

    height: int
    bitrate: int


class ChannelSettings(Value):
    """A channel as configured; checked by `media.model.channel.ChannelSpec`."""

    name: str = ""
    width: int = 1280
    height: int = 720
    rate: str = "30"
    """Frames per second: `30`, `25`, `30000/1001`."""
    ladder: list[RungValue] = Field(
        default_factory=lambda: [
            RungValue(height=720, bitrate=2_500_000),
            RungValue(height=480, bitrate=1_200_000),
            RungValue(height=360, bitrate=700_000),
        ]
    )
    audio_bitrate: int = 128_000
    gop_frames: int = 30
    part_frames: int = 10
    segment_gops: int = 2
    dvr_seconds: int = 1800
    preset: str = "veryfast"
    burn_in: bool = False


class Program(Value):
    """What is on air: a feed, and the one that steps in when it is lost."""

    feed: str | None = None
    backup: str | None = None


class ChannelView(Value):
    """A channel with its state."""

    id: str
    settings: ChannelSettings
    version: int
    """Rises with each change of the settings or the program."""
    wanted: bool
    """Whether it shall be on air."""
    state: ChannelState = ChannelState.OFFLINE
    program: Program = Program()
    picture: str = ""
    """What viewers see: a feed's id, `freeze`, `slate`, or empty while offline."""
    reason: str = ""
    """In words: why the picture is not the program feed, or why a channel that shall be on air is offline."""
    epoch: int = 0
    anchor: int = 0
    """Programme time at which this epoch's media time is 0."""
    origin: str = ""
    """Where web and edges fetch: `unix:/path` or `http://host:port`; empty while offline."""
    ready: bool = False
    """Every rendition lists a segment."""
    speed: float = 0.0
    """Ticks done per tick due over the last 5 s; below 1 the machine is too slow."""


class ChannelList(Value):
    """All channels, by id."""

    channels: list[ChannelView]


class CreateChannel(Command[ChannelView]):
    """Add a channel; `start` puts it on air."""

    topic: ClassVar[str] = "media.channels.create"
    reply = ChannelView
    channel: str
    settings: ChannelSettings = ChannelSettings()
    start: bool = True


class UpdateChannel(Command[ChannelView]):
    """Replace a channel's settings; on air this takes a new epoch (viewers see one discontinuity)."""

    topic: ClassVar[str] = "media.channels.update"
    reply = ChannelView
    channel: str
    version: int | None = None
    settings: ChannelSettings


class StartChannel(Command[ChannelView]):
    """Put a channel on air."""

    topic: ClassVar[str] = "media.channels.start"
    reply = ChannelView
    channel: str


class StopChannel(Command[ChannelView]):
    """Take a channel off air."""

    topic: ClassVar[str] = "media.channels.stop"
    reply = ChannelView
    channel: str


class DeleteChannel(Command[Done]):
    """Remove a channel that is off air."""

    topic: ClassVar[str] = "media.channels.delete"
    reply = Done
    channel: str


class ListChannels(Command[ChannelList]):
    """All channels with their states."""

    topic: ClassVar[str] = "media.channels.list"
    asks = True
    reply = ChannelList


class GetChannel(Command[ChannelView]):
    """One channel."""

    topic: ClassVar[str] = "media.channels.get"
    asks = True
    reply = ChannelView
    channel: str


class SetProgram(Command[ChannelView]):
    """Put a feed on program, with a backup or none. It stays so over restarts. Another `version` than the channel's
    own is a conflict: somebody has changed it meanwhile.
    """

    topic: ClassVar[str] = "media.program.set"
    reply = ChannelView
    channel: str
    version: int | None = None
    feed: str | None = None
    backup: str | None = None


class ProgrammeNow(Command["NowReply"]):
    """The programme time of a channel this instant (what the mixer is making, not what a viewer sees)."""

    topic: ClassVar[str] = "media.channels.now"
    asks = True
    channel: str


class NowReply(Value):
    """`time` is programme time in microseconds."""

    time: int
    epoch: int


ProgrammeNow.reply = NowReply


class DateRange(Value):
    """One ``EXT-X-DATERANGE`` (RFC 8216bis §4.4.5.1) on a channel's live playlists."""

    id: str
    starts: int
    """Programme time, microseconds."""
    duration: float | None = None
    class_: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    """`X-…` names only; values are written as quoted strings."""


class AddDateRange(Command[Done]):
    """Write a date range into the live playlists; the same id again replaces its attributes."""

    topic: ClassVar[str] = "media.channels.daterange"
    reply = Done
    channel: str
    range: DateRange


class ChannelChanged(Event):
    """A channel was made or changed, its state changed, or (every 2 s on air) its figures did."""

    topic: ClassVar[str] = "media.channel.changed"
    channel: ChannelView


class ChannelDeleted(Event):
    """A channel is gone."""

    topic: ClassVar[str] = "media.channel.deleted"
    channel: str


class PictureChanged(Event):
    """What viewers see changed, at this programme time: a cut, a freeze, the slate, a return."""

    topic: ClassVar[str] = "media.picture.changed"
    channel: str
    epoch: int
    time: int
    picture: str
    reason: str = ""
    command: str = ""
    """Id of the command that caused it; empty when the switcher decided."""


class WorkerStarted(Event):
    """A new epoch is on air."""

    topic: ClassVar[str] = "media.worker.started"
    channel: str
    epoch: int
    anchor: int


class WorkerLost(Event):
    """The worker of an epoch ended without being asked to."""

    topic: ClassVar[str] = "media.worker.lost"
    channel: str
    epoch: int
    reason: str

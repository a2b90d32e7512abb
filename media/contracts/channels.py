"""Channels and what is on program: owned by the node process."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

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
    """Empty, or the word `auto`: chosen by the canvas's size and by what the machine has left."""
    audio_bitrate: int = 128_000
    gop_frames: int = 30
    part_frames: int = 10
    segment_gops: int = 2
    dvr_seconds: int = 1800
    preset: str = "veryfast"
    burn_in: bool = False
    on_demand: bool = False
    """Runs only while somebody watches or a show runs."""
    idle_seconds: int = 60
    """After so many seconds without either it stops; on-demand channels alone."""

    @field_validator("ladder", mode="before")
    @classmethod
    def _auto(cls, ladder: object) -> object:
        return [] if ladder == "auto" else ladder


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
    """Whether it shall be on air; of an on-demand channel, whether it may be."""
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
    """The share of the last 5 s' pictures that were made, and in time, by the mixer and by the slowest rung; below 1 the
    machine is too slow.
    """
    idle: bool = False
    """On demand, and nobody asks for it: it has no worker and costs nothing."""
    rungs: list[RungValue] = Field(default_factory=list)
    """The ladder in force: the settings', or what `auto` chose; empty while it does not run and is to be chosen."""
    ladder_why: str = ""
    """In words: how `auto` came to it; empty for a ladder of the settings."""
    needs: float = 0.0
    """Cores it is estimated to take on air; 0 while it does not run."""


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
    force: bool = False
    """Also where the machine has no room for it."""


class UpdateChannel(Command[ChannelView]):
    """Replace a channel's settings; on air this takes a new epoch (viewers see one discontinuity)."""

    topic: ClassVar[str] = "media.channels.update"
    reply = ChannelView
    channel: str
    version: int | None = None
    settings: ChannelSettings
    force: bool = False


class StartChannel(Command[ChannelView]):
    """Put a channel on air."""

    topic: ClassVar[str] = "media.channels.start"
    reply = ChannelView
    channel: str
    force: bool = False


class WatchChannel(Command[ChannelView]):
    """Somebody wants to see a channel: one that is on demand and idle starts, one that runs stays on for `idle_seconds`
    more. Others are left as they are.
    """

    topic: ClassVar[str] = "media.channels.watch"
    asks = True
    reply = ChannelView
    channel: str


class CapacityUse(Value):
    """What one channel takes."""

    channel: str
    cores: float


class CapacityView(Value):
    """The machine's cores and who takes them, by estimate."""

    cpu: str
    cores: float
    """That this machine has for us."""
    limit: float
    """That channels may take together: `node.capacity` of them."""
    used: list[CapacityUse]
    """By channel, of those that run."""
    left: float
    measured: list[str]
    """Presets whose cost was measured on this machine; of others a reference machine's counts."""
    needs: float = 0.0
    """Of the channel that was asked about."""
    fits: list[RungValue] = Field(default_factory=list)
    """The best part of its ladder that fits beside the others; empty where none does."""
    fits_needs: float = 0.0


class GetCapacity(Command[CapacityView]):
    """What is used and left; with a channel, what that one would take, with other settings where they are given."""

    topic: ClassVar[str] = "media.channels.capacity"
    asks = True
    reply = CapacityView
    channel: str | None = None
    settings: ChannelSettings | None = None


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
    """Write a date range into the live playlists; the same id again replaces it. One without a duration lasts until now."""

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

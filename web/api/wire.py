"""What goes over the wire: request and response bodies of the API.

Apart from the bus contracts on purpose: those may grow with the processes behind, this is promised to browsers and
to others' programs. Times are RFC 3339 UTC, ids opaque strings, lists paged. Unknown fields are refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from media.contracts.jobs import JobState
from media.model.channel import ChannelState
from media.model.feed import FeedKind, FeedPhase, SecondPublisher
from studio.contracts.shows import ShowState

ID = r"[a-z0-9][a-z0-9-]{0,39}"
"""Grammar of ids that people choose (channels, feeds)."""

Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$",
        json_schema_extra={"format": "date-time"},
        examples=["2026-03-02T11:00:00.000000Z"],
    ),
]
"""RFC 3339 in UTC; made by `time_of`, read by `micros_of`."""

Name = Annotated[str, Field(max_length=120)]
Slug = Annotated[str, Field(pattern=rf"^{ID}$", examples=["main"])]


def time_of(micros: int) -> str:
    """Unix or programme time in microseconds as a `Time`, exact."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def maybe_time_of(micros: int) -> str | None:
    """As `time_of`, None for the contracts' 0 (not yet)."""
    return time_of(micros) if micros else None


def micros_of(text: str) -> int:
    """The inverse of `time_of`; raises ValueError for a date that does not exist."""
    stamp = datetime.fromisoformat(text)
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class Wire(BaseModel):
    """Base of all bodies: frozen, and a field that we do not know is an error, not a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(Wire):
    """Query of every list."""

    limit: int = Field(default=50, ge=1, le=200, description="Items on one page at most.")
    cursor: str = Field(default="", max_length=200, description="`next` of the page before.")


# --- problems --------------------------------------------------------------------------------------------------------


class FieldFault(Wire):
    """One value at fault."""

    field: str = Field(description="Dotted path, such as `settings.ladder.0.height`.")
    detail: str


class ProblemBody(Wire):
    """RFC 9457 problem details."""

    type: str = Field(description="Stable URI of the kind of problem; a page for people is served there.")
    title: str
    status: int
    detail: str = Field(description="A sentence for a person, Korean or English by Accept-Language.")
    instance: str = Field(description="The path that was asked for.")
    field: str | None = Field(default=None, description="Dotted path of the first value at fault.")
    errors: list[FieldFault] | None = Field(
        default=None, description="All values at fault, where there are several."
    )
    reason: str | None = Field(default=None, description="What the owner of the thing said, in English.")
    position: str | None = Field(
        default=None, description="Line and column where a JSON text stops making sense."
    )
    retry_after: int | None = Field(default=None, description="Seconds after which trying again makes sense.")


# --- channels --------------------------------------------------------------------------------------------------------


class Rung(Wire):
    """One video rendition."""

    height: int = Field(description="Pixels along the canvas's shorter side; even.")
    bitrate: int = Field(description="Bits per second.")


class ChannelSettings(Wire):
    """Canvas, rate, ladder and latency of a channel. Changing them on air costs viewers one discontinuity."""

    name: Name = ""
    width: int = 1280
    height: int = 720
    rate: str = Field(default="30", max_length=16, description="Frames per second: `30`, `25`, `30000/1001`.")
    ladder: list[Rung] = Field(
        default=[
            Rung(height=720, bitrate=2_500_000),
            Rung(height=480, bitrate=1_200_000),
            Rung(height=360, bitrate=700_000),
        ],
        max_length=8,
        description="Highest rung first. None chooses it by the canvas and by what the machine has left.",
    )
    audio_bitrate: int = 128_000
    gop_frames: int = 30
    part_frames: int = Field(default=10, description="Frames in one LL-HLS part; divides `gop_frames`.")
    segment_gops: int = 2
    dvr_seconds: int = Field(default=1800, description="How far back viewers can seek.")
    preset: str = Field(default="veryfast", max_length=20)
    burn_in: bool = Field(
        default=False, description="Burn the programme time into the picture (demo, measuring)."
    )
    on_demand: bool = Field(
        default=False, description="Run only while somebody watches or a show runs; else it costs nothing."
    )
    idle_seconds: int = Field(
        default=60, description="Seconds without either after which an on-demand channel stops."
    )

    @field_validator("ladder", mode="before")
    @classmethod
    def _auto(cls, ladder: object) -> object:
        """The word `auto` stands for none."""
        return [] if ladder == "auto" else ladder


class ChannelCreate(Wire):
    """A new channel."""

    id: Slug
    settings: ChannelSettings = ChannelSettings()
    start: bool = Field(default=True, description="Put it on air at once.")


class Program(Wire):
    """What is on air, and the feed that steps in when it is lost."""

    feed: str | None
    backup: str | None


class ProgramPut(Wire):
    """Put a feed on program."""

    feed: str | None = Field(description="A feed's id; null shows the slate.")
    backup: str | None = Field(default=None, description="The feed that steps in when the first is lost.")


class Playback(Wire):
    """Where to watch; paths on this server."""

    hls: str = Field(description="Multivariant playlist (LL-HLS, plays in plain HLS players too).")
    page: str
    embed: str
    poster: str


class Channel(Wire):
    """A channel. What staff alone may see is null for everybody below role `host`."""

    id: str
    name: str
    state: ChannelState
    on_air: bool = Field(description="Whether it shall be on air; `state` says whether it is.")
    ready: bool = Field(description="Every rendition lists a segment.")
    width: int
    height: int
    dvr_seconds: int
    playback: Playback
    version: int = Field(description="Rises with each change of the settings or the program; the ETag.")
    settings: ChannelSettings | None
    program: Program | None
    picture: str | None = Field(description="What viewers see: a feed's id, `freeze`, `slate`, or empty.")
    reason: str | None = Field(description="In words, when the picture is not the program feed.")
    epoch: int | None
    speed: float | None = Field(description="Below 1 the machine is too slow for this channel.")
    on_demand: bool = Field(description="It runs only while somebody watches or a show runs.")
    idle: bool = Field(description="On demand, and nobody asks for it: asking for its playlist starts it.")
    rungs: list[Rung] | None = Field(
        description="The ladder in force: the settings', or what was chosen; empty while that is open."
    )
    ladder_why: str | None = Field(description="In words, how a chosen ladder came about.")
    needs_cores: float | None = Field(description="Cores it is estimated to take; 0 while it does not run.")


class ForceQuery(Wire):
    """Query of what starts a channel or makes it larger."""

    force: bool = Field(default=False, description="Also where the machine has no room; `speed` tells then.")


class CapacityUse(Wire):
    """What one channel takes."""

    channel: str
    cores: float


class Capacity(Wire):
    """The machine's cores, and who takes them, by estimate."""

    cpu: str
    cores: float = Field(description="Cores there are for us.")
    limit: float = Field(description="Cores that channels may take together (`node.capacity`).")
    used: list[CapacityUse]
    left: float
    measured: list[str] = Field(
        description="Presets whose cost was measured on this machine; of others a reference machine's counts."
    )


class ChannelPage(Wire):
    """Channels by id."""

    items: list[Channel]
    next: str | None


# --- feeds -----------------------------------------------------------------------------------------------------------


class FeedCreate(Wire):
    """A new feed."""

    id: Slug | None = Field(default=None, description="Wanted id; null makes one.")
    kind: FeedKind
    name: Name = ""
    second_publisher: SecondPublisher = SecondPublisher.REFUSE
    options: dict[str, str] = Field(
        default={},
        max_length=20,
        description="The kind's own: `path`, `loop` (file); `width`, `height`, `rate` (test); `port`, `latency`, `key_length`, "
        "`passphrase` (srt); `url`, `transport`, `audio`, `username`, `password` (rtsp). Passphrase and credentials are kept, never shown.",
    )


class FeedPatch(Wire):
    """Changes of a feed; what is left out stays."""

    name: Name | None = None
    second_publisher: SecondPublisher | None = None
    options: dict[str, str] | None = Field(default=None, max_length=20)


class Feed(Wire):
    """A feed and how it fares. Never carries the stream key."""

    id: str
    kind: FeedKind
    name: str
    second_publisher: SecondPublisher
    options: dict[str, str]
    version: int
    publish_url: str = Field(
        description="Where to push, without the key; empty for kinds that nobody pushes to."
    )
    state: FeedPhase
    reason: str
    video_codec: str
    audio_codec: str
    width: int
    height: int
    frame_rate: float
    bitrate: int = Field(description="Bits per second over the last two seconds.")
    age: float | None = Field(description="Seconds since the last access unit.")
    since: Time | None = Field(description="When the state began.")
    peer: str


class FeedCreated(Feed):
    """A feed with its key (SRT: its passphrase): the only time it is shown. `publish_url` is complete, with the key."""

    stream_key: str


class FeedPage(Wire):
    """Feeds by id."""

    items: list[Feed]
    next: str | None


# --- shows -----------------------------------------------------------------------------------------------------------


class ShowCreate(Wire):
    """A new show."""

    title: str = Field(min_length=1, max_length=200)
    channel: Slug


class ShowPatch(Wire):
    """Changes of a show; what is left out stays. The channel can change only while it is a draft."""

    title: str | None = Field(default=None, min_length=1, max_length=200)
    channel: Slug | None = None


class ShowPlayback(Wire):
    """Where to watch a show."""

    page: str
    hls: str | None = Field(
        description="The channel's playlist while live, the replay's once ended, null before."
    )
    poster: str


class Show(Wire):
    """One show."""

    id: str
    title: str
    channel: str
    state: ShowState
    version: int
    created: Time
    started: Time | None = Field(description="Programme time.")
    ended: Time | None = Field(description="Programme time.")
    recording: str | None
    playback: ShowPlayback


class ShowQuery(PageQuery):
    """Query of the list of shows."""

    state: ShowState | None = None
    channel: str | None = Field(default=None, max_length=40)


class ShowPage(Wire):
    """Newest first. A page may hold fewer than `limit`; the end is where `next` is null."""

    items: list[Show]
    next: str | None


class LogQuery(Wire):
    """Which part of a show log."""

    after: int = Field(default=0, ge=0, description="Entries after this `seq`.")
    limit: int | None = Field(default=None, ge=1, le=1_000_000, description="At most so many; null is all.")


class LogEntry(Wire):
    """One line of a show log."""

    seq: int = Field(description="1, 2, … without a hole.")
    at: Time = Field(description="Wall time.")
    time: Time = Field(description="Programme time: the tape's own clock.")
    type: str
    data: dict[str, Any]


class MarkCreate(Wire):
    """Something worth keeping happened."""

    label: str = Field(default="", max_length=200)
    time: Time | None = Field(default=None, description="Programme time; null is now.")


# --- recordings and jobs ---------------------------------------------------------------------------------------------


class Gap(Wire):
    """A stretch that is not on tape."""

    starts: Time
    ends: Time
    cause: str


class Recording(Wire):
    """A named range of a channel's tape, with the manifest of its gaps."""

    id: str
    channel: str
    started: Time
    ended: Time | None
    size: int = Field(description="Bytes over all renditions.")
    gaps: list[Gap] | None = Field(description="What is not on tape. Null in lists: ask for one recording.")


class RecordingQuery(PageQuery):
    """Query of the list of recordings."""

    channel: str | None = Field(default=None, max_length=40)


class RecordingPage(Wire):
    """Newest first."""

    items: list[Recording]
    next: str | None


class Storage(Wire):
    """The disk that the tape is on, in bytes."""

    total: int
    free: int
    tape: int = Field(description="All that is on tape, recordings included.")
    recordings: int = Field(description="What recordings keep of the tape.")
    exports: int = Field(description="MP4 files.")
    isos: int = Field(description="Recordings of feeds.")
    min_free: int = Field(
        description="Below so much free space tape, then ended recordings of feeds, then ended recordings, are let go; 0: never."
    )


class Job(Wire):
    """Work on a tape."""

    id: str
    kind: str
    recording: str
    state: JobState
    progress: float = Field(description="0 to 1.")
    reason: str
    size: int = Field(description="Bytes of the result, once done.")

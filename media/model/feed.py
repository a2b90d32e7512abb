"""What a feed is and how it fares."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FeedKind(StrEnum):
    """How a feed comes in."""

    RTMP = "rtmp"
    SRT = "srt"
    RTSP = "rtsp"
    WHIP = "whip"
    FILE = "file"
    TEST = "test"


class FeedPhase(StrEnum):
    """The life of a feed.

    `idle` nobody sends · `connecting` a sender is there, no media yet · `live` media flows · `stalled` the
    connection stands but media stopped · `lost` the sender went away · `failed` it cannot work (see `reason`).
    """

    IDLE = "idle"
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    LOST = "lost"
    FAILED = "failed"


class SecondPublisher(StrEnum):
    """What happens when somebody publishes to a feed that is live already."""

    REFUSE = "refuse"
    TAKE_OVER = "take_over"


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A feed as configured. `options` are the kind's own: `path`, `loop` (file); `width`, `height`, `rate` (test);
    `port`, `latency`, `key_length` (srt); `url`, `transport`, `audio` (rtsp).
    """

    id: str
    kind: FeedKind
    name: str = ""
    second_publisher: SecondPublisher = SecondPublisher.REFUSE
    options: tuple[tuple[str, str], ...] = ()
    secret: str = field(default="", repr=False)
    """What the other side must know or is told, and nobody is shown: the passphrase (srt),
    user name and password (rtsp)."""

    def option(self, key: str, default: str = "") -> str:
        """The kind's option `key`."""
        return dict(self.options).get(key, default)


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How a feed fares now. All rates are over the last two seconds."""

    phase: FeedPhase = FeedPhase.IDLE
    reason: str = ""
    """Why the phase is what it is, in words for staff. Empty while idle, and while live unless its clock runs wrong."""
    video_codec: str = ""
    audio_codec: str = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    bitrate: int = 0
    """Bits per second of video and audio together."""
    age: float | None = None
    """Seconds since the last access unit; None before the first."""
    since: int = 0
    """Unix microseconds at which the phase began."""
    peer: str = ""
    """Address and encoder name of the sender."""

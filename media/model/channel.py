"""What a channel is: canvas, rate, ladder, latency profile. Values only; all derived numbers are here, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from media.model.errors import SpecError
from media.model.time import AAC_FRAME, SAMPLE_RATE, FrameClock


class ChannelState(StrEnum):
    """`offline`: no worker on air; `slate`: on air without a picture from a feed; `live`: a feed is on program."""

    OFFLINE = "offline"
    SLATE = "slate"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Rung:
    """One video rendition of the ladder."""

    height: int
    """Pixels on the canvas's shorter side kept as the name (`v720`); even."""
    bitrate: int
    """Bits per second; VBV max rate and buffer are set to it (one second)."""

    @property
    def name(self) -> str:
        """Path segment of the rendition."""
        return f"v{self.height}"


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """The specification of one channel. Frozen for the life of a worker; changing it takes a new epoch.

    Raises `SpecError` naming the field when a value cannot work.
    """

    id: str
    name: str = ""
    width: int = 1280
    height: int = 720
    rate: Fraction = field(default_factory=lambda: Fraction(30))
    ladder: tuple[Rung, ...] = (Rung(720, 2_500_000), Rung(480, 1_200_000), Rung(360, 700_000))
    """Highest first. A rung's height counts along the canvas's shorter side, so portrait works alike."""
    audio_bitrate: int = 128_000
    gop_frames: int = 30
    part_frames: int = 10
    """Must divide `gop_frames`, so that each GOP starts a part."""
    segment_gops: int = 2
    dvr_seconds: int = 1800
    preset: str = "veryfast"
    burn_in: bool = False
    """Burn the machine-readable programme time into the picture (demo, bench)."""

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if value % 2 or not 64 <= value <= 3840:
                raise SpecError(f"{name} must be even and within 64 to 3840, not {value}", field=name)
        self._check_ladder()
        if not 1 <= self.part_frames <= self.gop_frames or self.gop_frames % self.part_frames:
            raise SpecError(f"part_frames must divide gop_frames ({self.gop_frames})", field="part_frames")
        if not 1 <= self.segment_gops <= 30:
            raise SpecError("segment_gops must be within 1 to 30", field="segment_gops")
        if not 0 <= self.dvr_seconds <= 86_400:
            raise SpecError("dvr_seconds must be within 0 and a day", field="dvr_seconds")
        if not 32_000 <= self.audio_bitrate <= 512_000:
            raise SpecError("audio_bitrate must be within 32 and 512 kb/s", field="audio_bitrate")
        try:
            FrameClock(self.rate)
        except ValueError as error:
            raise SpecError(str(error), field="rate") from error

    def _check_ladder(self) -> None:
        if not self.ladder:
            raise SpecError("the ladder needs at least one rung", field="ladder")
        if len({r.height for r in self.ladder}) != len(self.ladder):
            raise SpecError("two rungs of the ladder have the same height", field="ladder")
        for i, rung in enumerate(self.ladder):
            if rung.height % 2 or not 64 <= rung.height <= min(self.width, self.height):
                limit = min(self.width, self.height)
                raise SpecError(
                    f"height must be even and within 64 to {limit}, not {rung.height}",
                    field=f"ladder.{i}.height",
                )
            if not 50_000 <= rung.bitrate <= 50_000_000:
                raise SpecError("bitrate must be within 50 kb/s and 50 Mb/s", field=f"ladder.{i}.bitrate")

    @property
    def clock(self) -> FrameClock:
        """The channel's frame clock."""
        return FrameClock(self.rate)

    @property
    def segment_frames(self) -> int:
        """Video frames in one segment."""
        return self.gop_frames * self.segment_gops

    @property
    def parts_per_segment(self) -> int:
        """Parts in one whole segment, video and audio alike."""
        return self.segment_frames // self.part_frames

    @property
    def segment_seconds(self) -> Fraction:
        """Exact length of a video segment."""
        return self.segment_frames / self.rate

    @property
    def target_duration(self) -> int:
        """``EXT-X-TARGETDURATION`` in whole seconds: no EXTINF, rounded to the nearest, exceeds it."""
        longest_audio = -(-self.segment_seconds * SAMPLE_RATE // AAC_FRAME) * Fraction(AAC_FRAME, SAMPLE_RATE)
        return max(1, int(max(self.segment_seconds, longest_audio) + Fraction(1, 2)))

    @property
    def part_target(self) -> Fraction:
        """``PART-TARGET`` in seconds: the longer of a video part and of that time in whole AAC frames."""
        video = self.part_frames / self.rate
        audio = -(-video * SAMPLE_RATE // AAC_FRAME) * Fraction(AAC_FRAME, SAMPLE_RATE)
        return max(video, audio)

    def size_of(self, rung: Rung) -> tuple[int, int]:
        """Width and height in pixels of a rung on this canvas, both even (480p of 16:9 is 854)."""
        short = min(self.width, self.height)
        width = 2 * round(self.width * rung.height / short / 2)
        height = 2 * round(self.height * rung.height / short / 2)
        return width, height

"""Programme time and the frame clock.

*Programme time* is the one clock that tape, cards, chat and digests live on. It is an integer number of
**microseconds on the Unix scale**: at each start of a worker it is anchored to wall time once and from then on
advances with the media alone (tick count and sample count), so it never steps while a worker lives, and it runs on
over the gap when one dies. ``EXT-X-PROGRAM-DATE-TIME`` is programme time, printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import NewType

ProgrammeTime = NewType("ProgrammeTime", int)
"""Microseconds since 1970-01-01T00:00:00Z on the programme's own clock."""

MICROSECONDS = 1_000_000
SAMPLE_RATE = 48_000
"""Every channel's audio, in and out: 48 kHz stereo."""
AAC_FRAME = 1024
"""Samples in one AAC-LC access unit (ISO/IEC 14496-3)."""


def to_rfc3339(at: ProgrammeTime) -> str:
    """Programme time as RFC 3339 UTC with milliseconds, rounded to the nearest."""
    millis = (at + 500) // 1000
    stamp = datetime.fromtimestamp(millis // 1000, tz=UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"


def from_rfc3339(text: str) -> ProgrammeTime:
    """The inverse of `to_rfc3339`; a time without an offset is refused with ValueError."""
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return ProgrammeTime((delta.days * 86_400 + delta.seconds) * MICROSECONDS + delta.microseconds)


@dataclass(frozen=True, slots=True)
class FrameClock:
    """Exact arithmetic between ticks (video frames), audio samples and media time.

    `rate` is frames per second, such as 30 or 30000/1001. Nothing here is a float: sums over days stay exact.
    """

    rate: Fraction

    def __post_init__(self) -> None:
        if not 1 <= self.rate <= 120:
            raise ValueError(f"frame rate {self.rate} is outside 1 to 120")

    @property
    def timescale(self) -> int:
        """Video timescale: a multiple of the rate's numerator, at least 10,000, so that a frame is whole ticks."""
        return self.rate.numerator * self._scale

    @property
    def frame_duration(self) -> int:
        """Duration of one frame in units of `timescale`."""
        return self.rate.denominator * self._scale

    @property
    def _scale(self) -> int:
        scale = 1
        while self.rate.numerator * scale < 10_000:
            scale *= 2
        return scale

    def samples_before(self, tick: int) -> int:
        """Audio samples that belong to the ticks before `tick`; floor, so ticks get alternating whole counts."""
        return tick * SAMPLE_RATE * self.rate.denominator // self.rate.numerator

    def samples_in(self, tick: int) -> int:
        """Audio samples of this one tick."""
        return self.samples_before(tick + 1) - self.samples_before(tick)

    def micros(self, tick: int) -> int:
        """Media time of a tick's start in microseconds, floor."""
        return tick * MICROSECONDS * self.rate.denominator // self.rate.numerator

    def seconds(self, tick: int) -> float:
        """Media time of a tick's start in seconds; for deadlines, not for sums."""
        return tick * self.rate.denominator / self.rate.numerator

    def tick_at(self, micros: int) -> int:
        """The tick in progress at a media time."""
        return micros * self.rate.numerator // (MICROSECONDS * self.rate.denominator)

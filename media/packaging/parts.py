"""Parts and the grid they lie on. All sizes come from the channel's specification in whole frames, never measured.

Video part *k* of an epoch covers the ticks `k·part_frames` up to `(k+1)·part_frames`. Audio part *k* covers the AAC
frames between the frame boundaries *nearest* to the same two instants, so it is one AAC frame longer or shorter than
its neighbours but never drifts: 48 kHz AAC frames divide no common part length.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from media.model.channel import ChannelSpec
from media.model.errors import SpecError
from media.model.time import AAC_FRAME, MICROSECONDS, SAMPLE_RATE, ProgrammeTime

AUDIO = "audio"
"""Name of the one audio rendition."""


def segment_name(epoch: int, msn: int) -> str:
    """Last path segment of a media segment's address."""
    return f"{epoch}-{msn}.m4s"


def part_name(epoch: int, msn: int, index: int) -> str:
    """Last path segment of a part's address."""
    return f"{epoch}-{msn}.{index}.m4s"


def init_name(epoch: int) -> str:
    """Last path segment of an init segment's address."""
    return f"init-{epoch}.mp4"


@dataclass(frozen=True, slots=True)
class Part:
    """One partial segment (RFC 8216bis §4.4.4.9): one fragment, ready to be sent."""

    rendition: str
    epoch: int
    msn: int
    """Media sequence number of the segment it belongs to."""
    index: int
    """Within its segment, from 0."""
    data: bytes
    """`moof` + `mdat`."""
    decode_time: int
    """`tfdt`, in `timescale`."""
    duration: int
    """In `timescale`."""
    timescale: int
    independent: bool
    """It decodes with nothing before it."""
    last: bool
    """It completes its segment."""
    starts: ProgrammeTime
    """Programme time of its first frame."""
    frames: int
    """Samples in it: pictures or AAC frames."""

    @property
    def name(self) -> str:
        """Last path segment of its address."""
        return part_name(self.epoch, self.msn, self.index)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the parts and segments of one epoch lie."""

    rate: Fraction
    part_frames: int
    parts_per_segment: int
    first_msn: int
    """Media sequence number of the epoch's first segment."""

    @classmethod
    def of(cls, spec: ChannelSpec, first_msn: int) -> Grid:
        """The grid of an epoch.

        Raises `SpecError` where a video part would be shorter than 85 % of PART-TARGET (RFC 8216bis §4.4.4.9),
        because that time in whole AAC frames is so much longer, or shorter than one AAC frame. No part of 128 ms
        or more is refused.
        """
        if spec.part_frames / spec.rate < Fraction(AAC_FRAME, SAMPLE_RATE):
            raise SpecError("parts must be at least one AAC frame (21.3 ms) long", field="part_frames")
        if (
            spec.part_frames / spec.rate < Fraction(85, 100) * spec.part_target
            and spec.part_frames < spec.gop_frames
        ):
            raise SpecError(
                f"parts of {spec.part_frames} frames are too short: take {-(-spec.rate * 128 // 1000)} or more",
                field="part_frames",
            )
        return cls(spec.rate, spec.part_frames, spec.parts_per_segment, first_msn)

    def place(self, number: int) -> tuple[int, int, bool]:
        """Media sequence number, index and `last` of the epoch's part `number` (from 0)."""
        segment, index = divmod(number, self.parts_per_segment)
        return self.first_msn + segment, index, index == self.parts_per_segment - 1

    def audio_frames_before(self, number: int) -> int:
        """AAC frames before audio part `number`: the frame boundary nearest to the video part's start."""
        numerator = number * self.part_frames * self.rate.denominator * SAMPLE_RATE
        denominator = self.rate.numerator * AAC_FRAME
        return (2 * numerator + denominator) // (2 * denominator)


def programme_time(anchor: ProgrammeTime, decode_time: int, timescale: int) -> ProgrammeTime:
    """Programme time of a decode time of the epoch anchored at `anchor`; nearest microsecond."""
    return ProgrammeTime(anchor + (2 * decode_time * MICROSECONDS + timescale) // (2 * timescale))

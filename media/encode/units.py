"""What the encoders hand to packaging: one coded picture per tick, one AAC access unit per 1024 samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncodedTick:
    """One coded picture. There are no B-frames: decode time = presentation time = `tick`."""

    tick: int
    data: bytes
    """NAL units, each after its length in 4 bytes (ISO/IEC 14496-15 §5.3); parameter sets are in `avcC` only."""
    keyframe: bool
    """An IDR picture: every `gop_frames` ticks, and nowhere else."""

"""What decoders hand to the mixer: pictures and sounds on the feed's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

PictureT = TypeVar("PictureT")
"""The adapter's picture object (libav's VideoFrame); opaque to the mixer."""

Samples = npt.NDArray[np.float32]
"""Shape (n, 2), 48 kHz, nominally within ±1."""


@dataclass(frozen=True, slots=True)
class DecodedPicture(Generic[PictureT]):
    """One progressive upright picture, 8-bit 4:2:0, limited range."""

    pts: int
    """Microseconds on the feed's clock, without jumps (`media.mix.fold`)."""
    frame: PictureT
    sar: Fraction = Fraction(1)
    """Width of a pixel over its height, as displayed."""


@dataclass(frozen=True, slots=True)
class DecodedSound:
    """Consecutive samples."""

    pts: int
    """Microseconds on the feed's clock, without jumps, of the first sample."""
    samples: Samples

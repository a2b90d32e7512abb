"""Sound leaves the mixer within ±1, whatever came in."""

from __future__ import annotations

import numpy as np

from media.mix.units import Samples

KNEE = 0.9
"""Below it samples pass untouched; above it they bend towards 1 and never reach it."""


def limited(samples: Samples) -> Samples:
    """Samples (n, 2) with a soft ceiling at 1.0; NaN and infinities (a broken decoder) become silence."""
    if not len(samples):
        return samples
    peak = float(np.abs(samples).max())
    if peak <= KNEE:
        return samples
    if not np.isfinite(peak):
        samples = np.where(np.isfinite(samples), samples, np.float32(0.0))
    size = np.abs(samples)
    room = np.float32(1.0 - KNEE)
    bent = np.float32(KNEE) + room * np.tanh((size - np.float32(KNEE)) / room)
    out: Samples = np.where(size > KNEE, np.copysign(bent, samples), samples).astype(np.float32, copy=False)
    return out


def crossfaded(old: Samples, new: Samples, over: int) -> Samples:
    """`new`, with its first `over` samples blended from `old` (both at least that long, else what there is)."""
    over = min(over, len(old), len(new))
    if not over:
        return new
    ramp = np.linspace(0.0, 1.0, over, endpoint=False, dtype=np.float32)[:, None]
    out = new.copy()
    out[:over] = new[:over] * ramp + old[:over] * (1 - ramp)
    return out

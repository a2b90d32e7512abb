"""Samples of one input by position on its own clock: written in blocks as they come, read in ticks.

Positions are 48 kHz samples on the input's folded clock. Gaps read as silence with soft edges. A sender whose sample
count drifts from its timestamps is stretched back by at most half a percent as it is written, so that sound stays with
the picture for hours.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from media.mix.units import Samples
from media.model.time import SAMPLE_RATE

CAPACITY = 3 * SAMPLE_RATE
"""Samples kept; past it the oldest are dropped and counted."""
TOLERANCE = SAMPLE_RATE * 30 // 1000
"""Timestamps this near to the sample count are jitter; beyond it there is a real gap or overlap."""
SKEW_START, SKEW_STOP = SAMPLE_RATE // 125, SAMPLE_RATE // 1000
"""Average error (8 ms) at which stretching begins and (1 ms) at which it ends."""
SKEW_SMOOTHING = 1 / 32
SLEW = 200
"""One sample in 200: half a percent, below what is heard as pitch."""
EDGE = SAMPLE_RATE // 200
"""Samples (5 ms) over which sound fades at the edge of a gap."""

_RAMP = np.linspace(1.0, 0.0, EDGE, endpoint=False, dtype=np.float32)[:, None]


class SoundBuffer:
    """The samples of one input that are not played yet."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, Samples]] = deque()
        self.end = 0
        """Position after the newest sample."""
        self.dropped = 0
        """Samples that came too late, overlapped, or did not fit."""
        self._skew = 0.0
        self._stretching = False
        self._playing = False
        self._last = np.zeros(2, np.float32)

    def write(self, position: int, samples: Samples) -> int:
        """Add samples (n, 2) that belong to `position`; returns the position at which they begin."""
        if not len(samples):
            return self.end
        off = position - self.end
        if off < -CAPACITY:
            # What is held lies further ahead than anything that can be held: the sender's clock was misunderstood.
            self.dropped += sum(len(block) for _, block in self._blocks)
            self.clear()
        if self._blocks and abs(off) <= TOLERANCE:
            samples = self._unskewed(off, samples)
            position = self.end
        elif self._blocks and off < 0:
            self.dropped += min(-off, len(samples))
            if -off >= len(samples):
                return self.end
            samples = samples[-off:]
            position = self.end
            self._skew = 0.0
        else:
            self._skew = 0.0
        self._blocks.append((position, samples))
        self.end = position + len(samples)
        while self._blocks[0][0] + len(self._blocks[0][1]) < self.end - CAPACITY:
            self.dropped += len(self._blocks.popleft()[1])
        return position

    def read(self, position: int, count: int) -> Samples:
        """`count` samples (count, 2) from `position` on; what is missing is silence. What lies before stays."""
        whole = self._whole(position, count)
        if whole is not None and self._playing:
            self._last = whole[-1]
            return whole
        return self._patched(position, count)

    def forget_before(self, position: int) -> None:
        """Drop the blocks that end at or before `position`."""
        while self._blocks and self._blocks[0][0] + len(self._blocks[0][1]) <= position:
            self._blocks.popleft()

    def clear(self) -> None:
        """Forget everything; the next write begins anew."""
        self._blocks.clear()
        self._skew = 0.0

    def _unskewed(self, off: int, samples: Samples) -> Samples:
        self._skew += (off - self._skew) * SKEW_SMOOTHING
        limit = SKEW_STOP if self._stretching else SKEW_START
        self._stretching = abs(self._skew) > limit
        if not self._stretching:
            return samples
        change = len(samples) // SLEW or 1
        self._skew -= change if self._skew > 0 else -change
        return resampled(samples, len(samples) + (change if off > 0 else -change))

    def _whole(self, position: int, count: int) -> Samples | None:
        """The common case: no gap inside. A view where one block holds it all."""
        found: list[Samples] = []
        at, end = position, position + count
        for start, samples in self._blocks:
            stop = start + len(samples)
            if stop <= at:
                continue
            if start > at:
                return None
            found.append(samples[at - start : min(stop, end) - start])
            at = min(stop, end)
            if at == end:
                return found[0] if len(found) == 1 else np.concatenate(found)
        return None

    def _patched(self, position: int, count: int) -> Samples:
        """With gaps: silence in them, and soft edges on both sides."""
        out = np.zeros((count, 2), np.float32)
        at = 0
        for start, samples in self._blocks:
            first, stop = max(start - position, at), min(start + len(samples) - position, count)
            if stop <= first:
                continue
            if first > at or not self._playing:
                self._fade_out(out, at)
                self._playing = True
                piece = samples[first - (start - position) : stop - (start - position)].copy()
                ramp = _RAMP[::-1][: len(piece)]
                piece[: len(ramp)] *= ramp
            else:
                piece = samples[first - (start - position) : stop - (start - position)]
            out[first:stop] += piece
            self._last = piece[-1]
            at = stop
        if at < count:
            self._fade_out(out, at)
        return out

    def _fade_out(self, out: Samples, at: int) -> None:
        """What sounded last ends on a ramp instead of a step."""
        if self._playing:
            tail = _RAMP[: len(out) - at]
            out[at : at + len(tail)] += self._last * tail
        self._playing = False
        self._last = np.zeros(2, np.float32)


def resampled(samples: Samples, count: int) -> Samples:
    """Samples (n, 2) stretched or squeezed to `count`, by cubic interpolation (Catmull-Rom); for ratios near 1.

    The first output sample falls on the first input sample, and `count` outputs span exactly n inputs, so consecutive blocks
    join without a step.
    """
    n = len(samples)
    if count == n or n < 4:
        return samples if count == n else np.resize(samples, (count, 2))
    at = np.arange(count, dtype=np.float64) * (n / count)
    left = at.astype(np.intp)
    t = (at - left).astype(np.float32)[:, None]
    last = n - 1
    a = samples[np.maximum(left - 1, 0)]
    b = samples[left]
    c = samples[np.minimum(left + 1, last)]
    d = samples[np.minimum(left + 2, last)]
    half = np.float32(0.5)
    out: Samples = b + half * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return out

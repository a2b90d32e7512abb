"""From RTMP's millisecond stamps to one unwrapped microsecond clock, and decode times that never fall.

All tracks of a session share one clock, so what a sender does to its clock never moves sound against picture.
"""

from __future__ import annotations

_RANGE = 1 << 32
_RANGE24 = 1 << 24
_NEAR_WRAP = 60_000
"""Milliseconds around 2^24 within which a step back is a wrap of a sender that never extends its stamps."""
DISORDER = 3_000_000
"""Microseconds: a decode time that falls by less is put in order, by more it is a jump and passed on."""


class Unwrapper:
    """Milliseconds modulo 2^32 (or 2^24 from senders without the extended field) → unwrapped milliseconds.

    Give it the stamps of coded units only: headers and metadata mostly carry 0, whatever the clock says.
    """

    __slots__ = ("_last", "_short", "_total")

    def __init__(self) -> None:
        self._last: int | None = None
        self._total = 0
        self._short = False
        """The sender's stamps were seen to wrap at 2^24."""

    def unwrap(self, stamp: int) -> int:
        """The stamp on the session's clock: the first as sent, later ones nearest to their forerunner."""
        if self._last is None:
            self._total = stamp
        else:
            step = (stamp - self._last + _RANGE // 2) % _RANGE - _RANGE // 2
            if max(stamp, self._last) < _RANGE24:
                if step < 0 and step + _RANGE24 <= _NEAR_WRAP:
                    step += _RANGE24
                    self._short = True
                elif self._short and _RANGE24 - step <= _NEAR_WRAP:  # a straggler from before the wrap
                    step -= _RANGE24
            self._total += step
        self._last = stamp
        return self._total


class DecodeTimes:
    """Decode times of one track, in microseconds, made strictly rising unless the sender's clock jumps."""

    __slots__ = ("_last", "corrected", "jumps")

    def __init__(self) -> None:
        self._last: int | None = None
        self.corrected = 0
        """Units whose decode time was equal to or before their forerunner's."""
        self.jumps = 0
        """Falls too large to be disorder."""

    def fix(self, dts: int) -> int:
        """The decode time to use. Presentation times stay as sent: where DTS is missing they are right."""
        last = self._last
        if last is not None and dts <= last:
            if last - dts < DISORDER:
                dts = last + 1
                self.corrected += 1
            else:
                self.jumps += 1
        self._last = dts
        return dts

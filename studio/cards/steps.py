"""Whether somebody set the server's clock."""

from __future__ import annotations

from runtime.clock import Clock

LEAST = 1_000_000
"""Microseconds: less is drift, or a clock that is being brought right slowly."""


class Steps:
    """Compares the wall's clock with the one that never steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._compared()

    def taken(self) -> int:
        """Microseconds by which the clock was set since this was asked last; 0 where it was not."""
        before, self._ahead = self._ahead, self._compared()
        by = self._ahead - before
        return by if abs(by) >= LEAST else 0

    def _compared(self) -> int:
        return self._clock.wall() - round(self._clock.monotonic() * 1_000_000)

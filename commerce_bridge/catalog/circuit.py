"""When a shop that failed is asked again. Pure; time and chance are passed in.

Each failure doubles the wait, up to a limit, and each wait is longer by chance, so that many shops of one host do not come back
together. When a wait is over one caller tries; the others wait for what comes of it. What the shop itself says (Retry-After) is
waited for in any case, within an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from commerce_bridge.model.errors import ShopDownError, ShopError, ShopRefusedError

FIRST = 1.0
"""Seconds after the first failure."""
LIMIT = 60.0
REFUSED = 300.0
"""Seconds after it refused us: somebody must mend that, and will not within seconds."""
LONGEST = 3600.0
"""Seconds that a shop can make us wait."""
JITTER = 0.3
"""Share of a wait by which chance makes it longer."""
TRIAL = 60.0
"""Seconds that whoever tries first has, before another one may."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whether a shop may be asked now."""

    failures: int = 0
    """In a row."""
    until: float = 0.0
    """Monotonic seconds before which nobody asks."""

    def wait(self, now: float) -> float:
        """Seconds until somebody may ask; 0: now."""
        return max(0.0, self.until - now) if self.failures else 0.0

    def tried(self, now: float) -> Circuit:
        """Somebody asks now. Raises ValueError where nobody may."""
        if self.wait(now) > 0:
            raise ValueError("the shop is not to be asked yet")
        return Circuit(self.failures, now + TRIAL) if self.failures else self

    def failed(self, now: float, error: ShopError, chance: float) -> Circuit:
        """It failed. `chance` is from 0 to 1. What was answered, but made no sense, is no failure of the line."""
        if not isinstance(error, ShopDownError | ShopRefusedError):
            return Circuit()
        failures = self.failures + 1
        # The exponent is bounded: a power of a thousand failures would overflow before `min` could help.
        delay = min(LIMIT, FIRST * 2.0 ** min(failures - 1, 60))
        if isinstance(error, ShopRefusedError):
            delay = REFUSED
        delay *= 1 + JITTER * chance
        if isinstance(error, ShopDownError) and error.retry_after is not None:
            delay = max(delay, min(error.retry_after, LONGEST))
        return Circuit(failures, now + delay)

    def answered(self) -> Circuit:
        """It answered."""
        return Circuit()

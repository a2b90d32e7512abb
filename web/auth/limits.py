"""Rate limits: a token bucket for each caller, in a table that cannot grow past its size."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` requests on average, `burst` at once."""

    per_second: float
    burst: float


class Buckets:
    """Token buckets by key. When the table is full the key that was seen longest ago is forgotten: it had refilled most."""

    def __init__(self, rate: Rate, size: int = 10_000) -> None:
        self.rate = rate
        self.size = size
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str, now: float, cost: float = 1.0) -> int:
        """0 when the request may pass; else the whole seconds after which one may. `now` is monotonic seconds."""
        level = self._level(key, now)
        allowed = level >= cost
        self._levels[key] = (level - cost if allowed else level, now)
        self._levels.move_to_end(key)
        while len(self._levels) > self.size:
            self._levels.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((cost - level) / self.rate.per_second))

    def wait(self, key: str, now: float) -> int:
        """As `take`, without taking."""
        level = self._level(key, now)
        return 0 if level >= 1 else max(1, math.ceil((1 - level) / self.rate.per_second))

    def _level(self, key: str, now: float) -> float:
        level, seen = self._levels.get(key, (self.rate.burst, now))
        return min(self.rate.burst, level + max(0.0, now - seen) * self.rate.per_second)

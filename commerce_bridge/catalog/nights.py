"""When a whole catalog is read again. Pure."""

from __future__ import annotations

SECOND = 1_000_000
DAY = 86_400 * SECOND
SEOUL = 9 * 3600 * SECOND
"""Korea is nine hours before UTC, all year."""


def night_before(now: int, minute: int) -> int:
    """The newest moment, not after `now` (Unix microseconds), at which it was so many minutes after midnight in Korea."""
    shift = minute * 60 * SECOND - SEOUL
    return (now - shift) // DAY * DAY + shift


def pass_due(now: int, *, done: int, minute: int, every: float) -> bool:
    """Whether a pass is due: `done` is when the newest complete one began (0: none yet), `minute` the time of night, `every` the
    seconds after which another one is due in any case (0: never).
    """
    return not done or done < night_before(now, minute) or (every > 0 and now - done >= every * SECOND)

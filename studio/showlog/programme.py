"""From wall time to programme time, per channel. Pure."""

from __future__ import annotations

LIMIT = 1000
"""Channels remembered; the one not sampled for longest goes first."""


class ProgrammeTimes:
    """How far each channel's programme time is from wall time, by the newest sample.

    Programme time is anchored to wall time at each start of a worker and drifts from it by the difference of two
    clocks, parts in a million: a sample stays good to a millisecond for minutes, and while no worker runs programme
    time runs on with wall time, so that the last sample is right then too. Without a sample the two are the same.
    """

    def __init__(self) -> None:
        self._ahead: dict[str, int] = {}

    def learn(self, channel: str, *, wall: int, programme: int) -> None:
        """At the wall time `wall` it was `programme` on the channel; both in microseconds."""
        self._ahead.pop(channel, None)
        self._ahead[channel] = programme - wall
        while len(self._ahead) > LIMIT:
            del self._ahead[next(iter(self._ahead))]

    def at(self, channel: str, wall: int) -> int:
        """Programme time of the channel at a wall time."""
        return wall + self._ahead.get(channel, 0)

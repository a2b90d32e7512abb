"""Where on an input's clock the programme reads: a target cushion, held by gentle slewing, restored by a hard resync.

A unit that arrives in tick k *leads* by its position minus the programme position of that tick. Reading at
``programme position + offset`` plays every unit in time exactly if no lead is below the offset. So the offset is steered to
the smallest lead of the last seconds minus a cushion: the latency an input needs follows from its own jitter.
All values are 48 kHz samples.
"""

from __future__ import annotations

from collections import deque

from media.model.time import SAMPLE_RATE

WINDOW = 2 * SAMPLE_RATE
"""Arrivals of the last two seconds count."""
SETTLING = SAMPLE_RATE // 4
"""While an input is not on air yet, the last quarter of a second places it anew at every tick."""
DEADBAND = SAMPLE_RATE // 100
"""Error (10 ms) at which slewing begins; it ends at a fifth of it."""
HARD = SAMPLE_RATE // 10
"""Too long a latency (100 ms) that is cut by a resync instead."""
LATE_SPAN = SAMPLE_RATE * 3 // 10
"""Units that are late over this long a stretch (within `LATE_WINDOW`) make the latency longer at once."""
LATE_WINDOW = SAMPLE_RATE
SLEW = 200
"""One sample in 200, half a percent."""
GAIN = SAMPLE_RATE // 200
"""Each 5 ms of error add one sample per tick."""


class Drift:
    """The offset of one input."""

    def __init__(self, cushion: int) -> None:
        self._cushion = cushion
        self._leads: deque[tuple[int, int]] = deque()
        self._late: deque[int] = deque()
        self._since = 0
        self._slewing = False
        self.offset: int | None = None
        """Input position minus programme position; None until something arrived."""
        self.resyncs = 0
        """Hard resyncs, with a jump in what is played."""

    def arrived(self, position: int, lead: int) -> None:
        """In the tick at programme `position`, the unit with the smallest lead was this far ahead."""
        self._leads.append((position, lead))

    def settle(self, position: int) -> None:
        """Place the input anew; for the time before it is shown."""
        self._trim(position)
        recent = [lead for at, lead in self._leads if at > position - SETTLING]
        if recent:
            self.offset = min(recent) - self._cushion
            self._since = position
            self._late.clear()

    def step(self, position: int, count: int) -> tuple[int, bool]:
        """Samples of input to read for `count` samples of programme, and whether a hard resync came before.

        `offset` has moved by the difference (slew), or to its new place (resync), when this returns.
        """
        self._trim(position)
        if self.offset is None:
            return count, False
        if not self._leads:
            self._slewing = False
            return count, False
        if self._leads[-1][0] == position and self._leads[-1][1] < self.offset:
            self._late.append(position)
        if self._late and self._late[-1] - self._late[0] >= LATE_SPAN:
            return count, self._resync(position, LATE_WINDOW // 2)
        error = min(lead for _, lead in self._leads) - self._cushion - self.offset
        if error > HARD and position - self._since >= WINDOW:
            return count, self._resync(position, WINDOW)
        if abs(error) <= (DEADBAND // 5 if self._slewing else DEADBAND):
            self._slewing = False
            return count, False
        self._slewing = True
        change = min(abs(error) // GAIN + 1, count // SLEW) * (1 if error > 0 else -1)
        self.offset += change
        return count + change, False

    def _resync(self, position: int, window: int) -> bool:
        recent = [lead for at, lead in self._leads if at > position - window]
        if not recent:
            return False
        self.offset = min(recent) - self._cushion
        self._since = position
        self._late.clear()
        self._slewing = False
        self.resyncs += 1
        return True

    def _trim(self, position: int) -> None:
        while self._leads and self._leads[0][0] <= position - WINDOW:
            self._leads.popleft()
        while self._late and self._late[0] <= position - LATE_WINDOW:
            self._late.popleft()

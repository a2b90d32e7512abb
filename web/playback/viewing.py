"""How viewers fared in the last hour, minute by minute and by channel: what the staff's page draws.

Sums alone, of no single viewer. Each web process counts the reports that it took in and tells the others its newest minutes, so
that whichever is asked answers for all. What is lost on the way is told again: the newest minutes are sent whole each time.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from runtime import logs
from runtime.bus.calls import events, publish
from runtime.bus.contract import Event
from runtime.bus.port import Bus, BusUnavailableError
from web.api.wire_qoe import QoeReport

log = logs.get("web.viewing")

BOUNDS = (0.25, 0.5, 1, 1.5, 2, 3, 5, 8, 13, 30)
"""Upper bounds of the histograms, seconds; one more count is for what lies above. Those of the metrics too."""
STEP_SECONDS = 60
STEPS = 60
"""Minutes that are kept; older ones go."""
MOST_CHANNELS = 32
"""Channels of one process; reports of further ones are in the metrics alone."""
MOST_PROCESSES = 16
MOST_RUNGS = 12
TELL_SECONDS = 5.0
TOLD_STEPS = 2
"""Minutes told at once: the present one, and the one before for what came after the last telling."""
SILENT_SECONDS = 30.0
"""A process that told nothing for so long has no viewers any more."""


def _counts() -> list[int]:
    return [0] * (len(BOUNDS) + 1)


class Sums(BaseModel):
    """A minute of a channel. Times are milliseconds."""

    reports: int = 0
    viewers: int = 0
    """At once, at most."""
    played: dict[str, int] = Field(default_factory=dict)
    """By the rung's lines; `other` where they are not known."""
    stalls: int = 0
    stalled: int = 0
    startup: list[int] = Field(
        default_factory=_counts, min_length=len(BOUNDS) + 1, max_length=len(BOUNDS) + 1
    )
    latency: list[int] = Field(
        default_factory=_counts, min_length=len(BOUNDS) + 1, max_length=len(BOUNDS) + 1
    )
    errors: dict[str, int] = Field(default_factory=dict)

    def add(self, other: Sums) -> None:
        """Take another's in."""
        self.reports += other.reports
        self.viewers += other.viewers
        self.stalls += other.stalls
        self.stalled += other.stalled
        self.startup = [a + b for a, b in zip(self.startup, other.startup, strict=True)]
        self.latency = [a + b for a, b in zip(self.latency, other.latency, strict=True)]
        for mine, its in ((self.played, other.played), (self.errors, other.errors)):
            for key, value in its.items():
                mine[key] = mine.get(key, 0) + value


class Minutes(BaseModel):
    """A channel's newest minutes (number of the minute since 1970), and who watches now."""

    watching: int = 0
    sums: dict[int, Sums] = Field(default_factory=dict)


class ViewingTold(Event):
    """What one web process counted; every few seconds while it counts."""

    topic: ClassVar[str] = "web.viewing"
    process: str
    channels: dict[str, Minutes] = Field(max_length=MOST_CHANNELS)


class _Kept:
    """What is known of one process."""

    def __init__(self) -> None:
        self.channels: dict[str, Minutes] = {}
        self.heard = 0.0

    def forget(self, before: int) -> None:
        for channel, minutes in list(self.channels.items()):
            for minute in [each for each in minutes.sums if each < before]:
                del minutes.sums[minute]
            if not minutes.sums and not minutes.watching:
                del self.channels[channel]


class Viewing:
    """The last hour of all processes."""

    def __init__(self, bus: Bus, process: str, wall: Callable[[], float]) -> None:
        self._bus = bus
        self._process = process
        self._wall = wall
        self._own = _Kept()
        self._others: dict[str, _Kept] = {}
        self._changed = False

    def take(self, channel: str, lines: str, report: QoeReport, watching: int) -> None:
        """One report, with how many watch the channel by now."""
        minutes = self._own.channels.get(channel)
        if minutes is None:
            if len(self._own.channels) >= MOST_CHANNELS:
                return
            minutes = self._own.channels[channel] = Minutes()
        minute = self._minute()
        if minute not in minutes.sums:
            minutes.sums[minute] = Sums()
            self._forget(minute)
        sums = minutes.sums[minute]
        minutes.watching = watching
        self._changed = True
        sums.reports += 1
        sums.viewers = max(sums.viewers, watching)
        if report.played:
            rung = lines if lines in sums.played or len(sums.played) < MOST_RUNGS else "other"
            sums.played[rung] = sums.played.get(rung, 0) + report.played
        sums.stalls += len(report.bsd)
        sums.stalled += sum(report.bsd)
        for cause in report.ec:
            sums.errors[cause] = sums.errors.get(cause, 0) + 1
        if report.msd is not None:
            sums.startup[bisect.bisect_left(BOUNDS, report.msd / 1000)] += 1
        if report.ltc is not None and report.st == "l":
            sums.latency[bisect.bisect_left(BOUNDS, report.ltc / 1000)] += 1

    def watching(self, channel: str, count: int) -> None:
        """Viewers went."""
        minutes = self._own.channels.get(channel)
        if minutes is not None and minutes.watching != count:
            minutes.watching = count
            self._changed = True

    def read(self, minutes: int) -> Mapping[str, Minutes]:
        """The last so many minutes of all processes together, by channel; a minute without reports is not there."""
        now = self._minute()
        self._forget(now)
        found: dict[str, Minutes] = {}
        for kept, there in self._all():
            for channel, its in kept.channels.items():
                sums = found.setdefault(channel, Minutes())
                sums.watching += its.watching if there else 0
                for minute, each in its.sums.items():
                    if now - minutes < minute <= now:
                        sums.sums.setdefault(minute, Sums()).add(each)
        return found

    def _all(self) -> Iterator[tuple[_Kept, bool]]:
        yield self._own, True
        for kept in self._others.values():
            yield kept, self._wall() - kept.heard < SILENT_SECONDS

    def hear(self, told: ViewingTold) -> None:
        """What another process counted."""
        if told.process == self._process:
            return
        if told.process not in self._others and len(self._others) >= MOST_PROCESSES:
            return
        kept = self._others.setdefault(told.process, _Kept())
        kept.heard = self._wall()
        now = self._minute()
        for channel, minutes in told.channels.items():
            its = kept.channels.setdefault(channel, Minutes())
            its.watching = minutes.watching
            # Another machine's clock may go differently: what is far off is nobody's hour.
            its.sums.update({at: sums for at, sums in minutes.sums.items() if now - STEPS < at <= now + 1})
        kept.forget(now - STEPS + 1)

    async def run(self) -> None:
        """Tell and hear until cancelled or the bus closes."""
        async with events(self._bus, ViewingTold) as stream, asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell_for_ever(), name="web.viewing.tell")
            async for told in stream:
                self.hear(told)
            telling.cancel()

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            await self.tell()

    async def tell(self) -> None:
        """Tell the others the newest minutes, while somebody watches or something changed."""
        if not self._changed and not any(each.watching for each in self._own.channels.values()):
            return
        self._changed = False
        oldest = self._minute() - TOLD_STEPS + 1
        channels = {
            channel: Minutes(
                watching=minutes.watching,
                sums={at: sums for at, sums in minutes.sums.items() if at >= oldest},
            )
            for channel, minutes in self._own.channels.items()
        }
        try:
            await publish(self._bus, ViewingTold(process=self._process, channels=channels))
        except BusUnavailableError as error:
            log.debug("viewers' figures were not told", error=str(error))

    def _minute(self) -> int:
        return int(self._wall() // STEP_SECONDS)

    def _forget(self, now: int) -> None:
        self._own.forget(now - STEPS + 1)
        for process, kept in list(self._others.items()):
            kept.forget(now - STEPS + 1)
            if not kept.channels:
                del self._others[process]


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The value below which `share` of what was counted lies, in seconds, straight between two bounds; None of nothing."""
    wanted, below = share * sum(counts), 0
    if not sum(counts):
        return None
    for index, count in enumerate(counts[:-1]):
        if count and below + count >= wanted:
            low = BOUNDS[index - 1] if index else 0.0
            return low + (BOUNDS[index] - low) * (wanted - below) / count
        below += count
    return float(BOUNDS[-1])

"""What players report of themselves (CTA-5004, CMCD), as figures for Prometheus, and for the staff's page by `viewing`.

Reports come from anybody, so nothing of them becomes a label that is not known here: channels are those of the board, rungs
those of the channel, and values are bounded where they are read.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from web.api.wire_qoe import QoeReport
from web.playback.board import Board
from web.playback.viewing import BOUNDS, Viewing

VIEWER_SECONDS = 75.0
"""A player reports every thirty seconds: after two missed reports it is gone."""
SWEEP_SECONDS = 15.0
MOST_VIEWERS = 20_000
"""Sessions that are remembered to count viewers; a web process serves far fewer."""
REPLAY, OTHER = "replay", "other"


class Qoe:
    """Takes reports in."""

    def __init__(
        self, registry: CollectorRegistry, board: Board, viewing: Viewing, clock: Callable[[], float]
    ) -> None:
        self.viewing = viewing
        self._board = board
        self._clock = clock
        self._seen: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._watching: Counts[str] = Counts()
        self.reports = Counter(
            "gachi_qoe_reports_total", "Reports of players.", ["channel"], registry=registry
        )
        self.startup = Histogram(
            "gachi_qoe_startup_seconds",
            "From opening a player to its first moving picture.",
            ["channel"],
            buckets=BOUNDS,
            registry=registry,
        )
        self.latency = Histogram(
            "gachi_qoe_latency_seconds",
            "How far behind the playlist's end live viewers are, once a report.",
            ["channel"],
            buckets=BOUNDS,
            registry=registry,
        )
        self.stalls = Counter(
            "gachi_qoe_stalls_total",
            "Times that a picture stood still unwanted.",
            ["channel"],
            registry=registry,
        )
        self.stalled = Counter(
            "gachi_qoe_stall_seconds_total", "Seconds that pictures stood.", ["channel"], registry=registry
        )
        self.played = Counter(
            "gachi_qoe_played_seconds_total",
            "Seconds that pictures moved, by the lines of the rung.",
            ["channel", "lines"],
            registry=registry,
        )
        self.errors = Counter(
            "gachi_qoe_errors_total",
            "Failures after which a player opened its source again.",
            ["channel", "cause"],
            registry=registry,
        )
        self.viewers = Gauge(
            "gachi_qoe_viewers",
            "Players that reported in the last 75 seconds.",
            ["channel"],
            registry=registry,
        )

    def take(self, report: QoeReport) -> None:
        """One report."""
        channel = self._channel(report)
        self.reports.labels(channel).inc()
        if report.msd is not None:
            self.startup.labels(channel).observe(report.msd / 1000)
        if report.ltc is not None and report.st == "l":
            self.latency.labels(channel).observe(report.ltc / 1000)
        self.stalls.labels(channel).inc(len(report.bsd))
        self.stalled.labels(channel).inc(sum(report.bsd) / 1000)
        lines = self._lines(report)
        self.played.labels(channel, lines).inc(report.played / 1000)
        for cause in report.ec:
            self.errors.labels(channel, cause).inc()
        self._count(report.sid, channel)
        self.viewing.take(channel, lines, report, self._watching[channel])

    async def run(self) -> None:
        """Forget players until cancelled, also while none reports."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    def sweep(self) -> None:
        """Forget players that reported no more."""
        oldest = self._clock() - VIEWER_SECONDS
        while self._seen and next(iter(self._seen.values()))[1] < oldest:
            _, (channel, _) = self._seen.popitem(last=False)
            self._gone(channel)

    def _count(self, session: str, channel: str) -> None:
        before = self._seen.pop(session, None)
        if before is not None:
            self._gone(before[0])
        self._seen[session] = channel, self._clock()
        self._watching[channel] += 1
        self.viewers.labels(channel).inc()
        while len(self._seen) > MOST_VIEWERS:
            _, (gone, _) = self._seen.popitem(last=False)
            self._gone(gone)
        self.sweep()

    def _gone(self, channel: str) -> None:
        self._watching[channel] -= 1
        self.viewers.labels(channel).dec()
        self.viewing.watching(channel, self._watching[channel])

    def _channel(self, report: QoeReport) -> str:
        if report.st == "v":
            return REPLAY
        return report.cid if self._board.get(report.cid) is not None else OTHER

    def _lines(self, report: QoeReport) -> str:
        view = self._board.get(report.cid) if report.st == "l" else None
        if report.lines == 0:
            return "0"
        rungs = view.rungs if view is not None else ()
        return str(report.lines) if any(rung.height == report.lines for rung in rungs) else OTHER

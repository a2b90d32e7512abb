"""The studio's figures for Prometheus, read off its parts when somebody asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.bus.announcer import Announcer
from studio.showlog.journals import Journals
from studio.shows.clicks import Clicks


class StudioCollector(Collector):
    """Sums over all logs; counters keep what closed logs had counted."""

    def __init__(self, journals: Journals, announcer: Announcer, clicks: Clicks) -> None:
        self._journals = journals
        self._announcer = announcer
        self._clicks = clicks

    def describe(self) -> Iterator[Metric]:
        """The families without values, so that registering needs no reading."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The values of now."""
        figures = self._journals.figures()
        yield GaugeMetricFamily("gachi_shows_live", "Shows that are live.", value=figures.open)
        yield CounterMetricFamily(
            "gachi_showlog_entries", "Entries taken into show logs.", value=figures.entries
        )
        yield CounterMetricFamily(
            "gachi_showlog_refused",
            "Entries refused because the disk took none for too long.",
            value=figures.refused,
        )
        yield CounterMetricFamily(
            "gachi_showlog_write_failures",
            "Writes and syncs of show logs that failed.",
            value=figures.failures,
        )
        yield GaugeMetricFamily(
            "gachi_showlog_waiting_bytes",
            "Bytes of entries that are not durable yet.",
            value=figures.waiting_bytes,
        )
        yield CounterMetricFamily(
            "gachi_studio_events_dropped",
            "Events of the studio that nobody was told.",
            value=self._announcer.dropped,
        )
        clicks = CounterMetricFamily(
            "gachi_studio_clicks",
            "Clicks on purchase links that the studio heard of: in the log of their show, beyond what a log takes in a "
            "second, of a show that is not live, of a program.",
            labels=["result"],
        )
        for result, count in self._clicks.results.items():
            clicks.add_metric([result], count)
        yield clicks


@asynccontextmanager
async def watch(
    journals: Journals, announcer: Announcer, clicks: Clicks, registry: CollectorRegistry = REGISTRY
) -> AsyncIterator[None]:
    """Have the figures in the registry while the context is open."""
    collector = StudioCollector(journals, announcer, clicks)
    registry.register(collector)
    try:
        yield
    finally:
        registry.unregister(collector)

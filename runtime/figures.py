"""Figures that are read off living objects when somebody scrapes, so that nothing is counted twice in hot paths.

A room's `metrics.py` has one function that yields families; `watched` puts it into the process's registry for as
long as the objects live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime import logs

log = logs.get("runtime.figures")

Figures = Callable[[], Iterable[Metric]]
"""Reads the objects and yields families; runs on the event loop, so it must not wait."""
Rows = Mapping[tuple[str, ...], float]
"""Values by the values of the labels."""


def counter(name: str, text: str, value: float | Rows, *labels: str) -> Metric:
    """A family of counters, whose name ends in ``_total``: one value, or one for each combination of labels."""
    return _filled(CounterMetricFamily(name, text, labels=labels), value)


def gauge(name: str, text: str, value: float | Rows, *labels: str) -> Metric:
    """As `counter`, of what goes up and down."""
    return _filled(GaugeMetricFamily(name, text, labels=labels), value)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, value: float | Rows) -> Metric:
    rows = value if isinstance(value, Mapping) else {(): value}
    for labels, each in rows.items():
        family.add_metric(labels, each)
    return family


class _Reading(Collector):
    def __init__(self, read: Figures) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read what may not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families of now. What cannot be read leaves the others as they are."""
        try:
            families = list(self._read())
        except Exception:
            # Figures are for finding faults: one of their own must not hide all others'.
            log.exception("figures could not be read")
            return
        yield from families


@contextmanager
def watched(*reads: Figures, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Have what these yield on the process's page while the context is open."""
    collectors = [_Reading(read) for read in reads]
    for collector in collectors:
        registry.register(collector)
    try:
        yield
    finally:
        for collector in collectors:
            registry.unregister(collector)

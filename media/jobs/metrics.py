"""The jobs process's figures for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from prometheus_client.core import Metric

from media.contracts.jobs import JobState
from media.jobs.exports import Exports
from runtime.bus.port import Bus
from runtime.figures import Figures, counter, gauge, watched
from runtime.telemetry import serve_metrics


def figures(exports: Exports) -> Figures:
    """What `runtime.figures.watched` takes."""

    def read() -> Iterator[Metric]:
        now = exports.figures
        yield gauge(
            "gachi_jobs",
            "Jobs in the database by state, as of some seconds ago.",
            {(state.value,): now.states.get(state, 0) for state in JobState},
            "state",
        )
        yield counter(
            "gachi_jobs_exports_total",
            "Exports that ended.",
            {("done",): now.done, ("failed",): now.failed},
            "result",
        )
        yield counter(
            "gachi_jobs_storyboards_total",
            "Storyboards of replays that ended.",
            {("done",): now.storyboards_done, ("failed",): now.storyboards_failed},
            "result",
        )
        yield counter("gachi_jobs_export_seconds_total", "Seconds spent on exports.", now.seconds)
        yield counter("gachi_jobs_export_bytes_total", "Bytes of finished exports.", now.bytes)

    return read


@asynccontextmanager
async def telling(bus: Bus, exports: Exports) -> AsyncIterator[None]:
    """Answer scrapes while the context is open."""
    with watched(figures(exports)):
        async with serve_metrics(bus, "jobs"):
            yield

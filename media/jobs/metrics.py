"""The jobs process's figures for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from prometheus_client.core import Metric

from media.contracts.isos import IsoState
from media.contracts.jobs import JobState
from media.jobs.exports import Exports
from media.jobs.isos import Isos
from media.jobs.pictures import Pictures
from runtime.bus.announcer import Announcer
from runtime.bus.port import Bus
from runtime.figures import Figures, counter, gauge, watched
from runtime.telemetry import DROPS, serve_metrics


def iso_figures(isos: Isos) -> Figures:
    """The same of recordings of feeds. Those that run are few: each is begun by hand."""

    def read() -> Iterator[Metric]:
        recorders = isos.recorders
        states = [recorder.state[0] for recorder in recorders]
        yield gauge(
            "gachi_isos",
            "Feeds that are recorded as they come, by how that fares.",
            {(state.value,): states.count(state) for state in IsoState if state is not IsoState.ENDED},
            "state",
        )
        rows = {(recorder.iso.feed,): recorder for recorder in recorders}
        yield gauge(
            "gachi_iso_bytes",
            "Bytes of the running recording of a feed.",
            {key: float(recorder.now().size) for key, recorder in rows.items()},
            "feed",
        )
        yield gauge(
            "gachi_iso_backlog_bytes",
            "Bytes of a recorded feed that wait for the disk.",
            {key: float(recorder.backlog) for key, recorder in rows.items()},
            "feed",
        )
        yield gauge(
            "gachi_iso_disk_failures",
            "Times that the running recording of a feed had to begin a new file because of the disk.",
            {key: float(recorder.failures) for key, recorder in rows.items()},
            "feed",
        )
        yield counter("gachi_isos_begun_total", "Recordings of feeds that were begun.", isos.began)
        yield counter(
            "gachi_iso_files_mended_total",
            "Files of recordings that a process left open, closed.",
            isos.mended,
        )

    return read


def figures(exports: Exports, pictures: Pictures) -> Figures:
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
        seen = pictures.figures
        yield counter(
            "gachi_jobs_feed_pictures_total",
            "Pictures of feeds that staff asked for: made, kept (made a moment before), none (the feed has nothing to show), "
            "failed (late, damaged or our fault), refused (too many at once).",
            {
                ("made",): seen.made,
                ("kept",): seen.kept,
                ("none",): seen.none,
                ("failed",): seen.failed,
                ("refused",): seen.refused,
            },
            "result",
        )
        yield counter(
            "gachi_jobs_feed_picture_seconds_total",
            "Seconds spent on pictures of feeds that were made or failed, waiting for keyframes included.",
            seen.seconds,
        )

    return read


@asynccontextmanager
async def telling(
    bus: Bus, exports: Exports, pictures: Pictures, isos: Isos, announcer: Announcer
) -> AsyncIterator[None]:
    """Answer scrapes while the context is open."""
    DROPS.watch("announcer", lambda: announcer.dropped)
    with watched(figures(exports, pictures), iso_figures(isos)):
        async with serve_metrics(bus, "jobs"):
            yield

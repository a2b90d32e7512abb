"""The node's figures for Prometheus: its channels, their workers, and the sweeps of old tape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric

from media.model.channel import ChannelState
from media.node.channels import Channels
from runtime.figures import Figures, counter, gauge


@dataclass(slots=True)
class SweepFigures:
    """What the sweeps did since the start."""

    done: int = 0
    failed: int = 0
    objects: int = 0
    recordings: int = 0
    isos: int = 0
    free: int | None = None
    """Bytes on the tape's disk at the last sweep; None before the first."""


def figures(channels: Channels, sweeps: SweepFigures) -> Figures:
    """What `runtime.figures.watched` takes. Channels are few: each costs half a core."""

    def read() -> Iterator[Metric]:
        yield from _channels(channels)
        yield from _sweeps(sweeps)

    return read


def _channels(channels: Channels) -> Iterator[Metric]:
    views = {(channel,): channels.view(channel) for channel in channels.ids()}
    yield gauge(
        "gachi_node_channels",
        "Channels by state.",
        {(state.value,): sum(view.state is state for view in views.values()) for state in ChannelState},
        "state",
    )
    yield gauge(
        "gachi_channel_wanted",
        "Whether the channel shall be on air.",
        {key: float(view.wanted) for key, view in views.items()},
        "channel",
    )
    yield gauge(
        "gachi_channel_live",
        "Whether the channel is on air with a picture from a feed, not the slate.",
        {key: float(view.state is ChannelState.LIVE) for key, view in views.items()},
        "channel",
    )
    yield gauge(
        "gachi_channel_ready",
        "Whether viewers can play the channel: every rung lists a segment.",
        {key: float(view.ready) for key, view in views.items()},
        "channel",
    )
    yield gauge(
        "gachi_channel_speed_ratio",
        "Share of the pictures due over five seconds that were mixed, and encoded by the slowest rung: below 1 the machine "
        "is too slow. 0 off air.",
        {key: view.speed for key, view in views.items()},
        "channel",
    )
    yield gauge(
        "gachi_channel_idle",
        "Whether the channel is on demand and nobody asks for it.",
        {key: float(view.idle) for key, view in views.items()},
        "channel",
    )
    yield gauge(
        "gachi_channel_needs_cores",
        "Cores that the channel is estimated to take. 0 while it does not run.",
        {key: view.needs for key, view in views.items()},
        "channel",
    )
    yield gauge(
        "gachi_node_capacity_cores",
        "Cores that channels may take together.",
        channels.admission.machine.limit,
    )
    yield counter("gachi_node_worker_starts_total", "Workers that came on air.", channels.worker_starts)
    yield counter(
        "gachi_node_worker_losses_total",
        "Workers that ended without being asked to.",
        channels.worker_losses,
    )


def _sweeps(sweeps: SweepFigures) -> Iterator[Metric]:
    yield counter(
        "gachi_tape_sweeps_total",
        "Sweeps of old tape.",
        {("done",): sweeps.done, ("failed",): sweeps.failed},
        "result",
    )
    yield counter("gachi_tape_swept_objects_total", "Objects of tape that sweeps deleted.", sweeps.objects)
    yield counter(
        "gachi_tape_swept_recordings_total",
        "Recordings that sweeps let go: for their age, or because the disk was nearly full.",
        sweeps.recordings,
    )
    yield counter(
        "gachi_tape_swept_isos_total",
        "Recordings of feeds that sweeps let go: for their age, or because the disk was nearly full.",
        sweeps.isos,
    )
    if sweeps.free is not None:
        yield gauge("gachi_tape_free_bytes", "Room on the tape's disk at the last sweep.", sweeps.free)

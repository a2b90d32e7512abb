"""How the children of a supervisor fare, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from runtime.figures import Figures, counter, gauge
from runtime.supervision.supervisor import ChildState, Supervisor


def children(supervisor: Supervisor) -> Figures:
    """What `runtime.figures.watched` takes. Children are roles or channels: few, and named by the settings."""

    def read() -> Iterator[Metric]:
        every = supervisor.children
        yield gauge(
            "gachi_child_state",
            "1 for the state that a supervised process is in, 0 for the others.",
            {
                (name, state.value): float(child.state is state)
                for name, child in every.items()
                for state in ChildState
            },
            "child",
            "state",
        )
        yield counter(
            "gachi_child_restarts_total",
            "Lives of a supervised process that ended without being asked to.",
            {(name,): child.restarts for name, child in every.items()},
            "child",
        )
        yield gauge(
            "gachi_child_rss_bytes",
            "Resident memory of a supervised process.",
            {(name,): child.rss for name, child in every.items()},
            "child",
        )
        yield gauge("gachi_spares_warm", "Warm processes that stand by.", supervisor.spares_warm)

    return read

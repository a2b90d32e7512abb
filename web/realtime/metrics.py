"""The figures of ``/realtime`` for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RealtimeMetrics:
    """All of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self.told = self.replaced = self.written = 0
        """Plain numbers of the hot path until `tally`: a Prometheus counter takes a lock for each step."""
        self.clients = Gauge("gachi_realtime_clients", "Connected clients.", registry=registry)
        self.refused = counter(
            "gachi_realtime_refused_total", "Connections and topics refused, by reason.", "reason"
        )
        self.patches = counter("gachi_realtime_patches_total", "Patches sent, one for each client.")
        self.snapshots = counter(
            "gachi_realtime_snapshots_total",
            "Topics told as a snapshot: first, to a client from another process or too long ago (late), or instead of "
            "a backlog that was not read (behind).",
            "reason",
        )
        self.resumed = counter(
            "gachi_realtime_resumed_total", "Topics taken up again with nothing but what was missed."
        )
        self.bytes = counter("gachi_realtime_bytes_total", "Bytes handed to connections.")
        self.coalesced = counter(
            "gachi_realtime_coalesced_total",
            "Changes that a newer one of the same document replaced before they were sent, one for each client.",
        )
        self.evicted = counter(
            "gachi_realtime_evicted_total",
            "Clients dropped: they did not read (stalled) or did not answer pings (silent).",
            "reason",
        )
        self.closed = counter("gachi_realtime_closed_total", "Clients closed for cause, by code.", "code")

    def tally(self) -> None:
        """Bring the plain numbers into the counters."""
        self.patches.inc(self.told)
        self.coalesced.inc(self.replaced)
        self.bytes.inc(self.written)
        self.told = self.replaced = self.written = 0

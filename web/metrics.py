"""The web process's figures for Prometheus. One set per process, made by `web.compose` on the registry it is given."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Tally:
    """Counts of the hot path by kind of object: plain numbers, brought into the counters by `flush`. A Prometheus
    counter takes a lock for each step, which showed in the requests per second.
    """

    def __init__(self, hits: Counter, sent: Counter) -> None:
        self._counters = (hits, sent)
        self.hits: defaultdict[str, int] = defaultdict(int)
        self.sent: defaultdict[str, int] = defaultdict(int)

    def flush(self) -> None:
        """Add what was counted since the last time."""
        for counter, counts in zip(self._counters, (self.hits, self.sent), strict=True):
            for kind, count in counts.items():
                counter.labels(kind).inc(count)
            counts.clear()


class WebMetrics:
    """All figures of web."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self.api_requests = counter(
            "gachi_api_requests_total", "API requests by operation and status.", "operation", "status"
        )
        self.api_seconds = Histogram(
            "gachi_api_seconds",
            "Time from a request's head to its answer.",
            ["operation"],
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
            registry=registry,
        )
        self.rate_limited = counter(
            "gachi_api_rate_limited_total", "API requests refused for coming too fast.", "by"
        )
        self.logins = counter("gachi_logins_total", "Log-ins by password, by result.", "result")
        for result in ("done", "wrong", "waits", "busy"):
            self.logins.labels(result)  # told as 0 from the start
        self.audit_lost = counter(
            "gachi_audit_lost_total",
            "Lines that could not be written to the audit log; the process's log has them.",
        )
        self.audit_skipped = counter(
            "gachi_audit_skipped_total",
            "Refused requests that the audit log leaves out: by nobody, or too many.",
        )
        self.hls_hits = counter("gachi_hls_hits_total", "Media requests answered from RAM.", "kind")
        self.hls_misses = counter("gachi_hls_misses_total", "Media requests that waited for a fetch.", "kind")
        self.fetches = counter(
            "gachi_hls_fetches_total", "Objects fetched from origins and the store.", "kind", "result"
        )
        self.takeovers = counter(
            "gachi_hls_takeovers_total", "Requests carried over to a channel's next worker.", "channel"
        )
        self.refused = counter(
            "gachi_hls_refused_total", "Media requests refused because too many fetches ran."
        )
        self.bytes_sent = counter("gachi_hls_bytes_total", "Bytes of media handed to connections.", "kind")
        self.tally = Tally(self.hls_hits, self.bytes_sent)
        self.cache_bytes = Gauge("gachi_hls_cache_bytes", "Bytes of media kept in RAM.", registry=registry)
        self.connections = Gauge("gachi_http_connections", "Open connections.", registry=registry)
        self.connections_refused = counter(
            "gachi_http_connections_refused_total", "Connections beyond the cap."
        )
        self.slow_readers = counter(
            "gachi_http_slow_readers_total", "Connections dropped because the client did not read."
        )
        self.posters = counter("gachi_posters_total", "Posters made, by result.", "result")

"""The ingest process's figures for Prometheus: the listener's, each feed's, and what workers did not get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import Metric

from media.ingest.feeds import FeedRegistry
from media.ingest.rtmp.server import RtmpServer
from media.ingest.whip.server import WhipServer
from media.model.feed import FeedPhase
from media.model.tracks import MediaKind
from runtime.figures import Figures, counter, gauge


class Taps(Protocol):
    """Where workers take feeds."""

    dropped: int


class SrtCounts(Protocol):
    """What happened to one SRT feed."""

    children: int
    refused: int
    dropped: int

    @property
    def received(self) -> int:
        """Bytes of media."""
        ...


class RtspCounts(Protocol):
    """What happened to one camera."""

    connections: int
    missed: int
    received: int


def figures(
    registry: FeedRegistry,
    rtmp: RtmpServer,
    whip: WhipServer,
    taps: Taps,
    srt: Mapping[str, SrtCounts],
    rtsp: Mapping[str, RtspCounts],
) -> Figures:
    """What `runtime.figures.watched` takes. Feeds are 200 at most, and named by people."""

    def read() -> Iterator[Metric]:
        yield from _listener(rtmp)
        yield from _webrtc(whip)
        yield from _feeds(registry)
        yield from _srt(srt)
        yield from _rtsp(rtsp)
        yield counter(
            "gachi_ingest_taps_dropped_total",
            "Packets that workers did not get because they were slow to read.",
            taps.dropped,
        )

    return read


def _listener(rtmp: RtmpServer) -> Iterator[Metric]:
    counters = rtmp.counters
    yield gauge("gachi_rtmp_connections", "Open RTMP connections.", len(rtmp.connections))
    yield counter("gachi_rtmp_connections_total", "RTMP connections since the start.", counters.connections)
    yield counter(
        "gachi_rtmp_refused_total",
        "RTMP connections over the limit, wrong keys, and feeds that were taken.",
        counters.refused,
    )
    yield counter("gachi_rtmp_faults_total", "RTMP senders that broke the protocol.", counters.faults)
    yield counter("gachi_rtmp_timeouts_total", "RTMP senders that were silent too long.", counters.timeouts)
    yield counter("gachi_rtmp_received_bytes_total", "Bytes from RTMP senders.", counters.bytes)
    yield counter(
        "gachi_rtmp_corrected_times_total",
        "Decode times of RTMP senders that were put in order; counted when the sender leaves.",
        counters.corrected,
    )


def _webrtc(whip: WhipServer) -> Iterator[Metric]:
    counters, losses = whip.counters, whip.losses
    yield gauge("gachi_whip_sessions", "WebRTC senders.", len(whip.sessions))
    yield counter("gachi_whip_sessions_total", "WebRTC senders that were let in.", counters.sessions)
    yield counter(
        "gachi_whip_refused_total",
        "WebRTC offers refused: wrong keys, feeds that were taken, offers that cannot be served, no room.",
        counters.refused,
    )
    yield counter(
        "gachi_whip_timeouts_total", "WebRTC senders that never connected or fell silent.", counters.timeouts
    )
    yield counter(
        "gachi_whip_packets_lost_total", "Packets of WebRTC senders that never came.", losses.packets
    )
    yield counter(
        "gachi_whip_pictures_dropped_total",
        "Pictures of WebRTC senders that were not passed on: torn, or standing on a torn one.",
        losses.pictures,
    )
    yield counter("gachi_whip_keyframes_asked_total", "Keyframes asked for (PLI).", losses.asked)


def _feeds(registry: FeedRegistry) -> Iterator[Metric]:
    feeds = {(feed.spec.id,): feed for feed in registry.feeds}
    clocks = {key: feed.discipline for key, feed in feeds.items() if feed.discipline is not None}
    yield gauge(
        "gachi_ingest_feeds",
        "Feeds by phase.",
        {(phase.value,): sum(feed.status.phase is phase for feed in feeds.values()) for phase in FeedPhase},
        "phase",
    )
    yield gauge(
        "gachi_feed_live",
        "Whether media of the feed comes in.",
        {key: float(feed.status.phase is FeedPhase.LIVE) for key, feed in feeds.items()},
        "feed",
    )
    yield gauge(
        "gachi_feed_bitrate_bits",
        "Bits per second of the feed over the last two seconds.",
        {key: feed.status.bitrate for key, feed in feeds.items()},
        "feed",
    )
    yield gauge(
        "gachi_feed_frame_rate_hertz",
        "Frames per second of the feed over the last two seconds, by its own clock.",
        {key: feed.status.frame_rate for key, feed in feeds.items()},
        "feed",
    )
    yield gauge(
        "gachi_feed_clock_ratio",
        "How fast the feed's clock runs against real time, where it runs wrong and units are placed by their arrival; else 1.",
        {
            (*key, kind.value): rates.get(kind, 1.0)
            for key, rates in ((key, each.rates) for key, each in clocks.items())
            for kind in MediaKind
        },
        "feed",
        "track",
    )
    yield counter(
        "gachi_feed_clock_corrections_total",
        "Times that a feed's clock was found to run wrong.",
        {key: each.corrections for key, each in clocks.items()},
        "feed",
    )
    yield gauge(
        "gachi_feed_listeners",
        "Workers that take the feed.",
        {key: len(feed.listeners) for key, feed in feeds.items()},
        "feed",
    )
    yield gauge(
        "gachi_feed_ring_bytes",
        "Bytes of the group of pictures that is kept for who tunes in.",
        {key: feed.ring.size for key, feed in feeds.items()},
        "feed",
    )
    yield counter(
        "gachi_feed_ring_overflows_total",
        "Groups of pictures that were too long to be kept: tuning in waits for the next keyframe.",
        {key: feed.ring.overflows for key, feed in feeds.items()},
        "feed",
    )


def _srt(feeds: Mapping[str, SrtCounts]) -> Iterator[Metric]:
    yield counter(
        "gachi_srt_children_total",
        "Receiving programs that were started for an SRT feed: one for each sender that came.",
        {(feed,): each.children for feed, each in feeds.items()},
        "feed",
    )
    yield counter(
        "gachi_srt_refused_total",
        "SRT senders that were turned away, mostly for a wrong passphrase.",
        {(feed,): each.refused for feed, each in feeds.items()},
        "feed",
    )
    yield counter(
        "gachi_srt_dropped_packets_total",
        "SRT packets that came too late or never: raise the latency of feed or sender.",
        {(feed,): each.dropped for feed, each in feeds.items()},
        "feed",
    )
    yield counter(
        "gachi_srt_received_bytes_total",
        "Bytes of media from SRT senders.",
        {(feed,): each.received for feed, each in feeds.items()},
        "feed",
    )


def _rtsp(feeds: Mapping[str, RtspCounts]) -> Iterator[Metric]:
    yield counter(
        "gachi_rtsp_connections_total",
        "Times a camera was asked for its stream; a steady rise is one that is lost again and again.",
        {(feed,): each.connections for feed, each in feeds.items()},
        "feed",
    )
    yield counter(
        "gachi_rtsp_missed_packets_total",
        "RTP packets of a camera that never came; counted when its stream ends.",
        {(feed,): each.missed for feed, each in feeds.items()},
        "feed",
    )
    yield counter(
        "gachi_rtsp_received_bytes_total",
        "Bytes of media from a camera; counted when its stream ends.",
        {(feed,): each.received for feed, each in feeds.items()},
        "feed",
    )

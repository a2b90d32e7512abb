"""A worker's figures for Prometheus, read off its parts. Channel and epoch are labels of all its samples."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from media.packaging.live import LiveChannel
from media.record.recorder import Recorder
from media.worker.origin import OriginStats
from media.worker.worker import Worker
from runtime.figures import Figures, counter, gauge


def figures(worker: Worker, live: LiveChannel, recorder: Recorder, origin: OriginStats) -> Figures:
    """What `runtime.figures.watched` takes."""

    def read() -> Iterator[Metric]:
        yield from _programme(worker)
        yield from _inputs(worker)
        yield from _output(live)
        yield from _origin(origin)
        yield from _recorder(recorder)

    return read


def _programme(worker: Worker) -> Iterator[Metric]:
    pace = worker.programme.pace()
    yield counter("gachi_worker_ticks_total", "Pictures mixed on air.", pace.ticks)
    yield gauge("gachi_worker_speed_ratio", "Ticks done per tick due over the last five seconds.", pace.speed)
    yield gauge(
        "gachi_worker_tick_late_seconds",
        "How long after their time ticks began over the last five seconds: 99th percentile and longest.",
        {("p99",): pace.late_p99, ("max",): pace.late_max},
        "of",
    )
    yield counter(
        "gachi_worker_repeated_ticks_total",
        "Ticks for which a rung's encoder was too slow, so that it repeated a picture.",
        {(rung,): count for rung, count in worker.repeated.items()},
        "rung",
    )
    yield gauge(
        "gachi_worker_encoder_queue_ticks",
        "Ticks that wait for a rung's encoder.",
        {(rung,): count for rung, count in worker.waiting.items()},
        "rung",
    )


def _inputs(worker: Worker) -> Iterator[Metric]:
    inputs = {(each.feed,): each for each in worker.inputs.figures()}
    yield counter(
        "gachi_input_dropped_packets_total",
        "Packets dropped because a decoder was behind.",
        {key: each.dropped for key, each in inputs.items()},
        "feed",
    )
    yield counter(
        "gachi_input_decode_errors_total",
        "Packets that could not be decoded.",
        {key: each.errors for key, each in inputs.items()},
        "feed",
    )
    timelines = {key: line for key in inputs if (line := worker.timeline(key[0])) is not None}
    yield gauge(
        "gachi_input_latency_seconds",
        "By how much the newest of the feed is ahead of what is shown of it.",
        {key: latency for key, line in timelines.items() if (latency := line.latency) is not None},
        "feed",
    )
    yield counter(
        "gachi_input_resyncs_total",
        "Times that the feed was placed anew with a jump.",
        {key: line.resyncs for key, line in timelines.items()},
        "feed",
    )
    yield counter(
        "gachi_input_time_jumps_total",
        "Jumps of the feed's timestamps that were folded away.",
        {key: each.jumps for key, each in inputs.items()},
        "feed",
    )
    yield counter(
        "gachi_input_unshown_pictures_total",
        "Decoded pictures that were not shown: late, or another was nearer to the tick.",
        {
            (*key, why): count
            for key, line in timelines.items()
            for why, count in (
                ("late", line.counters.late_pictures),
                ("skipped", line.counters.skipped_pictures),
            )
        },
        "feed",
        "why",
    )
    yield counter(
        "gachi_input_dropped_samples_total",
        "Samples of sound that came twice or too late.",
        {key: line.dropped_samples for key, line in timelines.items()},
        "feed",
    )


def _output(live: LiveChannel) -> Iterator[Metric]:
    output = {(name,): counts for name, counts in live.output.items()}
    yield counter(
        "gachi_worker_parts_total",
        "Parts made.",
        {key: parts for key, (parts, _) in output.items()},
        "rendition",
    )
    yield counter(
        "gachi_worker_part_bytes_total",
        "Bytes of the parts made.",
        {key: size for key, (_, size) in output.items()},
        "rendition",
    )
    yield gauge("gachi_live_memory_bytes", "Bytes of media in the live window's memory.", live.in_memory)
    yield counter(
        "gachi_live_cut_segments_total",
        "Segments that left the seek-back window early because they were not on tape.",
        live.cut_unrecorded,
    )


def _origin(origin: OriginStats) -> Iterator[Metric]:
    yield counter("gachi_origin_requests_total", "Requests to the channel's origin.", origin.requests)
    yield counter("gachi_origin_bytes_total", "Bytes that the origin handed to readers.", origin.bytes)
    yield gauge(
        "gachi_origin_waiting_requests", "Requests that wait for what is not there yet.", origin.waiting
    )
    yield counter("gachi_origin_timed_out_total", "Waits that were given up.", origin.timed_out)
    yield counter(
        "gachi_origin_turned_away_total", "Requests refused because too many wait.", origin.turned_away
    )
    yield counter(
        "gachi_origin_slow_readers_total", "Readers that were cut off for being slow.", origin.slow_readers
    )


def _recorder(recorder: Recorder) -> Iterator[Metric]:
    stats = recorder.stats
    yield gauge("gachi_recorder_held_bytes", "Bytes that wait for the store.", stats.held_bytes)
    yield gauge("gachi_recorder_journal_bytes", "Bytes that wait for the journal.", stats.journal_bytes)
    yield gauge(
        "gachi_recorder_pending_rows", "Stored segments that wait for the database.", stats.pending_rows
    )
    yield counter("gachi_recorder_stored_segments_total", "Segments put on tape.", stats.stored_segments)
    yield counter(
        "gachi_recorder_lost_segments_total",
        "Segments of all renditions that are not on tape.",
        stats.lost_segments,
    )
    yield counter(
        "gachi_recorder_unjournaled_files_total",
        "Open segments that a crash would have cost because the journal gave them up.",
        stats.unjournaled_segments,
    )
    yield gauge(
        "gachi_recorder_trouble",
        "1 while the recorder cannot write as it should.",
        float(bool(stats.trouble)),
    )

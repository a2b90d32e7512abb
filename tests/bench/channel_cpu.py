"""CPU of one channel, file to three rungs to LL-HLS, against the ffmpeg program doing the same, both in real time.

Ours is the product as it runs: ingest reads the file and hands packets over the feed socket; a worker process mixes,
encodes, packages, records and serves. Both processes count. The peer reads the same file, scales with the same filter,
encodes with the same x264 parameters on as many threads, and writes HLS in fMP4. Each is measured over exactly one
loop of the clip, so both see the same pictures wherever in the clip they begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # has no types

from media.encode.ladder import rung_settings
from media.model.channel import ChannelSpec, Rung
from tests.bench import machine
from tests.bench.clips import clips_720p, length, rate
from tests.bench.house import LADDER_720, House, house
from tests.bench.rows import Row, median

ROUNDS = 1
SETTLE = 2.0


async def run() -> list[Row]:
    """The bench."""
    clips, words = clips_720p()
    pairs: list[tuple[Cost, float]] = []
    async with house({"GACHI_WORKER__SPARES": "0"}) as running:
        # A single generated clip is measured more often, so that there is a median.
        for round_ in range(ROUNDS if len(clips) > 1 else 3):
            for number, clip in enumerate(clips):
                first_ours = (round_ + number) % 2 == 0
                theirs = 0.0 if first_ours else await _theirs(clip)
                ours = await _ours(running, f"c{round_}{number}", clip)
                pairs.append((ours, theirs or await _theirs(clip)))
    ratios = [ours.total / theirs for ours, theirs in pairs]
    ours_core = median([ours.total for ours, _ in pairs])
    theirs_core = ours_core / median(ratios)
    repeated = sum(ours.repeated for ours, _ in pairs)
    overloaded = [f"THE MACHINE WAS TOO SLOW: {repeated:.0f} ticks repeated a picture, which flatters ours"]
    return [
        Row(
            "channel-cpu",
            "CPU of one channel: file → three rungs → LL-HLS",
            "cores",
            ours_core,
            theirs_core,
            "the ffmpeg program",
            1.05,
            "<=",
            "ratio",
            notes=[
                (
                    f"{words}, in real time; {len(pairs)} pairs of one loop each, alternating who goes first; "
                    "the ratio is the median of the pairs' ratios"
                ),
                "ours is the worker process and ingest's share; it also mixes, records and answers HTTP, the peer does not",
                *(overloaded if repeated else []),
            ],
            details={
                "ratios": ratios,
                "worker": [ours.worker for ours, _ in pairs],
                "ingest": [ours.ingest for ours, _ in pairs],
                "repeated_ticks": [ours.repeated for ours, _ in pairs],
                "peer": [theirs for _, theirs in pairs],
            },
        )
    ]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cores."""

    worker: float
    ingest: float
    repeated: float = 0.0
    """Ticks for which a rung was too slow and repeated a picture, which costs less than coding one."""

    @property
    def total(self) -> float:
        """Both."""
        return self.worker + self.ingest


async def _ours(running: House, channel: str, clip: Path) -> Cost:
    feed = await running.feed("file", path=str(clip), loop="true")
    exact = str(rate(clip))
    await running.channel(
        channel, feed["id"], width=1280, height=720, rate=exact, ladder=LADDER_720, dvr_seconds=60
    )
    await running.on_air(channel, feed["id"])
    worker = await running.worker(channel)
    await asyncio.sleep(SETTLE)
    before = await _repeated(running)
    cost = await _over(length(clip), worker, running.pids["ingest"])
    cost = replace(cost, repeated=await _repeated(running) - before)
    await running.api("POST", f"/channels/{channel}/stop")
    await running.api("DELETE", f"/feeds/{feed['id']}")
    return cost


async def _repeated(running: House) -> float:
    """Ticks that rungs repeated, all channels together."""
    async with running.client.get(f"{running.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("gachi_worker_repeated_ticks_total{")
    )


async def _over(seconds: float, worker: int, ingest: int) -> Cost:
    began = time.monotonic()
    before = machine.cpu_seconds([worker]), machine.cpu_seconds([ingest])
    await asyncio.sleep(seconds)
    after = machine.cpu_seconds([worker]), machine.cpu_seconds([ingest])
    took = time.monotonic() - began
    return Cost((after[0] - before[0]) / took, (after[1] - before[1]) / took)


async def _theirs(clip: Path) -> float:
    """Cores of the ffmpeg program over one loop of the clip."""
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *ffmpeg_ladder(clip, Path(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await asyncio.sleep(SETTLE)
            seconds = length(clip)
            began, before = time.monotonic(), machine.cpu_seconds([process.pid])
            await asyncio.sleep(seconds)
            used, took = machine.cpu_seconds([process.pid]) - before, time.monotonic() - began
            if process.returncode is not None:
                said = (await process.stderr.read()).decode(errors="replace") if process.stderr else ""
                raise RuntimeError(f"ffmpeg ended: {said[-500:]}")
            return used / took
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def ffmpeg_ladder(clip: Path, folder: Path) -> list[str]:
    """The command line of the peer."""
    spec = ChannelSpec(
        "peer",
        rate=Fraction(rate(clip)),
        ladder=tuple(Rung(int(r["height"]), int(r["bitrate"])) for r in LADDER_720),
    )
    sizes = [spec.size_of(rung) for rung in spec.ladder]
    graph = "[0:v]split=3[v0][a][b];" + ";".join(
        f"[{name}]scale={width}:{height}:flags=bicubic[v{i}]"
        for i, (name, (width, height)) in enumerate(zip("ab", sizes[1:], strict=True), 1)
    )
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-re", "-stream_loop", "-1", "-threads", "1", "-i", str(clip)]
    command += ["-filter_complex_threads", "1", "-filter_complex", graph]
    for i, rung in enumerate(spec.ladder):
        settings = rung_settings(spec, rung)
        # Their muxers convert Annex B themselves; all else is as ours.
        params = ":".join(f"{key}={value}" for key, value in settings.x264 if key != "annexb")
        command += ["-map", f"[v{i}]", f"-c:v:{i}", "libx264", f"-b:v:{i}", str(rung.bitrate)]
        command += [f"-preset:v:{i}", settings.preset, f"-profile:v:{i}", settings.profile]
        command += [f"-level:v:{i}", settings.level, f"-x264-params:v:{i}", params, f"-threads:v:{i}", "1"]
    command += ["-fps_mode:v", "cfr", "-r", str(rate(clip))]
    command += ["-map", "0:a", "-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"]
    streams = " ".join([*(f"v:{i},agroup:sound" for i in range(3)), "a:0,agroup:sound"])
    command += ["-f", "hls", "-hls_time", "2", "-hls_segment_type", "fmp4", "-hls_list_size", "8"]
    command += ["-hls_flags", "delete_segments+independent_segments", "-master_pl_name", "index.m3u8"]
    command += ["-var_stream_map", streams, "-hls_segment_filename", str(folder / "%v-%d.m4s")]
    return [*command, str(folder / "%v.m3u8")]

"""Servers to be measured, each in a process of its own pinned to a core: ``python -m tests.bench.servers KIND CORE …``.

``origin``: a worker's origin, its live channel fed with made-up parts on a fixed schedule. ``web``: the edge, before such
an origin at ``http://…``. ``bare``: aiohttp answering one body and nothing else. ``nginx`` is started here too.
Each prints one JSON line with its port when it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from aiohttp import web

from runtime.supervision.child import die_with
from runtime.supervision.hosting import run

CHANNEL = "bench"
VIDEO = "v480"
SEGMENT_BYTES = 400_000
"""Of the segment that is asked for again and again."""
START_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens."""

    port: int
    pid: int
    began: float
    """CLOCK_MONOTONIC second at which part 0 of a live origin was due."""


@asynccontextmanager
async def server(kind: str, core: int, *arguments: str) -> AsyncIterator[Served]:
    """Start one and end it with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.servers",
        kind,
        str(core),
        str(os.getpid()),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_WITHIN):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server {kind} did not start")
        said = json.loads(line)
        yield Served(said["port"], process.pid, said.get("began", 0.0))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def nginx(core: int) -> AsyncIterator[Served | None]:
    """Nginx with one worker and the segment as a file in the page cache; None where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        port = _free_port()
        config = await asyncio.to_thread(_nginx_files, Path(folder), port)
        process = await asyncio.create_subprocess_exec(
            program, "-c", str(config), preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
            yield Served(port, process.pid, 0.0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _nginx_files(folder: Path, port: int) -> Path:
    """Write the segment and the configuration; returns the latter."""
    (folder / "segment.m4s").write_bytes(os.urandom(SEGMENT_BYTES))
    folder.chmod(0o755)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;"
        "events { worker_connections 1024; }"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=10;"
        f" client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
        f" uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;"
        f" server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"
    )
    return config


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- inside the processes --------------------------------------------------------------------------------------------


def live_channel(part_frames: int, video_part: int) -> tuple[Any, Callable[[int], None], Fraction]:
    """A live channel with one rung and audio, what feeds its parts by number, and seconds between parts.

    `video_part` is the size of a video part in bytes. The segmenters of the product make the parts.
    """
    from media.adapters.av_encode import AudioEncoder, VideoEncoder
    from media.model.channel import ChannelSpec, Rung
    from media.model.time import AAC_FRAME, SAMPLE_RATE, ProgrammeTime
    from media.packaging.codecs import codec_string
    from media.packaging.fmp4 import init_tracks
    from media.packaging.live import LiveChannel
    from media.packaging.parts import AUDIO
    from media.packaging.segmenter import AudioSegmenter, VideoSegmenter

    spec = ChannelSpec(
        CHANNEL,
        width=854,
        height=480,
        ladder=(Rung(480, 1_200_000),),
        part_frames=part_frames,
        dvr_seconds=60,
    )
    anchor = ProgrammeTime(time.time_ns() // 1000)
    live = LiveChannel(spec, 1, anchor, ram_segments=40)
    for name, init, bitrate in (
        (VIDEO, VideoEncoder(spec, spec.ladder[0]).init_segment, 1_200_000),
        (AUDIO, AudioEncoder(spec).init_segment, 128_000),
    ):
        track = init_tracks(init)[0]
        live.add_init(name, init, codec_string(track), track.width, track.height, bitrate, track.timescale)
    pictures = VideoSegmenter(spec, VIDEO, epoch=1, first_msn=0, anchor=anchor)
    sounds = AudioSegmenter(spec, epoch=1, first_msn=0, anchor=anchor)
    frame = os.urandom(max(8, video_part // part_frames))
    unit = os.urandom(128_000 // 8 * AAC_FRAME // SAMPLE_RATE)
    state = {"tick": 0, "audio": 0}

    def feed(number: int) -> None:
        while state["audio"] <= number:
            part = sounds.push(unit)
            if part is not None:
                live.add(part)
                state["audio"] += 1
        while state["tick"] < (number + 1) * part_frames:
            tick = state["tick"]
            part = pictures.push(tick, frame, tick % spec.gop_frames == 0)
            state["tick"] += 1
            if part is not None:
                live.add(part)

    return live, feed, part_frames / spec.rate


async def _origin(part_frames: int, video_part: int, *, live_for: float) -> None:
    from media.adapters.obstore_store import ObstoreSegmentStore
    from media.worker.origin import make_app

    live, feed, part = live_channel(part_frames, video_part)
    ahead = 7 * live.spec.parts_per_segment
    for number in range(ahead):
        feed(number)
    app = make_app(live, ObstoreSegmentStore.memory())
    began = time.monotonic() + 0.5
    await _serve(app, {"began": began - ahead * float(part)})
    end = began + live_for
    number = ahead
    while (due := began + (number - ahead) * float(part)) < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        feed(number)
        number += 1
    await asyncio.sleep(3600)


async def _web(origin: str) -> None:
    from prometheus_client import CollectorRegistry

    from media.adapters.obstore_store import ObstoreSegmentStore
    from media.contracts.channels import ChannelList, ChannelView, ListChannels
    from media.contracts.channels import ChannelSettings as Values
    from media.model.channel import ChannelState
    from runtime.bus.calls import serve
    from runtime.bus.local import LocalBus
    from runtime.database import Database
    from runtime.migrations import upgrade
    from web.adapters.migrations import BRANCH
    from web.adapters.replay import TapeReplayReader
    from web.adapters.sql import stores
    from web.adapters.stills import stand_in, still_of
    from web.compose import Ports, Web, listening
    from web.settings import HttpSettings

    view = ChannelView(
        id=CHANNEL,
        settings=Values(name="bench"),
        version=1,
        wanted=True,
        state=ChannelState.LIVE,
        epoch=1,
        origin=origin,
        ready=True,
        speed=1.0,
    )

    async def channels(_: ListChannels) -> ChannelList:
        return ChannelList(channels=[view])

    async def gather() -> bytes:
        return b""

    bus = LocalBus()
    http = HttpSettings(host="127.0.0.1", port=0)
    database = Database(f"sqlite:///{Path(tempfile.mkdtemp(prefix='gachi-bench-')) / 'web.db'}")
    ports = Ports(
        bus=bus,
        stores=stores(database),
        store=ObstoreSegmentStore.memory(),
        replays=TapeReplayReader.__new__(TapeReplayReader),  # no replay is asked for
        poster=still_of,
        stand_in=stand_in,
        registry=CollectorRegistry(),
        gather=gather,
        http=http,
    )
    site = Web(ports)
    async with database, serve(bus, {ListChannels: channels}), listening(site, http) as port:
        await upgrade(database, [BRANCH])
        running = asyncio.create_task(site.run())
        print(json.dumps({"port": port}), flush=True)
        await running


async def _bare() -> None:
    body = os.urandom(SEGMENT_BYTES)

    async def get(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="video/mp4")

    app = web.Application()
    app.router.add_get("/segment.m4s", get)
    await _serve(app, {})
    await asyncio.sleep(3600)


async def _serve(app: web.Application, more: dict[str, object]) -> None:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"port": port, **more}), flush=True)


def main(arguments: list[str]) -> None:
    """Be a server until killed, or until the parent dies."""
    kind, core, parent, *rest = arguments
    die_with(int(parent))
    os.sched_setaffinity(0, {int(core)})
    match kind:
        case "origin":
            run(_origin(int(rest[0]), int(rest[1]), live_for=float(rest[2])))
        case "web":
            run(_web(rest[0]))
        case "bare":
            run(_bare())
        case _:
            raise SystemExit(f"there is no server {kind}")


if __name__ == "__main__":
    main(sys.argv[1:])

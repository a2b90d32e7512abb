"""The ingest process: puts listeners, registry, sources and listeners' socket together and answers commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from media.adapters import ffmpeg_child
from media.adapters.av_file import FileSource
from media.adapters.av_testpattern import TestPatternSource
from media.adapters.feed_socket import FeedSocketServer
from media.adapters.rtsp_source import RtspLimits, RtspSource
from media.adapters.sql.feeds import SqlFeedStore
from media.adapters.srt_source import SrtSource
from media.adapters.webrtc import WebRtcPeer
from media.contracts import feeds as contract
from media.contracts.faults import Handler, guarded
from media.contracts.whip import IceServerView
from media.ingest.feed import Feed
from media.ingest.feeds import FeedRegistry
from media.ingest.metrics import figures
from media.ingest.rtmp.server import RtmpServer, ServerLimits
from media.ingest.rtmp.session import APP, Limits
from media.ingest.rtsp import Rtsp
from media.ingest.settings import FeedsSettings, IngestSettings
from media.ingest.sources import CheckedSource, OwnListener, SourceRunner
from media.ingest.srt import Srt, SrtDefaults
from media.ingest.store import FeedStore
from media.ingest.whip.server import Peer, Receiver, WhipLimits, WhipServer
from media.model.errors import SpecError
from media.model.feed import FeedKind
from runtime import logs
from runtime.bus.announcer import Announcer
from runtime.bus.calls import serve
from runtime.bus.contract import Command
from runtime.bus.opening import open_bus
from runtime.bus.port import Bus
from runtime.database import Database
from runtime.figures import Figures, watched
from runtime.service import PermanentError
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline
from runtime.telemetry import DROPS, serve_metrics

log = logs.get("media.ingest")

SOCKET = "feeds"
"""Name of the socket (`Settings.socket`) on which workers take feeds."""
_TICK = 0.25


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """The role `ingest`. Raises `PermanentError` where the settings cannot work."""
    try:
        async with Database.of(settings) as database, open_bus(settings) as bus:
            await run(settings, lifeline, bus, SqlFeedStore(database.engine))
    except SpecError as error:
        raise PermanentError(str(error)) from error


async def run(settings: Settings, lifeline: Lifeline, bus: Bus, store: FeedStore) -> None:
    """Serve on an open bus and store until the lifeline says stop. Raises `SpecError`, `StoreError`."""
    section = settings[IngestSettings]
    announcer = Announcer(bus)
    srt = Srt(_srt_defaults(section))
    rtsp = Rtsp()
    listener = SrtSource(srt, lambda: ffmpeg_child.program(section.ffmpeg), silence=section.silence_timeout)
    cameras = _cameras(rtsp, section)
    sources: dict[FeedKind, CheckedSource | OwnListener] = {
        **_sources(section),
        FeedKind.SRT: listener,
        FeedKind.RTSP: cameras,
    }
    async with SourceRunner(sources) as runner:
        registry = FeedRegistry(
            store,
            runner,
            announcer.tell,
            publish_base=_base(section, section.rtmp_port),
            addressed={FeedKind.SRT: srt, FeedKind.RTSP: rtsp},
        )
        taps = FeedSocketServer(settings.socket(SOCKET), registry.find)

        def gone(feed: Feed) -> None:
            taps.forget(feed)
            cameras.figures.pop(feed.spec.id, None)

        registry.on_removed(gone)
        rtmp = RtmpServer(registry, host=section.host, port=section.rtmp_port, limits=_limits(section))
        whip = _whip(registry, section)
        # Feeds first: an encoder that reconnects at once must not be told that its key is unknown.
        await registry.load(settings[FeedsSettings].seed)
        await rtmp.start()
        registry.publish_base = _base(section, rtmp.port)
        try:
            await taps.start()
            async with (
                serve(bus, guarded({**handlers(registry), **whip.handlers()})),
                _telling(
                    bus, figures(registry, rtmp, whip, taps, listener.figures, cameras.figures), announcer
                ),
                asyncio.TaskGroup() as tasks,
            ):
                works = (rtmp.run(), whip.run(), taps.run(), announcer.run(), _tick(registry))
                running = [tasks.create_task(work) for work in works]
                log.info("ingest is ready", rtmp=f"{section.host}:{rtmp.port}", feeds=len(registry))
                lifeline.ready(
                    rtmp_port=rtmp.port, banner=_banner(registry.publish_base, settings[FeedsSettings])
                )
                await lifeline.stopping()
                for task in running:
                    task.cancel()
        finally:
            await rtmp.close()
            await taps.close()


@asynccontextmanager
async def _telling(bus: Bus, read: Figures, announcer: Announcer) -> AsyncIterator[None]:
    DROPS.watch("announcer", lambda: announcer.dropped)
    with watched(read):
        async with serve_metrics(bus, "ingest"):
            yield


def handlers(registry: FeedRegistry) -> Mapping[type[Command[Any]], Handler]:
    """Who answers each command of `media.contracts.feeds`."""
    return {
        contract.CreateFeed: registry.create,
        contract.UpdateFeed: registry.update,
        contract.RotateKey: registry.rotate,
        contract.DeleteFeed: registry.delete,
        contract.ListFeeds: registry.list,
        contract.GetFeed: registry.get,
    }


async def _tick(registry: FeedRegistry) -> None:
    while True:
        await asyncio.sleep(_TICK)
        registry.tick()


def _sources(section: IngestSettings) -> dict[FeedKind, CheckedSource]:
    return {
        FeedKind.FILE: FileSource(section.media_dir, any_path=section.any_path),
        FeedKind.TEST: TestPatternSource(),
    }


def _cameras(rtsp: Rtsp, section: IngestSettings) -> RtspSource:
    return RtspSource(
        rtsp,
        lambda: ffmpeg_child.program(section.ffmpeg),
        section.rtsp_networks,
        RtspLimits(answer=section.rtsp_answer, silence=section.rtsp_silence),
    )


def _srt_defaults(section: IngestSettings) -> SrtDefaults:
    first = section.srt_port
    return SrtDefaults(
        host=section.host,
        public_host=section.public_host,
        ports=range(first, min(first + section.srt_ports, 1 << 16)),
        latency=section.srt_latency,
        key_length=section.srt_key_length,
    )


def _limits(section: IngestSettings) -> ServerLimits:
    return ServerLimits(
        session=Limits(message=section.max_message_mb << 20),
        connections=section.max_connections,
        publish_within=section.publish_timeout,
        silence=section.silence_timeout,
    )


def _whip(registry: FeedRegistry, section: IngestSettings) -> WhipServer:
    servers = [
        IceServerView(url=each.url, username=each.username, credential=each.credential.get_secret_value())
        for each in section.ice_servers
    ]

    # Where our public address is known nobody needs to be asked for it, which takes up to five seconds.
    asked = () if section.webrtc_public_address else servers

    def open_peer(receiver: Receiver) -> Peer:
        return WebRtcPeer(receiver, host=section.webrtc_host, ice_servers=asked)

    limits = WhipLimits(
        sessions=section.webrtc_sessions,
        connect_within=section.webrtc_connect_timeout,
        silence=section.webrtc_silence_timeout,
        keyframe_every=section.webrtc_keyframe_seconds,
    )
    return WhipServer(
        registry,
        open_peer,
        limits=limits,
        public_address=section.webrtc_public_address,
        ice_servers=servers,
    )


def _banner(base: str, feeds: FeedsSettings) -> list[str]:
    """Where to push to, for whoever started the product."""
    keys = {
        seed.id: seed.stream_key.get_secret_value() if feeds.show_keys else "<stream key>"
        for seed in feeds.seed
        if seed.kind is FeedKind.RTMP
    }
    return [f"publish to {feed:<10} server {base}  stream key {key}" for feed, key in keys.items()]


def _base(section: IngestSettings, port: int) -> str:
    host = f"[{section.public_host}]" if ":" in section.public_host else section.public_host
    return f"rtmp://{host}:{port}/{APP}"

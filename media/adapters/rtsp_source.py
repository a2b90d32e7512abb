"""The `rtsp` source: a camera that is pulled by a receiving child, which can be ended whatever the camera does."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from media.adapters import ffmpeg_child
from media.adapters.av_relay import Intake, Relay
from media.adapters.source_thread import run_in_thread
from media.ingest.rtsp import REDIRECTED, Address, Network, Rtsp, allowed, missed_in, place_of, reason_in
from media.model.errors import SourceError, SpecError
from media.model.feed import FeedSpec
from media.ports import FeedSink

_RESOLVE_WITHIN = 5.0
_PROTOCOLS = ("rtp", "tcp", "udp")


@dataclass(slots=True)
class RtspFigures:
    """What happened to one feed since the start, for metrics."""

    connections: int = 0
    """Times the camera was asked."""
    missed: int = 0
    """RTP packets that never came."""
    received: int = 0
    """Bytes of media."""


@dataclass(frozen=True, slots=True)
class RtspLimits:
    """What a camera may ask of our patience. Seconds."""

    answer: float = 10.0
    """From asking to its first picture."""
    silence: float = 5.0
    """Without a byte of media, once there was one."""


class RtspSource:
    """Pulls cameras. Which ones may be asked is by `networks`."""

    def __init__(
        self, rtsp: Rtsp, ffmpeg: Callable[[], str], networks: Sequence[Network], limits: RtspLimits
    ) -> None:
        self._rtsp = rtsp
        self._ffmpeg = ffmpeg
        self._networks = tuple(networks)
        self._limits = limits
        self.figures: dict[str, RtspFigures] = {}

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` for a host that may not be asked. One whose name nobody knows now may be there later."""
        try:
            addresses = await self._resolved(spec)
        except SourceError:
            return
        if not any(allowed(address, self._networks) for address in addresses):
            raise SpecError("this host may not be asked: see ingest.rtsp_networks", field="options.url")

    async def run(self, spec: FeedSpec, sink: FeedSink) -> None:
        """Deliver until cancelled. Raises `SourceError` when the camera is lost, for whatever reason."""
        figures = self.figures.setdefault(spec.id, RtspFigures())
        host, port = place_of(spec.option("url"))
        sink.connecting(f"{host}:{port}")
        # Whoever answers for the name now is whom we ask: another answer a moment later counts for nothing.
        found = [each for each in await self._resolved(spec) if allowed(each, self._networks)]
        if not found:
            raise SourceError("this host may not be asked: see ingest.rtsp_networks")
        figures.connections += 1
        words = _Words()
        intake = Intake()
        script = self._rtsp.script(spec, found[0], patience=self._limits.silence)
        try:
            async with ffmpeg_child.receiving(self._ffmpeg(), script, _PROTOCOLS, words.hear) as child:
                words.on_redirect(child.kill)
                relay = Relay(child.pipe, intake, first=self._limits.answer, silence=self._limits.silence)
                await run_in_thread(f"rtsp {spec.id}", relay.run, sink)
                status = await child.wait()
        finally:
            figures.received += intake.bytes
            figures.missed += words.missed
        raise SourceError(words.reason or _ending(status, intake))

    async def _resolved(self, spec: FeedSpec) -> list[Address]:
        host, port = place_of(spec.option("url"))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVE_WITHIN):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise SourceError("the name of the camera could not be looked up in time") from error
        except (OSError, UnicodeError) as error:
            raise SourceError("nobody knows the name of the camera") from error
        return [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]


def _ending(status: int, intake: Intake) -> str:
    if status < 0:
        return f"the receiving program was killed ({signal.Signals(-status).name})"
    if intake.heard is not None:
        return "the camera ended the stream"
    return "the camera sent nothing that can be used"


class _Words:
    """What a child's stderr told."""

    def __init__(self) -> None:
        self.reason = ""
        self.missed = 0
        self._end: Callable[[], None] = lambda: None

    def on_redirect(self, end: Callable[[], None]) -> None:
        """What to do when the camera sends the child elsewhere."""
        self._end = end
        if self.reason == REDIRECTED:
            end()

    def hear(self, line: str) -> None:
        """A line. The first reason is the cause of those that follow."""
        self.missed += missed_in(line)
        reason = reason_in(line)
        if reason is not None and not self.reason:
            self.reason = reason
            if reason == REDIRECTED:
                self._end()

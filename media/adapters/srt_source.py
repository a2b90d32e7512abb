"""SRT feeds: who knocks at a feed's port gets a receiving child; while nobody does, a bare socket is all it costs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from media.adapters import ffmpeg_child
from media.adapters.av_relay import Intake, Relay
from media.adapters.source_thread import run_in_thread
from media.ingest.feed import Publication
from media.ingest.sources import Publish
from media.ingest.srt import LISTEN, Srt, SrtWord, caller_of, heard, shutdown_of
from media.model.errors import EngineError, SourceError
from media.model.feed import FeedSpec
from media.model.tracks import EncodedPacket, TrackHeader
from runtime import logs
from runtime.service import Backoff, RestartPolicy

log = logs.get("media.ingest.srt")

_BACKOFF = RestartPolicy(at_once=0.1, first=0.5, limit=15.0, healthy_after=10.0)
_QUIET_END = 3.0
"""Seconds without media before its end that make the end a loss of the line, not the sender's wish."""
_PROTOCOLS = ("srt", "udp")


@dataclass(slots=True)
class SrtFigures:
    """What happened to one feed since the start, for metrics."""

    children: int = 0
    """Receiving children that were started."""
    refused: int = 0
    """Senders that were turned away."""
    dropped: int = 0
    """Packets that came too late or never, told by the child."""
    bytes: int = 0
    """Bytes of media from children that have ended."""
    intake: Intake = field(default_factory=Intake)
    """Of the present child."""

    @property
    def received(self) -> int:
        """Bytes of media."""
        return self.bytes + self.intake.bytes


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who asks for a connection."""

    address: tuple[str, int]
    socket_id: bytes

    @property
    def name(self) -> str:
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SrtSource:
    """Listens for the senders of SRT feeds."""

    def __init__(self, srt: Srt, ffmpeg: Callable[[], str], *, silence: float) -> None:
        """`silence`: seconds without a byte after which a sender's connection is dead."""
        self._srt = srt
        self._ffmpeg = ffmpeg
        self._silence = silence
        self.figures: dict[str, SrtFigures] = {}

    async def listen(self, current: Callable[[], FeedSpec], publish: Publish) -> None:
        """Serve one feed until cancelled. Raises `SourceError` where its port cannot be had."""
        backoff = Backoff(_BACKOFF)
        figures = self.figures.setdefault(current().id, SrtFigures())
        try:
            while True:
                caller = await self._knock(int(current().option("port")), publish)
                begun = time.monotonic()
                if not await self._receive(current(), publish, caller, figures):
                    await asyncio.sleep(backoff.failed(time.monotonic() - begun))
        finally:
            self.figures.pop(current().id, None)

    async def _knock(self, port: int, publish: Publish) -> _Caller:
        """Wait at the port until somebody asks for a connection."""
        host = self._srt.defaults.host
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as waiting:
            waiting.settimeout(0)
            try:
                waiting.bind((host, port))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                why = "is in use by another program" if taken else f"cannot be used: {error.strerror}"
                reason = f"UDP port {port} {why}"
                publish(lambda _reason: None).failed(reason)
                raise SourceError(reason) from error
            found: asyncio.Future[_Caller] = loop.create_future()

            def look() -> None:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    data, address = waiting.recvfrom(2048)
                    if (caller := caller_of(data)) is not None and not found.done():
                        found.set_result(_Caller(address[:2], caller))

            loop.add_reader(waiting.fileno(), look)
            try:
                return await found
            finally:
                loop.remove_reader(waiting.fileno())

    async def _receive(self, spec: FeedSpec, publish: Publish, caller: _Caller, figures: SrtFigures) -> bool:
        """One child's life. False where it failed by itself."""
        session = _Session(publish, caller, figures)
        try:
            async with ffmpeg_child.receiving(
                self._ffmpeg(), self._srt.script(spec), _PROTOCOLS, session.hear
            ) as child:
                figures.children += 1
                figures.intake = session.intake
                try:
                    first = LISTEN + self._silence
                    relay = Relay(child.pipe, session.intake, first=first, silence=self._silence)
                    await run_in_thread(f"srt {spec.id}", relay.run, session)
                    status = await child.wait()
                except SourceError as error:
                    session.failed(str(error))
                    return True
        except EngineError as error:
            session.failed(str(error))
            return False
        except BaseException:
            session.lost("it was stopped")
            raise
        finally:
            figures.bytes += session.intake.bytes
            figures.intake = Intake()
        session.ended(status)
        if status < 0 and session.known:
            # The sender would go on into the void for seconds: told, it connects anew at once.
            _say_goodbye(self._srt.defaults.host, int(spec.option("port")), caller)
        return status >= 0 and not session.unused


def _say_goodbye(host: str, port: int, caller: _Caller) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as saying:
        saying.settimeout(0)
        saying.bind((host, port))
        saying.sendto(shutdown_of(caller.socket_id), caller.address)


class _Session:
    """One child's hold on the feed: the sink of its media, and the reader of its words."""

    def __init__(self, publish: Publish, caller: _Caller, figures: SrtFigures) -> None:
        self.intake = Intake()
        self._publish = publish
        self._peer = caller.name
        self._figures = figures
        self._accepted = False
        self._last: float | None = None
        """When the newest packet came."""
        self._gap_ended = -math.inf
        """When the newest packet came that a long silence was before: at its end the child hands over what it held."""
        self._nobody = False
        self._hold: Publication | None = None
        self._take_hold()

    def _take_hold(self) -> Publication:
        if self._hold is None:
            self._hold = self._publish(lambda _reason: None)
            self._hold.connecting(self._peer)
        return self._hold

    # --- the sink ---

    def connecting(self, peer: str) -> None:
        """As `media.ports.FeedSink`; that somebody is there was told when they knocked."""

    def header(self, header: TrackHeader) -> None:
        """As `media.ports.FeedSink`."""
        self._take_hold().header(header)

    def packet(self, packet: EncodedPacket) -> None:
        """As `media.ports.FeedSink`."""
        now = time.monotonic()
        if self._last is not None and now - self._last > _QUIET_END:
            self._gap_ended = now
        self._last = now
        self._take_hold().packet(packet)

    def lost(self, reason: str) -> None:
        """As `media.ports.FeedSink`; what was told of the end already stands."""
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.lost(reason)

    # --- beside it ---

    def failed(self, reason: str) -> None:
        """What comes cannot be used."""
        hold, self._hold = self._take_hold(), None
        hold.failed(reason)

    def hear(self, line: str) -> None:
        """A line of the child's stderr."""
        found = heard(line)
        if found is None:
            return
        word, value = found
        if word is SrtWord.ACCEPTED:
            self._accepted = True
            self._take_hold().named(f"{self._peer} ({value})".strip() if value else self._peer)
        elif word is SrtWord.REFUSED:
            self._figures.refused += 1
            self._take_hold()
            self.lost(value)
            self._peer = ""  # whoever comes next is another, and the child does not say from where
        elif word is SrtWord.DROPPED:
            self._figures.dropped += int(value)
        else:
            self._nobody = self._nobody or word is SrtWord.NOBODY

    @property
    def known(self) -> bool:
        """Who is connected is the one that knocked."""
        return bool(self._peer)

    @property
    def unused(self) -> bool:
        """The child ended before anybody was connected, and not because nobody came."""
        return not self._accepted and not self._nobody

    def ended(self, status: int) -> None:
        """The child is gone, by itself or killed."""
        now = time.monotonic()
        if status < 0:
            self.lost(f"the receiving program was killed ({signal.Signals(-status).name})")
        elif not self._accepted:
            self.lost(self._unanswered(status))
        elif self._last is None:
            self.failed("it sent nothing that can be read as MPEG-TS")
        elif status > 0:
            self.lost(f"the receiving program failed (status {status})")
        elif now - self._last > _QUIET_END or now - self._gap_ended < _QUIET_END:
            self.lost("the line to the sender broke: nothing came any more")
        else:
            self.lost("the sender closed the connection")

    def _unanswered(self, status: int) -> str:
        if not self.unused:
            return "a sender knocked, and did not go on"
        return f"the receiving program failed (status {status})"

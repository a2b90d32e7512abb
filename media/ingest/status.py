"""How a feed fares: a pure state machine, told what happened and what time it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader

STALLED_AFTER = 1.0
"""Seconds without an access unit after which a feed that was live is stalled."""
WINDOW = 2.0
"""Seconds over which rates are told."""
_WINDOW_MICROS = int(WINDOW * 1e6)
_MAX_FRAMES = 512
"""Frames remembered for the frame rate: two seconds at 240 a second, with room."""

_PRESENT = frozenset({FeedPhase.CONNECTING, FeedPhase.LIVE, FeedPhase.STALLED})


@dataclass(slots=True)
class StatusMachine:
    """`status` is valid after each call. Times: `now` in monotonic seconds, `wall` in Unix microseconds."""

    status: FeedStatus = field(default_factory=FeedStatus)
    _last_unit: float | None = None
    _bytes: int = 0
    _samples: deque[tuple[float, int]] = field(default_factory=deque)
    """Readings of the byte count, one a tick, over the window."""
    _last_picture: float = 0.0
    _frames: deque[int] = field(default_factory=lambda: deque(maxlen=_MAX_FRAMES))
    """Decode times of the window's frames."""

    @property
    def present(self) -> bool:
        """A sender is there."""
        return self.status.phase in _PRESENT

    def connecting(self, peer: str, wall: int) -> None:
        """A new sender is there; what was known of the former one is forgotten."""
        self._forget()
        self.status = FeedStatus(phase=FeedPhase.CONNECTING, since=wall, peer=peer)

    def named(self, peer: str) -> None:
        """More is known of the sender that is there."""
        self.status = replace(self.status, peer=peer)

    def header(self, header: TrackHeader) -> None:
        """A track's parameters, with the picture's size where it is known."""
        if header.kind is MediaKind.VIDEO:
            self._frames.clear()
            self.status = replace(
                self.status, video_codec=header.codec.value, width=header.width, height=header.height
            )
        else:
            self.status = replace(self.status, audio_codec=header.codec.value)

    def unit(self, packet: EncodedPacket, now: float, wall: int) -> None:
        """One access unit came."""
        self._last_unit = now
        self._bytes += len(packet.data)
        if packet.kind is MediaKind.VIDEO:
            self._last_picture = now
            frames = self._frames
            if frames and not 0 < packet.dts - frames[-1] < _WINDOW_MICROS:
                frames.clear()  # the sender's clock jumped: a span over it means nothing
            frames.append(packet.dts)
            while packet.dts - frames[0] > _WINDOW_MICROS:
                frames.popleft()
        if self.status.phase is not FeedPhase.LIVE:
            self._go(FeedPhase.LIVE, "", wall)

    def remark(self, reason: str) -> None:
        """What is wrong with a sender although its media flows; empty where nothing is."""
        if self.status.phase is FeedPhase.LIVE and reason != self.status.reason:
            self.status = replace(self.status, reason=reason)

    def lost(self, reason: str, wall: int) -> None:
        """The sender went away."""
        self._gone(FeedPhase.LOST, reason, wall)

    def failed(self, reason: str, wall: int) -> None:
        """What it sends, or is, cannot work."""
        self._gone(FeedPhase.FAILED, reason, wall)

    def idle(self, wall: int) -> None:
        """Nobody sends, and nobody is missed."""
        self._gone(FeedPhase.IDLE, "", wall)

    def tick(self, now: float, wall: int) -> None:
        """Time passed; call it a few times a second."""
        age = None if self._last_unit is None else now - self._last_unit
        if self.status.phase is FeedPhase.LIVE and age is not None and age > STALLED_AFTER:
            self._go(FeedPhase.STALLED, "the sender is connected but sends no media", wall)
        if self.status.phase not in {FeedPhase.LIVE, FeedPhase.STALLED}:
            return
        self._samples.append((now, self._bytes))
        while now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        span, total = now - self._samples[0][0], self._bytes - self._samples[0][1]
        if now - self._last_picture > WINDOW:
            self._frames.clear()  # sound goes on, the picture does not
        media = self._frames[-1] - self._frames[0] if self._frames else 0
        live = self.status.phase is FeedPhase.LIVE
        self.status = replace(
            self.status,
            age=age,
            bitrate=round(total * 8 / span) if span > 0 else 0,
            frame_rate=round((len(self._frames) - 1) * 1e6 / media, 2) if media and live else 0.0,
        )

    def _gone(self, phase: FeedPhase, reason: str, wall: int) -> None:
        self._forget()
        self.status = FeedStatus(phase=phase, reason=reason, since=wall, peer=self.status.peer)

    def _go(self, phase: FeedPhase, reason: str, wall: int) -> None:
        self.status = replace(self.status, phase=phase, reason=reason, since=wall)

    def _forget(self) -> None:
        self._last_unit = None
        self._bytes = 0
        self._samples.clear()
        self._frames.clear()

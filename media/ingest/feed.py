"""One feed: who sends to it, the ring of its newest packets, its status, and who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from media.ingest.describe import with_size
from media.ingest.discipline import ClockDiscipline
from media.ingest.ring import GopRing
from media.ingest.status import StatusMachine
from media.model.errors import ConflictError
from media.model.feed import FeedKind, FeedPhase, FeedSpec, FeedStatus, SecondPublisher
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.clock import Clock, SystemClock

LIVE_REPORT = 2.0
"""Seconds between reports of a live feed's rates."""
_STRANGERS = frozenset({FeedKind.RTSP, FeedKind.SRT, FeedKind.RTMP})
"""Kinds whose clock is the sender's word alone: browsers report theirs (`media.ingest.whip.clock`), files and patterns are
sent by our own."""


class Listener(Protocol):
    """Somebody who takes a feed's media as it comes. Calls are cheap and never raise."""

    def header(self, header: TrackHeader) -> None:
        """A track's parameters."""
        ...

    def packet(self, packet: EncodedPacket) -> None:
        """One access unit."""
        ...

    def status(self, status: FeedStatus) -> None:
        """The feed went to another phase."""
        ...


class Feed:
    """A feed belongs to no channel; any number of listeners take from it.

    `on_change(feed, phase_changed)` is called when its phase changes and every two seconds while it is live.
    """

    def __init__(
        self,
        spec: FeedSpec,
        on_change: Callable[[Feed, bool], None],
        clock: Clock | None = None,
        ring: GopRing | None = None,
    ) -> None:
        self.spec = spec
        self.ring = ring or GopRing()
        self.listeners: set[Listener] = set()
        self.discipline = ClockDiscipline() if spec.kind in _STRANGERS else None
        """What holds its clock to real time, where that is needed."""
        self._machine = StatusMachine()
        self._clock = clock or SystemClock()
        self._on_change = on_change
        self._publication: Publication | None = None
        self._reported = 0.0

    @property
    def status(self) -> FeedStatus:
        """How it fares now."""
        return self._machine.status

    def open(self, end: Callable[[str], None]) -> Publication:
        """Let a sender in; `end(reason)` is called when it must go. Raises `ConflictError` when the feed is taken.

        A sender that has stalled gives way under either policy: it is mostly the dead connection of the very
        encoder that now tries again.
        """
        former = self._publication
        if former is not None:
            # A browser whose answer was lost asks again at once: its own session that never connects must not keep it out.
            present = (
                {FeedPhase.LIVE}
                if self.spec.kind is FeedKind.WHIP
                else {FeedPhase.CONNECTING, FeedPhase.LIVE}
            )
            busy = self.status.phase in present
            if busy and self.spec.second_publisher is SecondPublisher.REFUSE:
                raise ConflictError("somebody is publishing to this feed already", field="feed")
            self._publication = None
            former.end("another sender took over this feed")
        self._publication = Publication(self, end)
        return self._publication

    def retire(self, reason: str) -> None:
        """End the sender, if there is one: the feed is being removed."""
        publication = self._publication
        if publication is not None:
            publication.lost(reason)
            publication.end(reason)

    def tick(self) -> None:
        """Time passed; call it a few times a second."""
        before = self.status.phase
        now = self._clock.monotonic()
        self._machine.tick(now, self._clock.wall())
        if self.status.phase is not before:
            self._phase_changed()
        elif before is FeedPhase.LIVE and now - self._reported >= LIVE_REPORT:
            self._reported = now
            self._on_change(self, False)  # noqa: FBT003 - a callback's second argument, named in the class docstring

    # --- from the sender, by way of its publication ---

    def take_connecting(self, peer: str) -> None:
        """A sender is there."""
        self.ring.clear()
        if self.discipline is not None:
            self.discipline.restart()
        self._machine.connecting(peer, self._clock.wall())
        self._phase_changed()

    def take_name(self, peer: str) -> None:
        """The sender is better known."""
        self._machine.named(peer)

    def take_header(self, header: TrackHeader) -> None:
        """A track's parameters."""
        header = with_size(header)
        if self.discipline is not None:
            self.discipline.header(header)
        self.ring.header(header)
        self._machine.header(header)
        for listener in self.listeners:
            listener.header(header)

    def take_packet(self, packet: EncodedPacket) -> None:
        """One access unit."""
        if self.discipline is not None:
            packet = self.discipline.take(packet)
            self._machine.remark(_said(self.discipline.rates))
        self.ring.packet(packet)
        before = self.status.phase
        self._machine.unit(packet, self._clock.monotonic(), self._clock.wall())
        if self.status.phase is not before:
            self._phase_changed()
        for listener in self.listeners:
            listener.packet(packet)

    def take_end(self, publication: Publication, reason: str, *, failed: bool) -> None:
        """The sender went away."""
        if self._publication is not publication:
            return
        self._publication = None
        self.ring.clear()
        if self.discipline is not None:
            self.discipline.restart()
        if failed:
            self._machine.failed(reason, self._clock.wall())
        else:
            self._machine.lost(reason, self._clock.wall())
        self._phase_changed()

    def holds(self, publication: Publication) -> bool:
        """Whether this sender is the feed's present one."""
        return self._publication is publication

    def _phase_changed(self) -> None:
        self._reported = self._clock.monotonic()
        for listener in self.listeners:
            listener.status(self.status)
        self._on_change(self, True)  # noqa: FBT003 - as above


def _said(rates: Mapping[MediaKind, float]) -> str:
    """What staff are told of clocks that run wrong; empty where all run right."""
    if not rates:
        return ""
    what = " and ".join(
        {MediaKind.VIDEO: "picture", MediaKind.AUDIO: "sound"}[kind] for kind in sorted(rates)
    )
    rate = rates.get(MediaKind.VIDEO, max(rates.values()))
    return f"the sender's clock runs at {rate:.2g} times real time: its {what} follow by when they arrive"


class Publication:
    """A sender's hold on a feed: the `FeedSink` of one publisher or one run of a source.

    Once another one has taken over, what the former still delivers falls into the void.
    """

    def __init__(self, feed: Feed, end: Callable[[str], None]) -> None:
        self._feed = feed
        self.end = end

    def connecting(self, peer: str) -> None:
        """A sender is there; no media yet."""
        if self._feed.holds(self):
            self._feed.take_connecting(peer)

    def named(self, peer: str) -> None:
        """The sender is better known: its address with its encoder's name."""
        if self._feed.holds(self):
            self._feed.take_name(peer)

    def header(self, header: TrackHeader) -> None:
        """A track's parameters, before its first packet and at each change."""
        if self._feed.holds(self):
            self._feed.take_header(header)

    def packet(self, packet: EncodedPacket) -> None:
        """One access unit of a track whose header was given."""
        if self._feed.holds(self):
            self._feed.take_packet(packet)

    def lost(self, reason: str) -> None:
        """The sender went away, or was ended."""
        self._feed.take_end(self, reason, failed=False)

    def failed(self, reason: str) -> None:
        """What the sender sends cannot be used."""
        self._feed.take_end(self, reason, failed=True)

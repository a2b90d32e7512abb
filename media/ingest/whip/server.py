"""WebRTC sessions: who is let in, when a session is at its end, and what its sender is asked for."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from media.contracts import whip as contract
from media.contracts.faults import Handler
from media.ingest.whip import sdp
from media.ingest.whip.pieces import Losses, Piece
from media.ingest.whip.reception import Ask, Reception, Sink
from media.model.errors import ConflictError, MediaError, NotFoundError, SpecError, StoreError
from media.model.tracks import MediaKind
from runtime import logs
from runtime.bus.contract import Command, Done
from runtime.clock import Clock, SystemClock

log = logs.get("media.ingest.whip")

LOOK = 0.02
"""Seconds between two looks at every session: a lost packet is asked for within that."""
_ANSWER_WITHIN = 8.0
"""Seconds for an answer: gathering our own addresses waits up to five for STUN and TURN servers."""
_CLOSE_WITHIN = 3.0
_SEND_WITHIN = 1.0
_IDLE = 0.5


class Peer(Protocol):
    """One WebRTC connection (`media.adapters.webrtc`)."""

    async def answer(self, offer: str) -> str:
        """Our answer, with all our addresses. Raises `SpecError` where the offer cannot be answered."""
        ...

    async def add_candidates(self, candidates: Sequence[sdp.Candidate]) -> None:
        """More addresses of the sender."""
        ...

    async def ask(self, ask: Ask) -> None:
        """Have the sender repeat packets, or send a keyframe."""
        ...

    async def close(self) -> None:
        """End it; more than once does no harm."""
        ...


class Receiver(Protocol):
    """What a connection tells, on the event loop."""

    def connected(self) -> None:
        """ICE and DTLS are done."""
        ...

    def packet(self, kind: MediaKind, source: int, piece: Piece) -> None:
        """A packet of media."""
        ...

    def report(self, kind: MediaKind, source: int, ntp: int, timestamp: int) -> None:
        """A sender report."""
        ...

    def closed(self, reason: str) -> None:
        """The connection is no more."""
        ...


OpenPeer = Callable[[Receiver], Peer]


class Publishers(Protocol):
    """Who may publish where."""

    def check_key(self, feed: str, key_hash: str) -> None:
        """Raises `NotFoundError` (field `stream_key`) where this key does not open this feed to WebRTC."""
        ...

    def publish_to(self, feed: str, end: Callable[[str], None]) -> Sink:
        """The sink of the feed. Raises `ConflictError` where it is taken."""
        ...


@dataclass(frozen=True, slots=True)
class WhipLimits:
    """What the listener puts up with; seconds and counts."""

    sessions: int = 32
    connect_within: float = 15.0
    """From the answer to the end of ICE and DTLS."""
    silence: float = 10.0
    """Without a packet, until the sender counts as gone."""
    keyframe_every: float = 2.0


@dataclass(slots=True)
class Counters:
    """What happened so far, for metrics."""

    sessions: int = 0
    refused: int = 0
    timeouts: int = 0
    _past: list[Losses] = field(default_factory=lambda: [Losses(), Losses()])

    def add(self, losses: Sequence[Losses]) -> None:
        """Count what a session that ended has lost."""
        for total, each in zip(self._past, losses, strict=True):
            total.packets += each.packets
            total.pictures += each.pictures
            total.asked += each.asked

    def losses(self, running: Sequence[Sequence[Losses]]) -> Losses:
        """Of all sessions, those that run among them."""
        each = [losses for pair in (self._past, *running) for losses in pair]
        return Losses(sum(e.packets for e in each), sum(e.pictures for e in each), sum(e.asked for e in each))


class Session:
    """One sender: the `Receiver` of its connection."""

    def __init__(self, feed: str, offer: sdp.Offer, limits: WhipLimits, clock: Clock) -> None:
        self.id = secrets.token_urlsafe(18)
        self.etag = secrets.token_hex(8)
        self.feed = feed
        self.offer = offer
        self.candidates = len(offer.candidates)
        self.begun = clock.monotonic()
        self.ending: str | None = None
        """Why it is to be ended."""
        self.reception: Reception | None = None
        self.sink: Sink | None = None
        self.peer: Peer | None = None
        self._connected: float | None = None
        self._limits = limits
        self._clock = clock

    def connected(self) -> None:
        """As `Receiver`."""
        self._connected = self._clock.monotonic()

    def packet(self, kind: MediaKind, source: int, piece: Piece) -> None:
        """As `Receiver`."""
        if self.reception is not None and self.ending is None:
            self.reception.packet(kind, source, piece, self._clock.monotonic(), self._clock.wall())

    def report(self, kind: MediaKind, source: int, ntp: int, timestamp: int) -> None:
        """As `Receiver`."""
        if self.reception is not None:
            self.reception.report(kind, source, ntp, timestamp)

    def closed(self, reason: str) -> None:
        """As `Receiver`."""
        self.end(reason)

    def end(self, reason: str) -> None:
        """Have it ended at the next look; the first reason stands."""
        if self.ending is None:
            self.ending = reason

    def overdue(self, now: float) -> str:
        """Why the sender is to be given up; empty while it is not."""
        limits = self._limits
        if self._connected is None:
            if now - self.begun <= limits.connect_within:
                return ""
            return (
                f"no connection within {limits.connect_within:g} s: the sender's UDP packets do not reach us, "
                "or its DTLS handshake does not finish"
            )
        heard = self.reception.heard if self.reception is not None else None
        if now - max(self._connected, heard or 0.0) > limits.silence:
            return f"nothing came for {limits.silence:g} s: the connection is dead"
        return ""


class WhipServer:
    """All sessions. `await run()` serves until cancelled, then ends them."""

    def __init__(
        self,
        publishers: Publishers,
        open_peer: OpenPeer,
        *,
        limits: WhipLimits | None = None,
        public_address: str = "",
        ice_servers: Sequence[contract.IceServerView] = (),
        clock: Clock | None = None,
    ) -> None:
        self.limits = limits or WhipLimits()
        self.counters = Counters()
        self.sessions: dict[str, Session] = {}
        self._publishers = publishers
        self._open_peer = open_peer
        self._public_address = str(ipaddress.ip_address(public_address)) if public_address else ""
        self._ice_servers = list(ice_servers)
        self._clock: Clock = clock or SystemClock()
        self._some = asyncio.Event()

    def handlers(self) -> Mapping[type[Command[Any]], Handler]:
        """Who answers each command of `media.contracts.whip`."""
        return {
            contract.WhipOffer: self.offer,
            contract.WhipTrickle: self.trickle,
            contract.WhipEnd: self.finish,
        }

    @property
    def losses(self) -> Losses:
        """What was lost since the start."""
        running = [each.reception.losses for each in self.sessions.values() if each.reception]
        return self.counters.losses(running)

    # --- commands ---

    async def offer(self, command: contract.WhipOffer) -> contract.WhipAnswer:
        """Open a session. Raises `NotFoundError`, `ConflictError`, `SpecError`, `StoreError` (no room)."""
        try:
            return await self._offer(command)
        except MediaError as error:
            self.counters.refused += 1
            log.info("WebRTC sender refused", feed=command.feed, peer=command.peer, reason=str(error))
            raise

    async def _offer(self, command: contract.WhipOffer) -> contract.WhipAnswer:
        self._publishers.check_key(command.feed, command.key)
        offer = sdp.read_offer(command.sdp)
        if len(self.sessions) >= self.limits.sessions:
            raise StoreError(f"there are {self.limits.sessions} WebRTC senders already", field="session")
        session = Session(command.feed, offer, self.limits, self._clock)
        sink = self._publishers.publish_to(command.feed, session.end)
        self.sessions[session.id] = session
        session.sink = sink
        session.reception = Reception(offer, sink, keyframe_every=self.limits.keyframe_every)
        self.counters.sessions += 1
        sink.connecting(command.peer)
        peer = session.peer = self._open_peer(session)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                answer = await peer.answer(sdp.write_offer(offer))
        except BaseException as error:
            reason = "our addresses were not found in time" if isinstance(error, TimeoutError) else str(error)
            session.end(reason or "it was broken off")
            if isinstance(error, TimeoutError):
                raise StoreError(reason, field="ice") from error
            raise
        finally:
            self._some.set()
        session.begun = self._clock.monotonic()
        return contract.WhipAnswer(
            session=session.id,
            etag=session.etag,
            sdp=sdp.write_answer(answer, offer, self._public_address),
            ice_servers=self._ice_servers,
        )

    async def trickle(self, command: contract.WhipTrickle) -> Done:
        """Take more addresses. Raises `NotFoundError`, `ConflictError` (another ICE session), `SpecError`."""
        session = self._known(command.feed, command.session, command.key)
        fragment = sdp.read_fragment(command.fragment)
        restart = bool(fragment.ufrag) and fragment.ufrag != session.offer.ufrag
        if command.etag == "*" or restart:
            raise SpecError("ICE restart is not supported: open another session instead", field="ice")
        if command.etag is not None and command.etag != session.etag:
            raise ConflictError("the tag is not that of the ICE session", field="etag")
        room = sdp.MAX_CANDIDATES - session.candidates
        fresh = fragment.candidates[: max(0, room)]
        session.candidates += len(fresh)
        if fresh and session.peer is not None:
            await session.peer.add_candidates(fresh)
        return Done()

    async def finish(self, command: contract.WhipEnd) -> Done:
        """End a session. Raises `NotFoundError`."""
        session = self._known(command.feed, command.session, command.key)
        session.end("the sender ended the stream")
        await self._drop(session)
        return Done()

    def _known(self, feed: str, session: str, key: str) -> Session:
        self._publishers.check_key(feed, key)
        found = self.sessions.get(session)
        if found is None or found.feed != feed:
            raise NotFoundError("there is no such session: it is over, or never was", field="session")
        return found

    # --- life ---

    async def run(self) -> None:
        """Look after the sessions until cancelled; ends them all on the way out."""
        try:
            async with asyncio.TaskGroup() as closing:
                while True:
                    if self.sessions:
                        await asyncio.sleep(LOOK)
                        await self._look(closing)
                    else:
                        self._some.clear()
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._some.wait(), _IDLE)
        finally:
            left = tuple(self.sessions.values())
            for session in left:
                session.end("the server stops")
            await asyncio.gather(*(self._drop(session) for session in left))

    async def _look(self, closing: asyncio.TaskGroup) -> None:
        now, wall = self._clock.monotonic(), self._clock.wall()
        for session in tuple(self.sessions.values()):
            if session.ending is None and (why := session.overdue(now)):
                self.counters.timeouts += 1
                session.end(why)
            if session.ending is not None:
                closing.create_task(self._drop(session))
                continue
            try:
                await self._look_at(session, now, wall)
            except Exception as error:
                # A fault with one sender ends that sender, and not the process that holds everybody's feeds.
                log.exception("a WebRTC sender could not be looked after", feed=session.feed)
                session.end(f"an internal error: {error!r}")

    @staticmethod
    async def _look_at(session: Session, now: float, wall: int) -> None:
        if session.reception is None or session.peer is None:
            return
        ask = session.reception.look(now, wall)
        if ask is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SEND_WITHIN):
                    await session.peer.ask(ask)

    async def _drop(self, session: Session) -> None:
        if self.sessions.pop(session.id, None) is None:
            return
        reason = session.ending or "it was broken off"
        log.info("WebRTC sender left", feed=session.feed, reason=reason)
        if session.reception is not None:
            self.counters.add(session.reception.losses)
        if session.sink is not None:
            session.sink.lost(reason)
        if session.peer is not None:
            try:
                async with asyncio.timeout(_CLOSE_WITHIN):
                    await session.peer.close()
            except TimeoutError:
                log.warning("a WebRTC connection does not close", feed=session.feed)
            except Exception:
                # The library's trouble with one connection is not the others': it was let go of anyway.
                log.exception("a WebRTC connection did not close well", feed=session.feed)

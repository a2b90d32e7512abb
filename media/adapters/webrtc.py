"""WebRTC connections of senders, over aiortc. The only place that knows aiortc, and four things of its inside:

- `RTCRtpReceiver` hands each packet, its payload depacketised, to a jitter buffer of its own and decodes what that puts
  together. `_Tap` stands in for that buffer: it passes packets on and puts nothing together, so nothing is ever decoded
  here (the decoder thread that each receiver starts waits for ever). Order, repeats and keyframes are decided by
  `media.ingest.whip.pieces`, so the receiver's own requests for repeats are switched off.
- `aioice.Connection` gathers on every address of the machine; where one address is set, it is told that one.
- It asks the sender for consent every five seconds and closes after six questions without an answer, whatever arrives meanwhile.
  The ffmpeg program answers none, and was cut off after half a minute. Who sends nothing but reports need not ask
  (RFC 7675, 5.1), so nothing is asked: a sender is gone when nothing comes from it (`WhipLimits.silence`).
- It passes empty datagrams on, from anybody; aiortc's DTLS looks at their first byte, and ends. They are left out.

aiortc is pinned to one version for it; tests/contract/test_webrtc_inside.py fails where the inside is another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aioice.ice import Connection, get_host_addresses
from aiortc import (
    RTCConfiguration,
    RTCIceCandidate,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import AnyRtcpPacket, RtcpByePacket, RtcpSrPacket, RtpPacket

from media.contracts.whip import IceServerView
from media.ingest.whip.pieces import Piece
from media.ingest.whip.reception import Ask
from media.ingest.whip.sdp import Candidate
from media.ingest.whip.server import Receiver
from media.model.errors import EngineError, SpecError
from media.model.tracks import MediaKind
from runtime import logs

log = logs.get("media.adapters.webrtc")

BUFFER = "_RTCRtpReceiver__jitter_buffer"
NACKS = "_RTCRtpReceiver__nack_generator"
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - a comparison


class _Tap:
    """In the place of aiortc's `JitterBuffer`."""

    def __init__(self, kind: MediaKind, receiver: Receiver) -> None:
        self._kind = kind
        self._receiver = receiver

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Pass a packet on; asks for no keyframe and gives no frame."""
        data: bytes = packet._data  # type: ignore[attr-defined]  # noqa: SLF001 - the depacketised payload, set just before
        piece = Piece(packet.sequence_number, packet.timestamp, bool(packet.marker), data)
        try:
            self._receiver.packet(self._kind, packet.ssrc, piece)
        except Exception as error:
            # A bug of ours must not end in aiortc's receive loop, where nobody would tell the feed.
            log.exception("a packet could not be dealt with")
            self._receiver.closed(f"an internal error: {error!r}")
        return False, None


class WebRtcPeer:
    """One connection; the `media.ingest.whip.server.Peer` of one `Receiver`."""

    def __init__(
        self, receiver: Receiver, *, host: str = "", ice_servers: Sequence[IceServerView] = ()
    ) -> None:
        servers = [
            RTCIceServer(each.url, each.username or None, each.credential or None) for each in ice_servers
        ]
        self._receiver = receiver
        self._host = host
        self._was_connected = False
        self._receivers: dict[MediaKind, RTCRtpReceiver] = {}
        # An empty list, for without one aiortc asks a STUN server of Google's.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._connection.on("connectionstatechange", self._changed)

    async def answer(self, offer: str) -> str:
        """As `Peer`. `offer` is one of ours (`media.ingest.whip.sdp.write_offer`)."""
        connection = self._connection
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            for transceiver in connection.getTransceivers():
                self._take(MediaKind(transceiver.kind), transceiver.receiver)
            await connection.setLocalDescription(await connection.createAnswer())
        except (InternalError, InvalidAccessError, InvalidStateError, OperationError, ValueError) as error:
            raise SpecError(f"the offer cannot be answered: {error}", field="offer") from error
        return str(connection.localDescription.sdp)

    async def add_candidates(self, candidates: Sequence[Candidate]) -> None:
        """As `Peer`."""
        for receiver in self._receivers.values():
            for each in candidates:
                await receiver.transport.transport.addRemoteCandidate(
                    RTCIceCandidate(
                        1, each.foundation, each.address, each.port, each.priority, "udp", each.kind
                    )
                )
            return  # all tracks share one transport

    async def ask(self, ask: Ask) -> None:
        """As `Peer`."""
        receiver = self._receivers.get(ask.kind)
        if receiver is None:
            return
        if ask.wanted.repeats:
            await receiver._send_rtcp_nack(ask.source, list(ask.wanted.repeats))  # noqa: SLF001 - see the module
        if ask.wanted.picture:
            await receiver._send_rtcp_pli(ask.source)  # noqa: SLF001 - see the module

    async def close(self) -> None:
        """As `Peer`."""
        await self._connection.close()

    def _take(self, kind: MediaKind, receiver: RTCRtpReceiver) -> None:
        check_inside(receiver)
        self._receivers[kind] = receiver
        setattr(receiver, BUFFER, _Tap(kind, self._receiver))
        setattr(receiver, NACKS, None)
        told = receiver._handle_rtcp_packet  # noqa: SLF001 - see the module

        async def handle(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpSrPacket):
                info = packet.sender_info
                self._receiver.report(kind, packet.ssrc, info.ntp_timestamp, info.rtp_timestamp)
            if not isinstance(packet, RtcpByePacket):
                # Of a goodbye aiortc makes the end of the track; encoders say it between two streams as well.
                await told(packet)

        setattr(receiver, "_handle_rtcp_packet", handle)  # noqa: B010 - mypy refuses to assign to a method
        gatherer: Any = receiver.transport.transport.iceGatherer
        _gather_on(gatherer._connection, self._host)  # noqa: SLF001 - see the module
        _ask_no_consent(gatherer._connection)  # noqa: SLF001 - see the module
        _take_nothing_empty(gatherer._connection)  # noqa: SLF001 - see the module

    def _changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self._was_connected = True
            self._receiver.connected()
        elif state == "closed" and self._was_connected:
            self._receiver.closed("the sender closed the connection")
        elif state in {"failed", "closed"}:
            ice = self._connection.iceConnectionState == "failed"
            broke = "the network path broke" if self._was_connected else "no network path was found"
            self._receiver.closed(
                broke if ice else "the DTLS handshake failed: another fingerprint, or no DTLS"
            )


def check_inside(receiver: RTCRtpReceiver) -> None:
    """Raises `EngineError` where aiortc's receiver is not as this module knows it."""
    methods = ("_handle_rtcp_packet", "_send_rtcp_nack", "_send_rtcp_pli")
    missing = [name for name in (BUFFER, NACKS, *methods) if not hasattr(receiver, name)]
    if missing:
        raise EngineError(f"this aiortc is another than ours: its receiver has no {', '.join(missing)}")


def _gather_on(connection: Connection, host: str) -> None:
    """Gather at one address, or where `host` says everywhere and the machine has no other, on loopback."""
    if host not in _EVERYWHERE:
        addresses = [host]
    elif get_host_addresses(use_ipv4=True, use_ipv6=True):
        return
    else:
        addresses = ["127.0.0.1"]

    async def gather() -> None:
        # As aioice does it, with other addresses.
        if not connection._local_candidates_start:  # noqa: SLF001 - see the module
            connection._local_candidates_start = True  # noqa: SLF001 - see the module
            connection._local_candidates += await connection.get_component_candidates(  # noqa: SLF001 - see the module
                component=1, addresses=addresses
            )
            connection._local_candidates_end = True  # noqa: SLF001 - see the module

    setattr(connection, "gather_candidates", gather)  # noqa: B010 - mypy refuses to assign to a method


def _ask_no_consent(connection: Connection) -> None:
    async def never() -> None:
        await asyncio.Event().wait()  # until the connection's end cancels it

    setattr(connection, "query_consent", never)  # noqa: B010 - mypy refuses to assign to a method


def _take_nothing_empty(connection: Connection) -> None:
    taken = connection.data_received

    def take(data: bytes, component: int) -> None:
        if data:
            taken(data, component)

    setattr(connection, "data_received", take)  # noqa: B010 - mypy refuses to assign to a method

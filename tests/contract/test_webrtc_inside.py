"""What `media.adapters.webrtc` needs of the inside of aiortc and aioice: fails loudly where another version has another."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from pathlib import Path

from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection
from aiortc import rtcrtpreceiver as module
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from media.adapters.webrtc import BUFFER, NACKS, check_inside

ROOT = Path(__file__).resolve().parents[2]


def test_the_installed_aiortc_is_the_pinned_one() -> None:
    pinned = re.search(r'"aiortc==([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pinned is not None, "aiortc must be pinned exactly: one adapter looks inside"
    assert version("aiortc") == pinned[1]


async def test_a_receiver_has_what_we_replace_and_call() -> None:
    connection = RTCPeerConnection()
    try:
        for kind in ("audio", "video"):
            receiver = connection.addTransceiver(kind, direction="recvonly").receiver
            check_inside(receiver)
            assert isinstance(getattr(receiver, BUFFER), JitterBuffer)
            asks = getattr(receiver, NACKS)
            assert isinstance(asks, module.NackGenerator) if kind == "video" else asks is None
    finally:
        await connection.close()


def test_a_packet_goes_through_the_buffer_before_it_is_decoded() -> None:
    source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    unpacked = source.index("packet._data = depayload(codec, packet.payload)")
    asked = source.index("self.__nack_generator is not None and self.__nack_generator.add(packet)")
    put = source.index("pli_flag, encoded_frame = self.__jitter_buffer.add(packet)")
    decoded = source.index("self.__decoder_queue.put((codec, encoded_frame))")
    assert asked < unpacked < put < decoded
    assert "if encoded_frame is not None" in source[put:decoded], (
        "a buffer that gives nothing decodes nothing"
    )


def test_requests_are_sent_as_we_send_them() -> None:
    assert list(inspect.signature(RTCRtpReceiver._send_rtcp_nack).parameters) == [
        "self",
        "media_ssrc",
        "lost",
    ]
    assert list(inspect.signature(RTCRtpReceiver._send_rtcp_pli).parameters) == ["self", "media_ssrc"]
    assert list(inspect.signature(RTCRtpReceiver._handle_rtcp_packet).parameters) == ["self", "packet"]


def test_ice_gathers_as_we_have_it_gather() -> None:
    parameters = list(inspect.signature(Connection.get_component_candidates).parameters)
    assert parameters[:3] == ["self", "component", "addresses"]
    source = inspect.getsource(Connection.gather_candidates)
    for name in ("_local_candidates_start", "_local_candidates_end", "_local_candidates +="):
        assert f"self.{name}" in source


def test_consent_is_asked_for_where_we_ask_for_none() -> None:
    assert list(inspect.signature(Connection.query_consent).parameters) == ["self"]
    assert "asyncio.create_task(self.query_consent())" in inspect.getsource(Connection.connect)
    assert "self._query_consent_task.cancel()" in inspect.getsource(Connection.close)


def test_datagrams_go_where_we_leave_out_empty_ones() -> None:
    assert list(inspect.signature(Connection.data_received).parameters) == ["self", "data", "component"]
    assert "self.receiver.data_received(data," in inspect.getsource(StunProtocol.datagram_received)

"""A WHIP sender over aiortc that sends prepared pictures, and that can be told to lose packets and to misbehave.

Pictures are encoded beforehand and sent as they are, so that what comes out at the other end can be compared bit by bit
with what a decoder makes of the undamaged stream: whatever is not among those is a smear.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtp import RtpPacket, is_rtcp
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from media.adapters.av_decode import VideoDecoder
from media.adapters.av_planes import planes_of
from media.ingest.whip.units import H264Units, Units, Vp8Units
from media.model.tracks import EncodedPacket, MediaKind

RATE = 30
GOP = 30
CLIP = 3 * GOP
"""Pictures of a clip, which is sent over and over."""
_CLOCK = Fraction(1, 90_000)
KEY = "whip-key-1"


def _frame(number: int, size: tuple[int, int]) -> av.VideoFrame:
    """Stripes that move below a mosaic of their own: no two pictures are alike."""
    width, height = size
    across = np.arange(width)[None, :] + 7 * number
    luma = np.repeat((across // 16 % 2) * 120 + 60, height, axis=0).astype(np.uint8)
    mosaic = np.random.default_rng(number).integers(0, 255, (1, width // 16 + 1)).repeat(16, axis=1)
    luma[:16] = mosaic[:, :width]
    frame = av.VideoFrame(width, height, "yuv420p")
    planes = planes_of(frame)
    planes[0][:] = luma
    planes[1][:] = planes[2][:] = 128
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


@functools.cache
def encoded(
    codec: str, count: int, *, size: tuple[int, int] = (320, 180), gop: int = GOP
) -> tuple[bytes, ...]:
    """Access units: H.264 in Annex B with parameter sets at each keyframe, or VP8."""
    context = av.CodecContext.create({"h264": "libx264", "vp8": "libvpx"}[codec], "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.bit_rate, context.gop_size, context.thread_count = 800_000, gop, 1
    context.options = (
        {"preset": "ultrafast", "tune": "zerolatency", "bf": "0", "sc_threshold": "0"}
        if codec == "h264"
        else {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    )
    packets = [packet for number in range(count) for packet in context.encode(_frame(number, size))]
    packets += context.encode(None)
    assert len(packets) == count
    units = [bytes(packet) for packet in packets]
    return tuple(map(_long_codes, units) if codec == "h264" else units)


def _long_codes(data: bytes) -> bytes:
    """With start codes of four bytes throughout, as the depacketiser writes them."""
    return b"".join(b"\0\0\0\1" + nal.rstrip(b"\0") for nal in data.split(b"\0\0\1") if nal.rstrip(b"\0"))


@functools.cache
def opus(count: int) -> tuple[bytes, ...]:
    """A tone in packets of 20 ms."""
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = 48_000, "stereo", "flt"
    wave = (0.3 * np.sin(np.arange(960 * count) * 0.05)).astype(np.float32)
    packets = []
    for number in range(count):
        block = np.repeat(wave[960 * number : 960 * (number + 1)], 2)[None, :]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="flt", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, 960 * number
        packets += context.encode(frame)
    return tuple(bytes(packet) for packet in packets)


def picture_hash(frame: av.VideoFrame) -> str:
    """Of the luma."""
    return hashlib.sha256(np.ascontiguousarray(planes_of(frame)[0]).tobytes()).hexdigest()


@functools.cache
def originals(codec: str, count: int) -> tuple[str, ...]:
    """Hash of each picture as a decoder shows it that gets all of them."""
    units: Units = H264Units() if codec == "h264" else Vp8Units()
    decoder: VideoDecoder | None = None
    shown: list[str] = []
    for number, data in enumerate(encoded(codec, count)):
        unit, header = units.read(data), units.header
        assert header is not None
        decoder = decoder or VideoDecoder(header)
        packet = EncodedPacket(MediaKind.VIDEO, number, number, units.is_key(data), unit)
        shown += [picture_hash(each.frame) for each in decoder.decode(packet)]
    assert decoder is not None
    return (*shown, *(picture_hash(each.frame) for each in decoder.flush()))


class Clip(MediaStreamTrack):
    """Prepared pictures in real time, over and over."""

    kind = "video"

    def __init__(self, codec: str, count: int = CLIP) -> None:
        super().__init__()
        self._pictures = encoded(codec, count)
        self._sent = 0
        self._begun = 0.0
        self.paused = asyncio.Event()
        self.paused.set()

    async def recv(self) -> Any:
        await self.paused.wait()
        now = asyncio.get_running_loop().time()
        self._begun = self._begun or now
        await asyncio.sleep(max(0.0, self._begun + self._sent / RATE - now))
        packet = av.Packet(self._pictures[self._sent % len(self._pictures)])
        packet.pts = packet.dts = self._sent * 90_000 // RATE
        packet.time_base = _CLOCK
        self._sent += 1
        return packet


class Loss:
    """Drops packets of media by chance, with a seed; `repairs=False` drops every repeat as well."""

    def __init__(self, rate: float, seed: int = 1, *, repairs: bool = True) -> None:
        self.rate = rate
        self.dropped = 0
        """Packets of the picture."""
        self.plis = 0
        self._repairs = repairs
        self._random = random.Random(seed)
        self._seen: set[tuple[int, int]] = set()
        self._media: set[int] = set()
        self._repeats: set[int] = set()

    def drops(self, data: bytes) -> bool:
        """Whether this RTP packet is lost."""
        if is_rtcp(data):
            return False
        packet = RtpPacket.parse(data)
        key = packet.ssrc, packet.sequence_number
        repeat = key in self._seen or packet.ssrc in self._repeats
        self._seen.add(key)
        lost = self._random.random() < self.rate or (repeat and not self._repairs)
        self.dropped += lost and packet.ssrc in self._media
        return lost

    def watch(self, media: int, repeats: int) -> None:
        """The picture's stream, and that of its repeats."""
        self._media, self._repeats = {media}, {repeats}


class WhipSender:
    """A session. `endpoint` is the URL of ``/whip/{feed}``."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        endpoint: str,
        *,
        codec: str = "h264",
        sound: bool = True,
        pictures: bool = True,
    ) -> None:
        self.http = http
        self.endpoint = endpoint
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.clip = Clip(codec)
        self.location = ""
        self.answer = ""
        self.headers: Any = {}
        if sound:
            self.connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
        self._video = self._with_pictures(codec) if pictures else None

    def _with_pictures(self, codec: str) -> RTCRtpTransceiver:
        video = self.connection.addTransceiver(self.clip, direction="sendonly")
        wanted = [
            each
            for each in RTCRtpSender.getCapabilities("video").codecs
            if each.mimeType.lower() in {f"video/{codec}", "video/rtx"}
        ]
        video.setCodecPreferences(wanted)
        return video

    async def offer(self) -> str:
        """Our offer, whole."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def publish(self, loss: Loss | None = None, key: str = KEY) -> None:
        """Offer, take the answer, connect."""
        offer = await self.offer()
        status, self.headers, text = await self.post(offer, key)
        assert status == 201, (status, text)
        self.location = self.headers["Location"]
        self.answer = text
        await self.connection.setRemoteDescription(RTCSessionDescription(text, "answer"))
        if loss is not None:
            self._lose(loss)  # both tracks go by one transport only from now on

    async def post(self, body: str, key: str = KEY) -> tuple[int, Any, str]:
        """POST an offer: status, headers, body."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/sdp"}
        async with self.http.post(self.endpoint, data=body.encode(), headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()

    async def delete(self, key: str = KEY) -> int:
        """DELETE the session."""
        url = self.endpoint.partition("/whip/")[0] + self.location
        async with self.http.delete(url, headers={"Authorization": f"Bearer {key}"}) as answer:
            return answer.status

    async def close(self) -> None:
        """Go away politely."""
        await self.connection.close()

    def _lose(self, loss: Loss) -> None:
        assert self._video is not None
        sender: Any = self._video.sender
        loss.watch(sender._ssrc, sender._rtx_ssrc)
        transport: Any = sender.transport
        send, told = transport._send_rtp, sender._handle_rtcp_packet

        async def lossy(data: bytes) -> None:
            if is_rtcp(data) or not loss.drops(data):
                await send(data)

        async def heard(packet: Any) -> None:
            loss.plis += getattr(packet, "fmt", 0) == 1 and type(packet).__name__ == "RtcpPsfbPacket"
            await told(packet)

        transport._send_rtp = lossy
        sender._handle_rtcp_packet = heard


@asynccontextmanager
async def sending(
    http: aiohttp.ClientSession,
    endpoint: str,
    *,
    codec: str = "h264",
    sound: bool = True,
    pictures: bool = True,
    loss: Loss | None = None,
    key: str = KEY,
) -> AsyncIterator[WhipSender]:
    """A sender that publishes until the block ends."""
    sender = WhipSender(http, endpoint, codec=codec, sound=sound, pictures=pictures)
    try:
        await sender.publish(loss, key)
        yield sender
    finally:
        await sender.close()

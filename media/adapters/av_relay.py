"""What a receiving ffmpeg child hands us, as track headers and access units: NUT on a pipe, demuxed in a thread."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from media.adapters.source_thread import Delivery, StoppedError
from media.ingest.elementary import adts, sequence_parameters, size_of
from media.ingest.rtmp.times import DecodeTimes
from media.model.errors import SourceError
from media.model.time import MICROSECONDS
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

_VIDEO = {"h264": Codec.H264, "hevc": Codec.HEVC}
_AUDIO = {
    "aac": Codec.AAC,
    "mp2": Codec.MP2,
    "mp3": Codec.MP3,
    "mp3float": Codec.MP3,
    "ac3": Codec.AC3,
    "eac3": Codec.EAC3,
    "opus": Codec.OPUS,
    "libopus": Codec.OPUS,
    "pcm_mulaw": Codec.PCM_MULAW,
    "pcm_alaw": Codec.PCM_ALAW,
}
_WANTED = {
    MediaKind.VIDEO: "H.264 or HEVC",
    MediaKind.AUDIO: "AAC, MP2, MP3, AC-3, E-AC-3, Opus or G.711",
}
# The child has found out what the streams are: there is little left to probe.
_OPTIONS = {"fpsprobesize": "0", "analyzeduration": "200000", "probesize": "1000000"}
_LOOK = 0.2
"""Seconds between looks at whether the thread is to end."""
_BATCH = 256
"""Packets that are handed over together at most."""
_BUFFER = 1 << 16


@dataclass(slots=True)
class Intake:
    """What came through one child's pipe; written by its thread, read by anybody."""

    bytes: int = 0
    heard: float | None = None
    """`time.monotonic` of the newest bytes; None before the first."""


class Relay:
    """One child's pipe. `run` is a thread's work."""

    def __init__(self, fd: int, intake: Intake, *, first: float, silence: float) -> None:
        """Seconds without a byte that end it: `first` before any has come, `silence` afterwards."""
        self._fd = fd
        self._intake = intake
        self._first, self._silence = first, silence
        self._begun = time.monotonic()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._units: list[EncodedPacket | TrackHeader] = []
        self._delivery: Delivery | None = None
        self._error: StoppedError | SourceError | None = None
        """Why `read` made an end."""

    def run(self, delivery: Delivery) -> None:
        """Deliver until the pipe's end. Raises `SourceError` for media that is of no use, and for silence."""
        self._delivery = delivery
        try:
            self._demux()
        except (av.error.FFmpegError, ValueError) as error:
            if self._error is None and self._intake.heard is not None:
                raise SourceError(f"what it sends cannot be read: {error}") from error
            # Else the child ended before it had anything for us, and says itself why.
        finally:
            self._delivery = None
            self._units.clear()
        if self._error is not None:
            raise self._error

    def _demux(self) -> None:
        # libav reads by our `read`, which alone waits: so the thread can always be ended.
        with av.open(self, "r", format="nut", options=_OPTIONS, buffer_size=_BUFFER) as container:
            tracks = {stream.index: _Track(stream) for stream in container.streams if stream.type in _WANTED}
            if not tracks:
                raise SourceError("it sends neither picture nor sound")
            for packet in container.demux():
                if packet.size:
                    self._units += tracks[packet.stream_index].units(packet)
                if len(self._units) >= _BATCH:
                    self._flush()

    def read(self, size: int) -> bytes:
        """As a file's: what there is, empty at the end."""
        if self._error is None:
            try:
                return self._read(size)
            except (StoppedError, SourceError) as error:
                # To libav it is the end. Raised through it, an error is dropped, loudly, where libav then asks again.
                self._error = error
        return b""

    def _read(self, size: int) -> bytes:
        delivery, intake = self._delivery, self._intake
        assert delivery is not None
        if not self._poll.poll(0):
            self._flush()  # nothing more now: what was read so far belongs together
        while not self._poll.poll(_LOOK * 1000):
            delivery.check()
            since, limit = (
                (self._begun, self._first) if intake.heard is None else (intake.heard, self._silence)
            )
            if time.monotonic() - since > limit:
                raise SourceError(f"it sent nothing for {limit:g} s")
        delivery.check()
        data = os.read(self._fd, size)
        if data:
            intake.bytes += len(data)
            intake.heard = time.monotonic()
        else:
            self._flush()
        return data

    def _flush(self) -> None:
        """Hand over what was read. Raises `StoppedError`."""
        units, self._units = self._units, []
        if units and self._delivery is not None:
            self._delivery.put(*units)


class _Track:
    """One stream of the container."""

    def __init__(self, stream: Stream) -> None:
        self._kind = MediaKind(stream.type)
        self._stream = stream
        # Without a decoder for it libav gives a stream no codec context at all, whatever its type says.
        context = stream.codec_context if isinstance(stream, VideoStream | AudioStream) else None
        name = context.codec.name if context is not None else "of an unknown codec"
        codec = (_VIDEO if self._kind is MediaKind.VIDEO else _AUDIO).get(name)
        if codec is None or context is None:
            raise SourceError(f"its {self._kind} is {name}: set the encoder to {_WANTED[self._kind]}")
        self._codec = codec
        self._extradata = bytes(context.extradata or b"")
        self._times = DecodeTimes()
        self._last: int | None = None
        self._header: TrackHeader | None = None
        self._parameters = b""
        self._size = (stream.width, stream.height) if isinstance(stream, VideoStream) else (0, 0)

    def units(self, packet: Packet[Stream]) -> list[TrackHeader | EncodedPacket]:
        """A packet's access unit, with the header before it where that is new."""
        stamps = packet.pts if packet.pts is not None else packet.dts, packet.dts
        if stamps[0] is None:
            return []  # what has no time at all cannot be placed
        pts = _micros(packet, stamps[0])
        if stamps[1] is not None:
            dts = _micros(packet, stamps[1])
        else:  # the first pictures of a stream with B-frames
            dts = pts if self._last is None else self._last + 1
        self._last = dts = self._times.fix(dts)
        if self._kind is MediaKind.VIDEO:
            header, data = self._picture(packet)
        else:
            header, data = self._sound(packet)
        unit = EncodedPacket(self._kind, pts, dts, packet.is_keyframe or self._kind is MediaKind.AUDIO, data)
        if header == self._header:
            return [unit]
        self._header = header
        return [header, unit]

    def _picture(self, packet: Packet[Stream]) -> tuple[TrackHeader, bytes]:
        data, stream = bytes(packet), self._stream
        assert isinstance(stream, VideoStream)
        annex_b = self._extradata[:1] != b"\1"  # only avcC and hvcC begin with 1
        if packet.is_keyframe and annex_b:
            found = sequence_parameters(self._codec, data)
            if not found and self._extradata:
                # They were told once, apart from the pictures: who tunes in later must find them too.
                data = self._extradata + data
                found = sequence_parameters(self._codec, data)
            if found and found != self._parameters:
                if self._parameters:  # another picture from here on: a new header makes a new decoder
                    self._header = None
                self._parameters = found
                self._size = size_of(self._codec, found) or (stream.width, stream.height)
        extradata = b"" if annex_b else self._extradata
        return TrackHeader(self._kind, self._codec, extradata, *self._size), data

    def _sound(self, packet: Packet[Stream]) -> tuple[TrackHeader, bytes]:
        data, stream = bytes(packet), self._stream
        assert isinstance(stream, AudioStream)
        config, skip = adts(data) if self._codec is Codec.AAC else (b"", 0)
        header = TrackHeader(
            self._kind,
            self._codec,
            config or self._extradata,
            sample_rate=stream.sample_rate,
            channels=stream.channels,
        )
        return header, data[skip:]


def _micros(packet: Packet[Stream], ticks: int) -> int:
    base = packet.time_base
    return ticks * base.numerator * MICROSECONDS // base.denominator

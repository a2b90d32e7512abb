"""Encoders over libav: H.264 per rung, AAC for the channel's one audio rendition.

Both open their codec inside an mp4 muxer of their own that writes nothing but the init segment (`start_encoding`):
an init made from a template stream would carry an empty ``avcC``. One thread per encoder object; none is thread-safe.
"""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from media.adapters.av_planes import planes_of
from media.encode.ladder import rung_settings
from media.model.channel import ChannelSpec, Rung
from media.model.errors import EngineError
from media.model.time import AAC_FRAME, SAMPLE_RATE
from media.model.tracks import EncodedTick

Samples = npt.NDArray[np.float32]

_MOVFLAGS = "cmaf+frag_custom+empty_moov+default_base_moof+skip_trailer"
_WARM_FRAMES = 8
SCALING = Interpolation.BICUBIC
"""What the ffmpeg program's scale filter does by default, so that the two compare. Area would save 2 % of a channel's CPU."""


class _Head:
    """A file object that keeps what the muxer writes: the init segment."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


class VideoEncoder:
    """One rung: scales, encodes, and counts. `init_segment` and `extradata` (avcC) are there after construction.

    Raises `SpecError` for settings that cannot work and `EngineError` when libav fails.
    """

    def __init__(self, spec: ChannelSpec, rung: Rung) -> None:
        self._spec, self._rung = spec, rung
        settings = rung_settings(spec, rung)
        self.settings = settings
        self.width, self.height = settings.width, settings.height
        self._next = -1
        self._scaler = VideoReformatter()
        self._base = 1 / settings.rate
        head = _Head()
        try:
            self._container = av.open(
                head,
                "w",
                format="mp4",
                options={"movflags": _MOVFLAGS, "video_track_timescale": str(spec.clock.timescale)},
            )
            stream = self._container.add_stream(
                "libx264",
                rate=settings.rate,
                options={
                    "preset": settings.preset,
                    "profile": settings.profile,
                    "level": settings.level,
                    "forced-idr": "1",
                    "x264-params": settings.x264_params,
                },
            )
            context: VideoCodecContext = stream.codec_context
            context.width, context.height = settings.width, settings.height
            context.pix_fmt = "yuv420p"
            context.bit_rate = settings.bitrate
            context.time_base = self._base
            context.thread_count = 1
            self._container.start_encoding()
        except av.error.FFmpegError as error:
            raise EngineError(f"cannot open the H.264 encoder of {rung.name}: {error}") from error
        self._context = context
        self.init_segment = bytes(head.data)
        """`ftyp` + `moov`, timescale `spec.clock.timescale`, without an edit list."""
        self.extradata = context.extradata or b""
        """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3)."""

    def warm(self) -> None:
        """Run a throwaway encoder with the same settings over a few frames, so that the first live one is not slow."""
        other = VideoEncoder(self._spec, self._rung)
        frame = av.VideoFrame(self._spec.width, self._spec.height, "yuv420p")
        for plane in planes_of(frame):
            plane[:] = 128
        for tick in range(_WARM_FRAMES):
            other.encode(tick, frame)
        other.flush()
        other.close()

    def encode(self, tick: int, frame: av.VideoFrame) -> list[EncodedTick]:
        """Encode the picture of `tick`; returns what is finished (about 5 ticks behind, in order).

        Ticks must follow one another without a hole. `frame` is yuv420p; it may be of any size and may be shown to other
        encoders at the same time, as long as only *one* of them has the frame's own size: that one alone writes to the
        frame object (its pts), the others write to their scaled copy.
        """
        if self._next not in (-1, tick):
            raise EngineError(f"{self._rung.name}: tick {tick} given where {self._next} is due")
        self._next = tick + 1
        if frame.width != self.width or frame.height != self.height:
            frame = self._scaler.reformat(
                frame, self.width, self.height, "yuv420p", interpolation=SCALING, threads=1
            )
        frame.pts = tick
        frame.time_base = self._base
        # Decoded frames carry the type of their source; x264 would take it as an order. The GOP starts by frame index.
        frame.pict_type = PictureType.I if tick % self._spec.gop_frames == 0 else PictureType.NONE
        return self._run(frame)

    def flush(self) -> list[EncodedTick]:
        """The pictures still inside the encoder. Nothing can be encoded after it."""
        return self._run(None)

    def close(self) -> None:
        """Release the muxer; the codec goes with the object."""
        self._container.close()

    def _run(self, frame: av.VideoFrame | None) -> list[EncodedTick]:
        try:
            packets = self._context.encode(frame)
        except av.error.FFmpegError as error:
            raise EngineError(f"H.264 encoder of {self._rung.name} failed: {error}") from error
        done = []
        for packet in packets:
            if packet.pts is None:
                raise EngineError(f"{self._rung.name}: the encoder gave a picture without a time")
            done.append(EncodedTick(packet.pts, bytes(packet), packet.is_keyframe))
        return done


class AudioEncoder:
    """The channel's AAC-LC rendition, 48 kHz stereo; `init_segment` and `asc` are there after construction.

    The encoder primes itself with 1024 samples and says so by a first access unit at -1024. That unit is dropped here: access
    unit k, counted from 0, then *sounds* as samples [1024k, 1024k + 1024) without an edit list, in every player alike.
    The cost is the overlap of the very first unit of an epoch: 21 ms fade in.
    """

    def __init__(self, spec: ChannelSpec) -> None:
        head = _Head()
        try:
            self._container = av.open(head, "w", format="mp4", options={"movflags": _MOVFLAGS})
            stream = self._container.add_stream("aac", rate=SAMPLE_RATE)
            context: AudioCodecContext = stream.codec_context
            context.layout = "stereo"
            context.bit_rate = spec.audio_bitrate
            context.time_base = Fraction(1, SAMPLE_RATE)
            self._container.start_encoding()
        except av.error.FFmpegError as error:
            raise EngineError(f"cannot open the AAC encoder: {error}") from error
        if context.frame_size != AAC_FRAME:
            raise EngineError(f"the AAC encoder works in frames of {context.frame_size} samples")
        self._context = context
        self.init_segment = bytes(head.data)
        """`ftyp` + `moov`, timescale 48,000, without an edit list."""
        self.asc = context.extradata or b""
        """AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)."""
        self._pending = np.zeros((0, 2), np.float32)
        self._position = 0
        self.count = 0
        """Access units returned so far; the next one is at `count`·1024 samples."""

    def encode(self, samples: Samples) -> list[bytes]:
        """Take samples (n, 2) float32 within ±1; returns the access units that are finished, in order."""
        pending = np.concatenate((self._pending, samples)) if len(self._pending) else samples
        whole = len(pending) // AAC_FRAME * AAC_FRAME
        done: list[bytes] = []
        for start in range(0, whole, AAC_FRAME):
            done += self._run(pending[start : start + AAC_FRAME])
        self._pending = pending[whole:].copy()
        return done

    def flush(self) -> list[bytes]:
        """Pad the rest with silence to a whole unit and return what is inside. Nothing can be encoded after it."""
        done: list[bytes] = []
        if len(self._pending):
            rest = np.zeros((AAC_FRAME, 2), np.float32)
            rest[: len(self._pending)] = self._pending
            done += self._run(rest)
        return done + self._run(None)

    def close(self) -> None:
        """Release the muxer; the codec goes with the object."""
        self._container.close()

    def _run(self, block: Samples | None) -> list[bytes]:
        frame = None
        if block is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), format="fltp", layout="stereo")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = self._position
            frame.time_base = Fraction(1, SAMPLE_RATE)
            self._position += AAC_FRAME
        try:
            packets = self._context.encode(frame)
        except av.error.FFmpegError as error:
            raise EngineError(f"AAC encoder failed: {error}") from error
        done = [bytes(packet) for packet in packets if packet.pts is not None and packet.pts >= 0]
        self.count += len(done)
        return done

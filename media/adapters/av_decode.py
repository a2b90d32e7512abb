"""Decoders over libav: whatever a feed sends becomes what the mixer takes.

Video comes out upright, progressive, yuv420p, limited range, in presentation order; audio as 48 kHz stereo float32. A
decoder object belongs to one thread. Damaged packets are counted in `errors` and otherwise survived; `SourceError` is
raised only where nothing of this track can ever be decoded. A new `TrackHeader` takes a new decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from media.adapters.av_planes import planes_of
from media.mix.units import DecodedPicture, DecodedSound
from media.model.errors import SourceError
from media.model.time import MICROSECONDS, SAMPLE_RATE
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader

Picture = DecodedPicture[av.VideoFrame]

_MICROS = Fraction(1, MICROSECONDS)
_FULL_RANGE_FORMATS = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "gray", "rgb24", "gbrp"})
# Values of AVColorSpace (ITU-T H.273 table 4): BT.470BG and SMPTE 170M, both "601".
_MATRIX_601 = (5, 6)
_MATRIX_709 = 1
_UNSPECIFIED = 2
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""Hints for decoders without extradata; AAC and Opus say it themselves."""


class VideoDecoder:
    """Pictures of one video track."""

    def __init__(self, header: TrackHeader) -> None:
        if header.kind is not MediaKind.VIDEO:
            raise SourceError(f"a video decoder was given an {header.kind} track")
        self.errors = 0
        """Packets, and pictures, that could not be used."""
        try:
            self._context = _open_video(header)
        except (av.error.FFmpegError, ValueError) as error:
            raise SourceError(f"cannot decode {header.codec}: {error}") from error
        self._scaler = VideoReformatter()
        self._deinterlacer: _Deinterlacer | None = None
        self._turn = self._container_turn = header.turn

    def decode(self, packet: EncodedPacket, *, show: bool = True) -> list[Picture]:
        """Feed one access unit; returns what comes out, in presentation order (B-frames come out later).

        `show=False` is for a backlog whose pictures are too old to be shown: non-reference frames are not decoded at
        all, and what is decoded (later frames need it) is not converted, rotated or deinterlaced. Nothing is returned.
        """
        if not packet.data:
            # libav takes an empty packet for the end of the stream and would never decode again.
            self.errors += 1
            return []
        self._context.skip_frame = "DEFAULT" if show else "NONREF"
        unit = av.Packet(packet.data)
        unit.pts, unit.dts, unit.time_base = packet.pts, packet.dts, _MICROS
        unit.is_keyframe = packet.keyframe
        try:
            frames = self._context.decode(unit)
        except (av.error.FFmpegError, ValueError):
            # The sender's bytes are bad: libav has skipped them and resynchronises at the next IDR by itself.
            self.errors += 1
            return []
        return self._finish(frames) if show else []

    def flush(self) -> list[Picture]:
        """The pictures that wait for reordering, and for a second field; afterwards the decoder is at its end."""
        try:
            frames: list[av.VideoFrame | None] = [*self._context.decode(None)]
        except (av.error.FFmpegError, ValueError):
            self.errors += 1
            frames = []
        return self._finish([*frames, None])

    def _finish(self, frames: Sequence[av.VideoFrame | None]) -> list[Picture]:
        done: list[Picture] = []
        for frame in frames:
            try:
                done += [
                    self._normalise(whole) for whole in self._progressive(frame) if whole.pts is not None
                ]
            except (av.error.FFmpegError, ValueError):
                # A picture that cannot be converted is as lost as one that cannot be decoded; the next one may be good.
                self.errors += 1
        return done

    def _progressive(self, frame: av.VideoFrame | None) -> list[av.VideoFrame]:
        """What a decoded picture brings out; None says that no more come."""
        if frame is None:
            return self._deinterlacer.run(None) if self._deinterlacer else []
        if not frame.interlaced_frame and self._deinterlacer is None:
            return [frame]
        shape = (frame.width, frame.height, frame.format.name)
        if self._deinterlacer is None or self._deinterlacer.shape != shape:
            self._deinterlacer = _Deinterlacer(*shape)
        return self._deinterlacer.run(frame)

    def _normalise(self, frame: av.VideoFrame) -> Picture:
        pts = _micros(frame.pts, frame.time_base)
        sar = self._context.sample_aspect_ratio or Fraction(1)
        name = frame.format.name
        full = frame.color_range == ColorRange.JPEG or name in _FULL_RANGE_FORMATS
        matrix = frame.colorspace
        if frame.key_frame or frame.rotation:
            # Display orientation holds until the next IDR (ITU-T H.264 §D.2.28); libav marks only the pictures that carry it.
            self._turn = round(frame.rotation / 90) % 4 or self._container_turn
        if name != "yuv420p" or full or matrix in _MATRIX_601:
            source = Colorspace.ITU601 if matrix in _MATRIX_601 else Colorspace.ITU709
            frame = self._scaler.reformat(
                frame,
                format="yuv420p",
                src_colorspace=source,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        if self._turn:
            frame = _rotated(frame, self._turn)
            if self._turn % 2:
                sar = 1 / sar
        tag(frame)
        return DecodedPicture(pts, frame, sar if sar > 0 else Fraction(1))


class AudioDecoder:
    """Sound of one audio track: any rate, any layout, both may change in mid-stream."""

    def __init__(self, header: TrackHeader) -> None:
        if header.kind is not MediaKind.AUDIO:
            raise SourceError(f"an audio decoder was given a {header.kind} track")
        self.errors = 0
        """Packets that could not be decoded."""
        try:
            self._context = _open_audio(header)
        except (av.error.FFmpegError, ValueError) as error:
            raise SourceError(f"cannot decode {header.codec}: {error}") from error
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None

    def decode(self, packet: EncodedPacket) -> list[DecodedSound]:
        """Feed one access unit; returns its samples."""
        if not packet.data:
            self.errors += 1  # to libav the end of the stream, as above
            return []
        unit = av.Packet(packet.data)
        unit.pts, unit.dts, unit.time_base = packet.pts, packet.dts, _MICROS
        done: list[DecodedSound] = []
        try:
            for frame in self._context.decode(unit):
                done += self._normalise(frame)
        except (av.error.FFmpegError, ValueError):
            # The sender's bytes are bad: the next access unit stands on its own.
            self.errors += 1
        return done

    def _normalise(self, frame: av.AudioFrame) -> list[DecodedSound]:
        if frame.pts is None or not frame.samples:
            return []
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape == ("fltp", "stereo", SAMPLE_RATE):
            return [DecodedSound(_micros(frame.pts, frame.time_base), _stereo(frame))]
        if self._resampler is None or shape != self._shape:
            self._resampler = AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
            self._shape = shape
        return [
            DecodedSound(_micros(out.pts, out.time_base), _stereo(out))
            for out in self._resampler.resample(frame)
            if out.pts is not None and out.samples
        ]


class _Deinterlacer:
    """`bwdif`, one picture out per picture in, one picture late; progressive pictures among them pass untouched."""

    def __init__(self, width: int, height: int, pixel_format: str) -> None:
        self.shape = (width, height, pixel_format)
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat(pixel_format, width, height), time_base=_MICROS
        )
        bwdif = self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        self._graph.link_nodes(source, bwdif, self._graph.add("buffersink")).configure()

    def run(self, frame: av.VideoFrame | None) -> list[av.VideoFrame]:
        """Push one picture, or None for their end; pull what is ready."""
        self._graph.vpush(frame)
        done = []
        while True:
            try:
                done.append(self._graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return done


def tag(frame: av.VideoFrame) -> None:
    """Mark a picture as what it is by now: BT.709, limited range.

    Transfer and primaries are left unspecified: PyAV's scaler clears and restores them on its *source*, which would be
    a race between the threads of several rungs if there were anything to restore.
    """
    frame.colorspace = _MATRIX_709
    frame.color_range = ColorRange.MPEG
    frame.color_trc = _UNSPECIFIED
    frame.color_primaries = _UNSPECIFIED


def _rotated(frame: av.VideoFrame, quarters: int) -> av.VideoFrame:
    """Turn by quarters, counterclockwise."""
    odd = quarters % 2
    turned = av.VideoFrame(
        frame.height if odd else frame.width, frame.width if odd else frame.height, "yuv420p"
    )
    for target, source in zip(planes_of(turned), planes_of(frame), strict=True):
        target[:] = np.rot90(source, quarters)
    turned.pts, turned.time_base = frame.pts, frame.time_base
    return turned


def _open_video(header: TrackHeader) -> VideoCodecContext:
    context = av.CodecContext.create(header.codec.value, "r")
    if not isinstance(context, VideoCodecContext):
        raise SourceError(f"{header.codec} is no video codec")
    context.thread_count = 1
    context.extradata = header.extradata or None
    context.open()
    return context


def _open_audio(header: TrackHeader) -> AudioCodecContext:
    context = av.CodecContext.create(header.codec.value, "r")
    if not isinstance(context, AudioCodecContext):
        raise SourceError(f"{header.codec} is no audio codec")
    context.thread_count = 1
    context.extradata = header.extradata or None
    if header.sample_rate:
        context.sample_rate = header.sample_rate
    if header.channels:
        context.layout = _LAYOUTS.get(header.channels, "stereo")
    context.open()
    return context


def _micros(pts: int | None, time_base: Fraction | None) -> int:
    if pts is None:
        raise ValueError("a decoded frame has no time")
    return pts if time_base is None or time_base == _MICROS else int(pts * time_base * MICROSECONDS)


def _stereo(frame: av.AudioFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.ascontiguousarray(frame.to_ndarray().T, np.float32)

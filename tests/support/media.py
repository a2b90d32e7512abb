"""Test media made here: a flash with a beep each second, numbers burned into every picture, any codec parameters.

What is drawn can be read back (`frame_numbers`, `flashes`, `beeps`), so a test can say which frame it sees and how far
sound and picture are apart. Clips are made once per session and process.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, VideoReformatter

from media.adapters.av_planes import planes_of
from media.mix import timecode
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

MICROS = 1_000_000
FLASH_SECONDS = 0.1
"""Each whole second: so long white picture and 1 kHz beep, both beginning exactly on the second."""
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What a clip is made of."""

    seconds: float = 3.0
    width: int = 320
    height: int = 180
    rate: Fraction = field(default_factory=lambda: Fraction(30))
    gop: int = 30
    bframes: int = 0
    bitrate: int = 600_000
    pixel_format: str = "yuv420p"
    full_range: bool = False
    interlaced: bool = False
    sar: Fraction = Fraction(1)
    rotation: int = 0
    """Clockwise quarters in degrees, as display orientation SEI: the receiver must turn the picture so far."""
    variable: bool = False
    """Variable frame rate: frames are left out in an irregular pattern."""
    annexb: bool = False
    """Annex B with parameter sets in band, and no extradata, instead of avcC."""
    video: bool = True
    audio: Codec | None = Codec.AAC
    sample_rate: int = 48_000
    channels: int = 2
    start: int = 0
    """Microseconds added to every timestamp; may be negative."""
    first_frame: int = 0
    """Frame number and second at which the pattern begins: clips can continue one another."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Headers, and packets of both tracks in the order in which a sender would send them."""

    video: TrackHeader | None
    audio: TrackHeader | None
    packets: tuple[EncodedPacket, ...]

    @property
    def headers(self) -> tuple[TrackHeader, ...]:
        """Those that there are, video first."""
        return tuple(header for header in (self.video, self.audio) if header)

    def of(self, kind: MediaKind) -> list[EncodedPacket]:
        """One track's packets."""
        return [packet for packet in self.packets if packet.kind is kind]


@lru_cache(maxsize=64)
def make_clip(spec: ClipSpec = ClipSpec()) -> Clip:
    """Encode a clip. Sound is primed: the beep is where the decoder puts it by timestamps."""
    video, pictures = _encode_video(spec) if spec.video else (None, [])
    audio, sounds = _encode_audio(spec) if spec.audio else (None, [])
    ordered = sorted([*pictures, *sounds], key=lambda packet: (packet.dts, packet.kind is MediaKind.AUDIO))
    return Clip(video, audio, tuple(ordered))


@lru_cache(maxsize=64)
def clip_file(spec: ClipSpec = ClipSpec(), suffix: str = "mp4") -> Path:
    """The clip as a file (`mp4`, `flv`, `ts`, `mkv`) in this session's temporary folder.

    Its bits differ from `make_clip`'s (the muxer owns the encoder); `start`, `rotation` and `annexb` do not apply.
    """
    path = _folder() / f"clip-{abs(hash(spec)):x}.{suffix}"
    with av.open(str(path), "w") as out:
        tracks: list[tuple[Any, Iterator[Any]]] = []
        if spec.video:
            stream = out.add_stream("libx264", rate=spec.rate)
            _configure_video(stream.codec_context, spec, annexb=True)
            tracks.append((stream, _pictures(spec)))
        if spec.audio:
            sound: Any = out.add_stream(_encoder_name(spec.audio), rate=spec.sample_rate)
            _configure_audio(sound.codec_context, spec)
            out.start_encoding()
            tracks.append((sound, _sounds(spec, sound.codec_context.frame_size)))
        for track, frames in tracks:
            for frame in frames:
                out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path


def shifted(packets: Iterable[EncodedPacket], by: int) -> list[EncodedPacket]:
    """The same packets with `by` microseconds added to their timestamps."""
    return [EncodedPacket(p.kind, p.pts + by, p.dts + by, p.keyframe, p.data, p.arrived) for p in packets]


def draw_pattern(spec: ClipSpec, number: int) -> av.VideoFrame:
    """Frame `number` of the pattern, yuv420p: numbers, a moving ground, a flash on each second."""
    frame = av.VideoFrame(spec.width, spec.height, "yuv420p")
    y, u, v = planes_of(frame)
    ground = (np.arange(spec.width) * 3 // 4 + number * 4) % 160 + 40
    y[:] = ground.astype(np.uint8)
    u[:] = 110
    v[:] = 150
    if float(number / spec.rate) % 1.0 < FLASH_SECONDS - 1e-6:
        y[spec.height // 2 :] = 235
        u[:], v[:] = 128, 128
    else:
        y[spec.height // 2 :] = y[spec.height // 2 :] // 2 + 8
    timecode.draw(y, number * 1000 * spec.rate.denominator // spec.rate.numerator, timecode.ROW_FEED_CLOCK)
    timecode.draw(y, number, timecode.ROW_FEED_FRAME)
    return frame


def pattern_sound(seconds: float, rate: int = 48_000, begins: float = 0.0) -> npt.NDArray[np.float32]:
    """Mono samples (n,): a 1 kHz beep of `FLASH_SECONDS` on each whole second."""
    at = np.arange(round(seconds * rate)) / rate + begins
    inside = (at % 1.0) < FLASH_SECONDS - 1e-9
    return (np.cos(2 * np.pi * 1000 * (at % 1.0)) * 0.5 * inside).astype(np.float32)


def frame_number(luma: npt.NDArray[np.uint8]) -> int | None:
    """The frame number burned into a picture's luma (height, width)."""
    return timecode.read(luma, timecode.ROW_FEED_FRAME)


def is_flash(luma: npt.NDArray[np.uint8]) -> bool:
    """Whether the lower half is white."""
    lower = luma[luma.shape[0] * 5 // 8 :]
    return float(lower.mean()) > 190


def flashes(pictures: Iterable[tuple[float, npt.NDArray[np.uint8]]]) -> list[float]:
    """Times at which a flash begins, from (seconds, luma) pairs in order; one that stands at the start is left out."""
    found: list[float] = []
    before: bool | None = None
    for at, luma in pictures:
        now = is_flash(luma)
        if now and before is False:
            found.append(at)
        before = now
    return found


def beeps(samples: npt.NDArray[np.float32], rate: int = 48_000, threshold: float = 0.15) -> list[float]:
    """Seconds at which a beep begins, in samples (n,) or (n, channels); at most two a second."""
    mono = samples if samples.ndim == 1 else samples[:, 0]
    loud = np.flatnonzero(np.abs(mono) > threshold)
    found: list[float] = []
    last = -rate
    for at in loud.tolist():
        if at - last > rate // 3:
            found.append(at / rate)
        last = at
    return found


def offsets(flash: Sequence[float], beep: Sequence[float], within: float = 0.4) -> list[float]:
    """Sound minus picture, seconds, for each flash that has a beep near it."""
    pairs = []
    for at in flash:
        near = min(beep, key=lambda b: abs(b - at), default=None)
        if near is not None and abs(near - at) < within:
            pairs.append(near - at)
    return pairs


@lru_cache(maxsize=1)
def _folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="gachi-media-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _configure_video(context: VideoCodecContext, spec: ClipSpec, *, annexb: bool) -> None:
    context.width, context.height, context.pix_fmt = spec.width, spec.height, spec.pixel_format
    context.framerate, context.time_base = spec.rate, 1 / spec.rate
    context.bit_rate, context.thread_count = spec.bitrate, 1
    context.sample_aspect_ratio = spec.sar
    if spec.full_range:
        context.color_range = ColorRange.JPEG
    params = [
        f"annexb={int(annexb)}:keyint={spec.gop}:min-keyint={spec.gop}:scenecut=0:bframes={spec.bframes}",
        f"b-adapt=0:rc-lookahead=5:sync-lookahead=0:threads=1:open-gop=0:tff={int(spec.interlaced)}",
    ]
    context.options = {"preset": "ultrafast", "x264-params": ":".join(params)}


def _pictures(spec: ClipSpec) -> Iterator[av.VideoFrame]:
    scaler = VideoReformatter()
    for i in range(round(spec.seconds * spec.rate)):
        if spec.variable and i % 7 in {2, 3, 5}:
            continue
        frame = draw_pattern(spec, i + spec.first_frame)
        if spec.pixel_format != "yuv420p" or spec.full_range:
            frame = scaler.reformat(
                frame,
                format=spec.pixel_format,
                src_color_range=ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG if spec.full_range else ColorRange.MPEG,
            )
        frame.pts, frame.time_base = i, 1 / spec.rate
        yield frame


def _encode_video(spec: ClipSpec) -> tuple[TrackHeader, list[EncodedPacket]]:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    _configure_video(context, spec, annexb=spec.annexb or bool(spec.rotation))
    if not spec.annexb and not spec.rotation:
        context.flags |= Flags.global_header
    units = [unit for frame in _pictures(spec) for unit in context.encode(frame)] + context.encode(None)
    step = Fraction(MICROS) / spec.rate
    packets: list[EncodedPacket] = []
    for unit in units:
        assert unit.pts is not None
        assert unit.dts is not None
        data = bytes(unit)
        if spec.rotation and unit.is_keyframe:
            data = _display_orientation(spec.rotation) + data
        pts, dts = round(unit.pts * step) + spec.start, round(unit.dts * step) + spec.start
        packets.append(EncodedPacket(MediaKind.VIDEO, pts, dts, unit.is_keyframe, data))
    extradata = b"" if spec.annexb or spec.rotation else context.extradata or b""
    return TrackHeader(MediaKind.VIDEO, Codec.H264, extradata, spec.width, spec.height), packets


def _display_orientation(clockwise: int) -> bytes:
    """An Annex B SEI with payload type 47 (ITU-T H.264 §D.1.28): turn by so many degrees, for the whole sequence."""
    anticlockwise = (360 - clockwise) % 360 * 65536 // 360
    # cancel 0, hor_flip 0, ver_flip 0, rotation u(16), repetition_period ue(v) = 1 ("010"), extension_flag 0
    bits = "000" + f"{anticlockwise:016b}" + "010" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    payload = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    raw = bytes((6, 47, len(payload))) + payload + b"\x80"
    safe = bytearray()
    for byte in raw:  # emulation prevention, §7.4.1
        if byte <= 3 and safe[-2:] == b"\0\0":
            safe.append(3)
        safe.append(byte)
    return b"\0\0\0\1" + bytes(safe)


def _encoder_name(codec: Codec) -> str:
    return "libopus" if codec is Codec.OPUS else codec.value


def _configure_audio(context: AudioCodecContext, spec: ClipSpec) -> None:
    context.sample_rate, context.layout = spec.sample_rate, _LAYOUTS[spec.channels]
    context.format = "s16" if spec.audio is Codec.OPUS else "fltp"
    context.bit_rate, context.time_base = 64_000 * spec.channels, Fraction(1, spec.sample_rate)


def _sounds(spec: ClipSpec, size: int) -> Iterator[av.AudioFrame]:
    mono = pattern_sound(spec.seconds, spec.sample_rate, float(spec.first_frame / spec.rate))
    layout = _LAYOUTS[spec.channels]
    for at in range(0, len(mono) - size + 1, size):
        block = np.repeat(mono[None, at : at + size], spec.channels, axis=0)
        if spec.audio is Codec.OPUS:
            packed = (block.T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        else:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = spec.sample_rate, at, Fraction(1, spec.sample_rate)
        yield frame


def _encode_audio(spec: ClipSpec) -> tuple[TrackHeader, list[EncodedPacket]]:
    codec = spec.audio
    assert codec is not None
    context = av.CodecContext.create(_encoder_name(codec), "w")
    assert isinstance(context, AudioCodecContext)
    _configure_audio(context, spec)
    context.flags |= Flags.global_header
    context.open()
    units = [unit for frame in _sounds(spec, context.frame_size) for unit in context.encode(frame)]
    units += context.encode(None)
    packets = [
        EncodedPacket(MediaKind.AUDIO, at, at, keyframe=True, data=bytes(unit))
        for unit in units
        if unit.pts is not None and (at := unit.pts * MICROS // spec.sample_rate + spec.start) >= spec.start
    ]
    header = TrackHeader(
        MediaKind.AUDIO, codec, context.extradata or b"", sample_rate=spec.sample_rate, channels=spec.channels
    )
    return header, packets

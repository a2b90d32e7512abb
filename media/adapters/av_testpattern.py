"""The `test` source: a picture that shows it moves and what time it is, with a flash and a beep at each full second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from media.adapters.source_thread import Delivery, run_in_thread
from media.adapters.testcard import TestCard
from media.model.errors import SpecError
from media.model.feed import FeedSpec
from media.model.time import AAC_FRAME, MICROSECONDS, SAMPLE_RATE, FrameClock
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from media.ports import FeedSink

BEEP_HZ = 1000
BEEP_SAMPLES = SAMPLE_RATE // 10
FLASH_SECONDS = Fraction(1, 10)
_LEVEL = 0.25
_BEHIND = 1.0
"""Seconds: later than this, frames are skipped instead of caught up on."""


@dataclass(frozen=True, slots=True)
class _Shape:
    width: int
    height: int
    rate: Fraction


class TestPatternSource:
    """Options `width`, `height` (even, default 640 by 360) and `rate` (default 30)."""

    __test__ = False  # no test case, whatever its name says to pytest

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` naming the option at fault."""
        _shape(spec)

    async def run(self, spec: FeedSpec, sink: FeedSink) -> None:
        """Deliver until cancelled."""
        shape = _shape(spec)
        await run_in_thread(f"test {spec.id}", lambda delivery: _generate(delivery, shape, spec.id), sink)


def _shape(spec: FeedSpec) -> _Shape:
    for key, _ in spec.options:
        if key not in {"width", "height", "rate"}:
            raise SpecError("a test feed has the options width, height and rate only", field=f"options.{key}")
    sizes = []
    for key, default, limit in (("width", "640", 1920), ("height", "360", 1920)):
        text = spec.option(key, default)
        if not text.isdecimal() or len(text) > 4 or int(text) % 2 or not 160 <= int(text) <= limit:
            raise SpecError(f"{key} is an even number from 160 to {limit}", field=f"options.{key}")
        sizes.append(int(text))
    text = spec.option("rate", "30")
    try:
        rate = Fraction(text) if len(text) <= 16 else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= 60:
        raise SpecError(
            "rate is frames per second from 1 to 60, such as 30 or 30000/1001", field="options.rate"
        )
    return _Shape(sizes[0], sizes[1], rate)


def _generate(delivery: Delivery, shape: _Shape, name: str) -> None:
    clock = FrameClock(shape.rate)
    video, audio = _video_encoder(shape), _Sound(clock)
    card = TestCard(shape.width, shape.height, name)
    delivery.put(TrackHeader(MediaKind.VIDEO, Codec.H264, b"", shape.width, shape.height))
    delivery.put(audio.header)
    # Tick 0 is the full second before the start, so that at whole frame rates every full second is a tick.
    wall, now = time.time_ns() // 1000, time.monotonic()
    anchor = wall - wall % MICROSECONDS
    origin = now - (wall - anchor) / MICROSECONDS
    tick = clock.tick_at(wall - anchor) + 1
    flash = _Flash(clock, anchor)
    while True:
        behind = time.monotonic() - origin - clock.seconds(tick)
        if behind > _BEHIND:
            tick += int(behind * shape.rate)
        delivery.sleep_until(origin + clock.seconds(tick))
        began = flash.second_begins(tick)
        picture = card.draw(tick, anchor + clock.micros(tick), flash=flash.on(tick))
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = tick
        for packet in video.encode(frame):
            assert packet.pts is not None
            at = clock.micros(packet.pts)
            delivery.put(EncodedPacket(MediaKind.VIDEO, at, at, packet.is_keyframe, bytes(packet)))
        for unit in audio.tick(tick, beep=began):
            delivery.put(unit)
        tick += 1


class _Flash:
    """At which ticks the flash begins and lasts: the first tick at or after each full second of wall time."""

    def __init__(self, clock: FrameClock, anchor: int) -> None:
        self._clock = clock
        self._anchor = anchor
        self._frames = max(1, round(FLASH_SECONDS * clock.rate))

    def second_begins(self, tick: int) -> bool:
        """A full second lies in (the tick before, this tick]."""
        return self._second(tick) != self._second(tick - 1)

    def on(self, tick: int) -> bool:
        """The flash is seen in this tick."""
        return any(self.second_begins(tick - back) for back in range(self._frames))

    def _second(self, tick: int) -> int:
        # Half a microsecond of floor in `micros` must not put a tick that is exactly on the second before it.
        return (self._anchor + self._clock.micros(tick) + 1) // MICROSECONDS


class _Sound:
    """The beep track: samples of each tick, encoded in frames of 1024."""

    def __init__(self, clock: FrameClock) -> None:
        self._clock = clock
        encoder = av.CodecContext.create("aac", "w")
        assert isinstance(encoder, AudioCodecContext)
        encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE, "fltp", "stereo"
        encoder.bit_rate = 96_000
        encoder.time_base = Fraction(1, SAMPLE_RATE)
        encoder.open()
        self._encoder = encoder
        self.header = TrackHeader(
            MediaKind.AUDIO, Codec.AAC, encoder.extradata or b"", sample_rate=SAMPLE_RATE, channels=2
        )
        turn = 2 * np.pi * BEEP_HZ / SAMPLE_RATE * np.arange(BEEP_SAMPLES)
        self._beep: npt.NDArray[np.float32] = (_LEVEL * np.sin(turn)).astype(np.float32)
        self._beep_at: int | None = None
        self._held: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._position: int | None = None
        """Sample number of the first held sample."""

    def tick(self, tick: int, *, beep: bool) -> list[EncodedPacket]:
        """The samples of one tick; a beep begins with its first one. Returns the units that became whole."""
        start, count = self._clock.samples_before(tick), self._clock.samples_in(tick)
        if beep:
            self._beep_at = start
        if self._position is None or self._position + len(self._held) != start:  # ticks were skipped
            self._position, self._held = start, np.zeros(0, np.float32)
        self._held = np.concatenate((self._held, self._samples(start, count)))
        units: list[EncodedPacket] = []
        while len(self._held) >= AAC_FRAME:
            piece, self._held = self._held[:AAC_FRAME], self._held[AAC_FRAME:]
            frame = av.AudioFrame.from_ndarray(np.stack((piece, piece)), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = (
                SAMPLE_RATE,
                self._position,
                Fraction(1, SAMPLE_RATE),
            )
            self._position += AAC_FRAME
            for packet in self._encoder.encode(frame):
                assert packet.pts is not None
                at = packet.pts * MICROSECONDS // SAMPLE_RATE
                units.append(EncodedPacket(MediaKind.AUDIO, at, at, True, bytes(packet)))  # noqa: FBT003 - keyframe
        return units

    def _samples(self, start: int, count: int) -> npt.NDArray[np.float32]:
        samples = np.zeros(count, np.float32)
        if self._beep_at is not None:
            into = start - self._beep_at
            piece = self._beep[into : into + count] if into >= 0 else self._beep[:0]
            samples[: len(piece)] = piece
        return samples


def _video_encoder(shape: _Shape) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = shape.width, shape.height, "yuv420p"
    encoder.time_base, encoder.framerate = 1 / shape.rate, shape.rate
    encoder.thread_count = 1
    encoder.color_range, encoder.colorspace = 1, 1  # limited, BT.709: as the card's colours are computed
    encoder.color_primaries, encoder.color_trc = 1, 1
    gop = max(1, round(shape.rate))
    encoder.gop_size = gop
    pixels = shape.width * shape.height * shape.rate
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": "23",
        "maxrate": str(max(400_000, int(pixels / 4))),
        "bufsize": str(max(400_000, int(pixels / 4))),
        "x264-params": f"bframes=0:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:sliced-threads=0",
    }
    encoder.open()
    return encoder

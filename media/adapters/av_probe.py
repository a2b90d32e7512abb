"""What libav can do here, and how fast: for `gachi doctor`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

import av
import av.error
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from media.adapters.av_encode import VideoEncoder
from media.adapters.av_planes import planes_of
from media.model.channel import ChannelSpec

VERSION = av.__version__
MEASURE = 1.5
"""Seconds that the measurement of one ladder takes at most."""
PICTURES = 40
HARDWARE = ("h264_nvenc", "h264_qsv", "h264_vaapi", "h264_amf", "h264_v4l2m2m", "h264_videotoolbox")
NOISE = 4.0
"""Standard deviation of a camera's noise in steps of luma."""


def missing_codecs(wanted: Iterable[tuple[str, Literal["r", "w"]]]) -> list[str]:
    """Those of the codecs (by libav's name, `r` to decode, `w` to encode) that are not built in, in words."""
    missing = []
    for name, mode in wanted:
        try:
            Codec(name, mode)
        except (av.error.FFmpegError, ValueError):
            missing.append(f"{name} ({'encoder' if mode == 'w' else 'decoder'})")
    return missing


def hardware_encoders() -> dict[str, str]:
    """What became of opening each H.264 encoder in hardware that libav knows: empty where it opened, else why not."""
    found = {}
    for name in HARDWARE:
        try:
            context = VideoCodecContext.create(name, "w")
            assert isinstance(context, VideoCodecContext)
            context.width, context.height, context.pix_fmt = 640, 360, "yuv420p"
            context.time_base = Fraction(1, 30)
            context.open()
            found[name] = ""
        except UnknownCodecError:
            found[name] = "not in this PyAV"
        except (av.error.FFmpegError, OSError, ValueError):
            found[name] = "no device that opens"
    return found


def ladder_seconds(spec: ChannelSpec) -> float:
    """Seconds of processor time for one picture in all rungs. Counted by thread, so that other load does not show."""
    pictures = moving_pictures(spec.width, spec.height)
    rungs = [VideoEncoder(spec, rung) for rung in spec.ladder]
    for rung in rungs:
        rung.encode(0, pictures[0])
    began, end = time.thread_time(), time.monotonic() + MEASURE
    tick = 0
    while tick < PICTURES and (tick < 5 or time.monotonic() < end):
        tick += 1
        for rung in rungs:
            rung.encode(tick, pictures[tick % len(pictures)])
    took = time.thread_time() - began
    for rung in rungs:
        rung.close()
    return took / tick


def moving_pictures(width: int, height: int) -> list[VideoFrame]:
    """A picture of blocks that moves to and fro, with the noise of a camera: without it the encoder has it too easy."""
    dice = np.random.default_rng(7)
    blocks = dice.integers(40, 210, (height // 16 + 2, width // 16 + 4))
    scene = np.kron(blocks, np.ones((16, 16)))[:height]
    noise = dice.normal(0, NOISE, (height, width + 61 * 16))
    frames = []
    for index, shift in enumerate((*range(0, 24, 3), *range(24, 0, -3))):
        frame = VideoFrame(width, height, "yuv420p")
        luma, *chroma = planes_of(frame)
        grain = noise[:, 61 * index : 61 * index + width]
        luma[:] = np.clip(scene[:, shift : shift + width] + grain, 16, 235)
        for plane in chroma:
            plane[:] = 128
        frames.append(frame)
    return frames

"""What one picture costs on this machine, by libav: ``python -m media.adapters.av_cost PRESET PARENT`` prints it as JSON.

A process of its own, niced: it must disturb no channel on air, and the node need not load libav. Counted is the thread's
processor time, so that other load shows little. Under a second of it for the faster presets, three for the slowest.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from media.adapters.av_encode import SCALING, VideoEncoder
from media.adapters.av_probe import moving_pictures
from media.model.channel import ChannelSpec, Rung
from runtime.supervision.tether import die_with

SIZES = ((640, 360, 700_000), (1280, 720, 2_500_000))
"""Width, height, and the bit rate that goes with it: the line through two sizes serves for all others."""
PICTURES = 30
"""Of each size: a GOP, so that it has its IDR's share."""
NICE = 10
SENT = "veryfast"
"""Preset of the stream that is decoded."""


def measure(preset: str) -> dict[str, object]:
    """`encode`: [pixels, seconds] for each size; `scale` and `decode`: seconds a pixel. See `media.encode.cost.Speed`."""
    encode = []
    pictures: list[VideoFrame] = []
    for width, height, bitrate in SIZES:
        pictures = moving_pictures(width, height)
        encoder = _encoder(width, height, bitrate, preset)
        encoder.encode(0, pictures[0])
        began = time.thread_time()
        for tick in range(1, PICTURES + 1):
            encoder.encode(tick, pictures[tick % len(pictures)])
        encode.append([width * height, (time.thread_time() - began) / PICTURES])
        encoder.close()
    return {"encode": encode, "scale": _scale(pictures), "decode": _decode(pictures)}


def _encoder(width: int, height: int, bitrate: int, preset: str) -> VideoEncoder:
    ladder = (Rung(height, bitrate),)
    spec = ChannelSpec("measured", width=width, height=height, ladder=ladder, preset=preset)
    return VideoEncoder(spec, ladder[0])


def _scale(pictures: list[VideoFrame]) -> float:
    (width, height, _), (wide, high, _) = SIZES
    scaler = VideoReformatter()
    scaler.reformat(pictures[0], width, height, "yuv420p", interpolation=SCALING, threads=1)
    began = time.thread_time()
    for tick in range(PICTURES):
        frame = pictures[tick % len(pictures)]
        scaler.reformat(frame, width, height, "yuv420p", interpolation=SCALING, threads=1)
    return (time.thread_time() - began) / PICTURES / (width * height + wide * high)


def _decode(pictures: list[VideoFrame]) -> float:
    """By what senders send: never `ultrafast`, which leaves out what is dear to decode."""
    width, height, bitrate = SIZES[-1]
    encoder = _encoder(width, height, bitrate, SENT)
    coded = [unit for tick, picture in enumerate(pictures) for unit in encoder.encode(tick, picture)]
    context = VideoCodecContext.create("h264", "r")
    context.extradata = encoder.extradata
    context.thread_count = 1
    encoder.close()
    began = time.thread_time()
    for unit in coded:
        context.decode(av.Packet(unit.data))
    return (time.thread_time() - began) / len(coded) / (width * height)


def main(preset: str, parent: str) -> None:
    """Measure and print."""
    die_with(int(parent))
    with contextlib.suppress(OSError):
        os.nice(NICE)
    sys.stdout.write(json.dumps(measure(preset)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

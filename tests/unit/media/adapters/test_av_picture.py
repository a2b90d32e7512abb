from __future__ import annotations

import asyncio
import io
import os
import signal
from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from media.adapters.av_picture import LONG_SIDE, MAX_BYTES, draw
from media.adapters.picture_child import PictureChild
from media.model.errors import EngineError, SourceError
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from tests.support.media import ClipSpec, draw_pattern, frame_number, make_clip

RGB = npt.NDArray[np.uint8]


def opened(jpeg: bytes) -> RGB:
    """Shape (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(jpeg), formats=["JPEG"]).convert("RGB"))


def luma(rgb: RGB) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(rgb).convert("L"))


def keyframe(spec: ClipSpec, number: int = 1) -> tuple[TrackHeader, EncodedPacket]:
    """Header and keyframe `number` of a clip; its frame number is 30 times that."""
    clip = make_clip(spec)
    assert clip.video
    return clip.video, [p for p in clip.of(MediaKind.VIDEO) if p.keyframe][number]


def coded(
    encoder: str, codec: Codec, frame: av.VideoFrame, *, header: bool = False
) -> tuple[TrackHeader, EncodedPacket]:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
    context.framerate, context.time_base, context.bit_rate = Fraction(30), Fraction(1, 30), 4_000_000
    context.thread_count = 1
    if encoder == "libx265":
        context.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
    if header:
        context.flags |= Flags.global_header
    frame.pts, frame.time_base = 0, Fraction(1, 30)
    unit = next(iter([*context.encode(frame), *context.encode(None)]))
    extradata = bytes(context.extradata or b"") if header else b""
    packet = EncodedPacket(MediaKind.VIDEO, 0, 0, keyframe=True, data=bytes(unit))
    return TrackHeader(MediaKind.VIDEO, codec, extradata, frame.width, frame.height), packet


@pytest.mark.parametrize(
    "given",
    [
        ClipSpec(2.0),
        ClipSpec(2.0, annexb=True),
        ClipSpec(2.0, bframes=3),
        ClipSpec(2.0, interlaced=True),
        ClipSpec(2.0, pixel_format="yuv420p10le"),
        ClipSpec(2.0, width=1280, height=720, bitrate=3_000_000),
    ],
    ids=["avcC", "annex b", "b-frames", "interlaced", "10 bit", "720p"],
)
def test_one_keyframe_of_h264_is_enough(given: ClipSpec) -> None:
    shown = opened(draw(*keyframe(given)))
    assert shown.shape == (180, LONG_SIDE, 3)
    assert frame_number(luma(shown)) == 30


@pytest.mark.parametrize(
    ("encoder", "codec", "header"),
    [("libx265", Codec.HEVC, False), ("libx265", Codec.HEVC, True), ("libvpx", Codec.VP8, False)],
    ids=["HEVC in band", "HEVC with hvcC", "VP8"],
)
def test_other_codecs(encoder: str, codec: Codec, header: bool) -> None:
    shown = opened(draw(*coded(encoder, codec, draw_pattern(ClipSpec(), 77), header=header)))
    assert shown.shape == (180, LONG_SIDE, 3)
    assert frame_number(luma(shown)) == 77


def test_a_phone_held_upright_is_shown_upright() -> None:
    told_by_bitstream = opened(draw(*keyframe(ClipSpec(2.0, rotation=90))))
    assert told_by_bitstream.shape == (LONG_SIDE, 180, 3)
    assert frame_number(np.rot90(luma(told_by_bitstream))) == 30
    header, packet = keyframe(ClipSpec(2.0))
    told_by_container = opened(draw(replace(header, turn=3), packet))
    assert np.abs(told_by_container.astype(int) - told_by_bitstream).mean() < 3


def test_pixels_that_are_not_square_become_so() -> None:
    shown = opened(draw(*keyframe(ClipSpec(2.0, sar=Fraction(4, 3)))))
    assert shown.shape == (135, LONG_SIDE, 3), "427 x 180 as displayed"


def test_colours_are_the_feeds_and_small_pictures_stay_small() -> None:
    frame = av.VideoFrame(160, 90, "yuv420p")
    for plane, value in zip(frame.planes, (63, 102, 240), strict=True):  # red by BT.709, limited range
        plane.update(bytes([value]) * plane.buffer_size)
    shown = opened(draw(*coded("libx264", Codec.H264, frame)))
    assert shown.shape == (90, 160, 3)
    assert np.abs(shown.reshape(-1, 3).mean(axis=0) - (255, 0, 0)).max() < 8


def test_even_noise_is_within_the_bound() -> None:
    noise = np.random.default_rng(7).integers(16, 235, (480, 320), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="yuv420p")
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = 320, 320, "yuv420p"
    context.framerate, context.time_base = Fraction(30), Fraction(1, 30)
    context.options = {"qp": "1", "preset": "ultrafast"}
    frame.pts, frame.time_base = 0, Fraction(1, 30)
    unit = bytes([*context.encode(frame), *context.encode(None)][0])
    packet = EncodedPacket(MediaKind.VIDEO, 0, 0, keyframe=True, data=unit)
    jpeg = draw(TrackHeader(MediaKind.VIDEO, Codec.H264), packet)
    assert MAX_BYTES / 4 < len(jpeg) <= MAX_BYTES
    assert opened(jpeg).shape == (320, 320, 3)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1garbage that is no picture", bytes(1000)])
def test_a_damaged_keyframe_is_told(data: bytes) -> None:
    header, packet = keyframe(ClipSpec(2.0))
    with pytest.raises(SourceError, match="does not decode"):
        draw(header, replace(packet, data=data))


def pid_of(child: PictureChild) -> int | None:
    return child.pid


async def test_the_child_draws_survives_damage_and_ends_when_it_is_not_needed() -> None:
    header, packet = keyframe(ClipSpec(2.0))
    async with aclosing(PictureChild(idle=0.5)) as child:
        assert pid_of(child) is None, "nothing runs while nobody looks"
        assert frame_number(luma(opened(await child.draw(header, packet)))) == 30
        first = child.pid
        with pytest.raises(SourceError, match="does not decode"):
            await child.draw(header, replace(packet, data=b"garbage"))
        again = [child.draw(*keyframe(ClipSpec(2.0), number)) for number in (0, 1, 0)]
        numbers = [frame_number(luma(opened(jpeg))) for jpeg in await asyncio.gather(*again)]
        assert numbers == [0, 30, 0], "each gets its own"
        assert child.pid == first
        async with asyncio.timeout(20):
            while pid_of(child) is not None:
                await asyncio.sleep(0.02)
        assert await child.draw(header, packet)
        assert child.pid != first


async def test_a_child_that_dies_or_hangs_costs_one_picture() -> None:
    header, packet = keyframe(ClipSpec(2.0))

    async def draw_while(child: PictureChild, *blows: signal.Signals) -> bytes:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
        async with asyncio.timeout(1.0):
            drawing = asyncio.ensure_future(child.draw(header, packet))
            await asyncio.sleep(0.05)
            for blow in blows:
                os.kill(child.pid, blow)
            return await drawing

    async with aclosing(PictureChild()) as child:
        await child.draw(header, packet)
        pids = [child.pid]
        with pytest.raises(EngineError, match="broke on it"):
            await draw_while(child, signal.SIGSEGV, signal.SIGCONT)
        assert frame_number(luma(opened(await child.draw(header, packet)))) == 30
        pids.append(child.pid)
        with pytest.raises(TimeoutError):
            await draw_while(child)
        assert frame_number(luma(opened(await child.draw(header, packet)))) == 30
        assert len({*pids, child.pid}) == 3

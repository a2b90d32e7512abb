from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from media.adapters.av_canvas import AvCanvas
from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.adapters.av_planes import planes_of
from media.mix.units import DecodedSound
from media.model.errors import SourceError
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from tests.support.media import Clip, ClipSpec, beeps, flashes, frame_number, is_flash, make_clip, offsets

SECONDS = 2.0


def pictures_of(
    clip: Clip,
) -> tuple[VideoDecoder, list[tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]]:
    assert clip.video
    decoder = VideoDecoder(clip.video)
    shown = [picture for packet in clip.of(MediaKind.VIDEO) for picture in decoder.decode(packet)]
    shown += decoder.flush()
    assert {picture.frame.format.name for picture in shown} == {"yuv420p"}
    return decoder, [(picture.pts, planes_of(picture.frame)[0]) for picture in shown]


def sounds_of(clip: Clip) -> tuple[AudioDecoder, list[DecodedSound]]:
    assert clip.audio
    decoder = AudioDecoder(clip.audio)
    return decoder, [sound for packet in clip.of(MediaKind.AUDIO) for sound in decoder.decode(packet)]


def laid_out(sounds: list[DecodedSound], seconds: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    line = np.zeros((round(seconds * 48_000) + 8192, 2), np.float32)
    for sound in sounds:
        at = round(sound.pts * 48 / 1000)
        assert sound.samples.dtype == np.float32
        line[at : at + len(sound.samples)] = sound.samples[: max(0, len(line) - at)]
    return line


@pytest.mark.parametrize(
    "given",
    [
        ClipSpec(SECONDS),
        ClipSpec(SECONDS, bframes=3),
        ClipSpec(SECONDS, annexb=True),
        ClipSpec(SECONDS, pixel_format="yuv422p"),
        ClipSpec(SECONDS, pixel_format="yuv420p10le"),
        ClipSpec(SECONDS, full_range=True),
        ClipSpec(SECONDS, pixel_format="yuvj420p", full_range=True),
        ClipSpec(SECONDS, sar=Fraction(4, 3)),
        ClipSpec(SECONDS, rate=Fraction(25)),
    ],
    ids=["plain", "b-frames", "annex b", "4:2:2", "10 bit", "full range", "yuvj", "sar", "25 fps"],
)
def test_every_picture_comes_out_in_order(given: ClipSpec) -> None:
    decoder, shown = pictures_of(make_clip(given))
    assert [frame_number(luma) for _, luma in shown] == list(range(round(SECONDS * given.rate)))
    assert [pts for pts, _ in shown] == [round(i * 1_000_000 / given.rate) for i in range(len(shown))]
    assert decoder.errors == 0
    white = np.median(shown[0][1][120:])
    assert abs(float(white) - 235) <= 4, "limited range"


def test_pixel_shape_is_told() -> None:
    clip = make_clip(ClipSpec(SECONDS, sar=Fraction(4, 3)))
    assert clip.video
    decoder = VideoDecoder(clip.video)
    shown = [picture for packet in clip.of(MediaKind.VIDEO) for picture in decoder.decode(packet)]
    assert {picture.sar for picture in shown} == {Fraction(4, 3)}
    assert AvCanvas(1280, 720).placed(320, 180, Fraction(4, 3)) == (1280, 540)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_rotated_pictures_stand_upright(degrees: int, turns: int) -> None:
    _, shown = pictures_of(make_clip(ClipSpec(SECONDS, rotation=degrees)))
    back = [np.rot90(luma, turns) for _, luma in shown]
    assert [frame_number(luma) for luma in back] == list(range(60)), "turned clockwise, every frame"


def test_interlaced_pictures_are_deinterlaced_one_frame_late() -> None:
    clip = make_clip(ClipSpec(SECONDS, interlaced=True))
    assert clip.video
    decoder = VideoDecoder(clip.video)
    shown = [picture for packet in clip.of(MediaKind.VIDEO) for picture in decoder.decode(packet)]
    assert [frame_number(planes_of(picture.frame)[0]) for picture in shown] == list(range(59))
    (last,) = decoder.flush()
    assert frame_number(planes_of(last.frame)[0]) == 59
    assert decoder.errors == 0


def test_variable_rate_keeps_its_times() -> None:
    _, shown = pictures_of(make_clip(ClipSpec(SECONDS, variable=True)))
    assert all(pts == round((frame_number(luma) or 0) * 1e6 / 30) for pts, luma in shown)


@pytest.mark.parametrize(
    "given",
    [
        ClipSpec(SECONDS),
        ClipSpec(SECONDS, channels=1),
        ClipSpec(SECONDS, channels=6),
        ClipSpec(SECONDS, sample_rate=44_100),
        ClipSpec(SECONDS, sample_rate=22_050, channels=1),
        ClipSpec(SECONDS, audio=Codec.OPUS),
    ],
    ids=["stereo", "mono", "5.1", "44.1 kHz", "22.05 kHz mono", "opus"],
)
def test_sound_is_48_khz_stereo_in_sync_with_the_flash(given: ClipSpec) -> None:
    clip = make_clip(given)
    decoder, sounds = sounds_of(clip)
    assert decoder.errors == 0
    line = laid_out(sounds, SECONDS)
    assert np.abs(line[:, 1]).max() > 0.2, "both channels sound"
    _, shown = pictures_of(clip)
    found = offsets(flashes((pts / 1e6, luma) for pts, luma in shown), beeps(line))
    assert len(found) == 1
    assert abs(found[0]) <= 0.001
    # Opus drops its pre-skip from whatever comes first, here as in mid-stream.
    ends = [sound.pts + len(sound.samples) * 1_000_000 / 48_000 for sound in sounds]
    assert max(abs(a - b.pts) for a, b in zip(ends[1:], sounds[2:], strict=False)) < 60, "without holes (µs)"


def test_change_of_layout_and_rate_in_mid_stream() -> None:
    first, second = make_clip(ClipSpec(SECONDS)), make_clip(ClipSpec(SECONDS, sample_rate=44_100, channels=1))
    for clip in (first, second, first):
        decoder, sounds = sounds_of(clip)
        assert decoder.errors == 0
        assert abs(sum(len(sound.samples) for sound in sounds) - 96_000) < 3_000


def test_change_of_size_in_mid_stream_without_a_new_header() -> None:
    small, large = make_clip(ClipSpec(1.0, annexb=True)), make_clip(ClipSpec(1.0, 640, 360, annexb=True))
    assert small.video
    decoder = VideoDecoder(small.video)
    packets = small.of(MediaKind.VIDEO) + [
        replace(p, pts=p.pts + 1_000_000, dts=p.dts + 1_000_000) for p in large.of(MediaKind.VIDEO)
    ]
    shown = [picture for packet in packets for picture in decoder.decode(packet)] + decoder.flush()
    assert [picture.frame.width for picture in shown] == [320] * 30 + [640] * 30


@pytest.mark.parametrize("bframes", [0, 2])
def test_damaged_packets_are_counted_and_survived(bframes: int) -> None:
    clip = make_clip(ClipSpec(3.0, bframes=bframes))
    assert clip.video
    dice = random.Random(7)
    decoder = VideoDecoder(clip.video)
    shown = []
    for i, packet in enumerate(clip.of(MediaKind.VIDEO)):
        data = packet.data
        if 5 <= i < 50 and i % 3:
            data = dice.choice([b"", b"\0", dice.randbytes(len(data)), data[: len(data) // 2], data[::-1]])
        shown += decoder.decode(replace(packet, data=data))
    shown += decoder.flush()
    assert decoder.errors > 0
    tail = [frame_number(planes_of(picture.frame)[0]) for picture in shown if picture.pts >= 2_000_000]
    assert tail == list(range(60, 90)), "whole again from the next IDR on"


def test_damaged_sound_is_counted_and_survived() -> None:
    clip = make_clip(ClipSpec(SECONDS))
    assert clip.audio
    decoder = AudioDecoder(clip.audio)
    dice = random.Random(3)
    for i, packet in enumerate(clip.of(MediaKind.AUDIO)):
        broken = i % 4 == 1
        for sound in decoder.decode(replace(packet, data=dice.randbytes(60) if broken else packet.data)):
            assert sound.samples.shape[1] == 2
    assert decoder.errors > 0
    assert decoder.decode(clip.of(MediaKind.AUDIO)[-1])


def test_backlog_that_is_not_shown_leaves_later_pictures_whole() -> None:
    clip = make_clip(ClipSpec(3.0, bframes=3))
    assert clip.video
    decoder = VideoDecoder(clip.video)
    shown = []
    for i, packet in enumerate(clip.of(MediaKind.VIDEO)):
        late = decoder.decode(packet, show=i >= 45)
        assert late == [] or i >= 45
        shown += late
    shown += decoder.flush()
    numbers = [frame_number(planes_of(picture.frame)[0]) for picture in shown]
    assert numbers == sorted(n for n in numbers if n is not None)
    assert numbers[-40:] == list(range(50, 90))
    assert is_flash(planes_of(shown[numbers.index(60)].frame)[0])


def test_wrong_track_or_header_is_the_sources_fault() -> None:
    with pytest.raises(SourceError):
        VideoDecoder(TrackHeader(MediaKind.AUDIO, Codec.AAC))
    with pytest.raises(SourceError):
        AudioDecoder(TrackHeader(MediaKind.VIDEO, Codec.H264))
    garbage = VideoDecoder(TrackHeader(MediaKind.VIDEO, Codec.H264, b"\x01garbage that is no avcC"))
    assert garbage.decode(make_clip(ClipSpec(SECONDS)).of(MediaKind.VIDEO)[0]) == []
    assert garbage.errors == 1
    decoder = AudioDecoder(TrackHeader(MediaKind.AUDIO, Codec.AAC))
    assert decoder.decode(EncodedPacket(MediaKind.AUDIO, 0, 0, keyframe=True, data=b"\1\2\3")) == []

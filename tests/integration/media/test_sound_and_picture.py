"""From a feed's packets through decoders, mixer and encoders to decoded renditions: flash and beep stay together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from media.adapters.av_canvas import AvCanvas
from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.adapters.av_encode import AudioEncoder, VideoEncoder
from media.adapters.av_file import _Pass, _tracks
from media.adapters.av_planes import planes_of
from media.mix.fold import Fold
from media.mix.mixer import Mixer
from media.mix.switcher import Program
from media.model.channel import ChannelSpec, Rung
from media.model.time import AAC_FRAME
from media.model.tracks import Codec, EncodedPacket, EncodedTick, MediaKind, TrackHeader
from tests.support.media import Clip, ClipSpec, beeps, clip_file, flashes, make_clip, offsets, shifted

SPEC = ChannelSpec("main", width=320, height=180, ladder=(Rung(180, 400_000),))
SECONDS = 6.0
MILLIS = 1_000


def through(
    clip: Clip, packets: Sequence[EncodedPacket], due: Sequence[float], seconds: float
) -> list[float]:
    """Play packets that are `due` (seconds) through the whole chain; offsets of sound from picture, seconds."""
    mixer: Mixer[av.VideoFrame] = Mixer(SPEC, AvCanvas(SPEC.width, SPEC.height))
    door = mixer.attach("a")
    mixer.set_program(Program("a"))
    assert clip.video
    assert clip.audio
    video, audio = VideoDecoder(clip.video), AudioDecoder(clip.audio)
    rung, aac = VideoEncoder(SPEC, SPEC.ladder[0]), AudioEncoder(SPEC)
    pictures: list[EncodedTick] = []
    sounds: list[bytes] = []
    fold = Fold()
    at = 0
    for tick in range(int(seconds * SPEC.rate)):
        while at < len(packets) and due[at] <= tick / float(SPEC.rate):
            packet = fold.fold(replace(packets[at], arrived=round(due[at] * 1e6)))
            at += 1
            if packet.kind is MediaKind.VIDEO:
                for picture in video.decode(packet):
                    door.put_picture(picture)
            else:
                for sound in audio.decode(packet):
                    door.put_sound(sound)
        mixed = mixer.tick(tick)
        pictures += rung.encode(tick, mixed.picture)
        sounds += aac.encode(mixed.samples)
    pictures += rung.flush()
    sounds += aac.flush()
    assert [unit.tick for unit in pictures] == list(range(int(seconds * SPEC.rate)))
    return _seen_and_heard(rung, aac, pictures, sounds)


def _seen_and_heard(
    rung: VideoEncoder, aac: AudioEncoder, pictures: list[EncodedTick], sounds: list[bytes]
) -> list[float]:
    video = VideoDecoder(TrackHeader(MediaKind.VIDEO, Codec.H264, rung.extradata))
    audio = AudioDecoder(TrackHeader(MediaKind.AUDIO, Codec.AAC, aac.asc, sample_rate=48_000, channels=2))
    shown = []
    for unit in pictures:
        micros = SPEC.clock.micros(unit.tick)
        shown += video.decode(EncodedPacket(MediaKind.VIDEO, micros, micros, unit.keyframe, unit.data))
    shown += video.flush()
    heard = np.zeros((len(sounds) * AAC_FRAME, 2), np.float32)
    for k, data in enumerate(sounds):
        for sound in audio.decode(EncodedPacket(MediaKind.AUDIO, 0, 0, keyframe=True, data=data)):
            heard[k * AAC_FRAME : (k + 1) * AAC_FRAME] = sound.samples
    flash = flashes((picture.pts / 1e6, planes_of(picture.frame)[0]) for picture in shown)
    return offsets(flash, beeps(heard))


@pytest.mark.parametrize(
    "given",
    [ClipSpec(SECONDS), ClipSpec(SECONDS, bframes=3), ClipSpec(SECONDS, sample_rate=44_100, channels=1)],
    ids=["plain", "b-frames", "44.1 kHz mono"],
)
def test_flash_and_beep_stay_together(given: ClipSpec) -> None:
    clip = make_clip(given)
    due = [0.1 + (packet.dts - clip.packets[0].dts) / 1e6 for packet in clip.packets]
    found = through(clip, clip.packets, due, SECONDS)
    assert len(found) >= 4
    assert max(map(abs, found)) <= 0.020


def test_jump_of_6_s_changes_nothing() -> None:
    clip = make_clip(ClipSpec(SECONDS))
    half = len(clip.packets) // 2
    packets = [*clip.packets[:half], *shifted(clip.packets[half:], 6_000 * MILLIS)]
    found = through(clip, packets, [0.1 + packet.dts / 1e6 for packet in clip.packets], SECONDS)
    assert len(found) >= 4
    assert max(map(abs, found)) <= 0.020


WRAP = 2**33 / 90_000
"""Seconds after which the stamps of MPEG-TS begin anew (ISO/IEC 13818-1 §2.4.3.7)."""


def wrapping() -> Path:
    """A clip as MPEG-TS whose stamps wrap in its middle."""
    source = clip_file(ClipSpec(SECONDS))
    path = source.with_name("wrapping.ts")
    with av.open(str(source)) as clip, av.open(str(path), "w", format="mpegts") as out:
        tracks = {stream.index: out.add_stream_from_template(stream, opaque=False) for stream in clip.streams}
        for packet in clip.demux():
            if packet.pts is None or packet.dts is None:
                continue
            by = round((WRAP - SECONDS / 2) / float(packet.time_base))
            packet.pts, packet.dts = packet.pts + by, packet.dts + by
            packet.stream = tracks[packet.stream_index]
            out.mux_one(packet)
    with av.open(str(path), options={"correct_ts_overflow": "0"}) as file:
        stamps = [packet.dts for packet in file.demux(video=0) if packet.dts is not None]
        assert 0.3 < stamps.index(min(stamps)) / len(stamps) < 0.7, "nothing wraps"
    return path


def test_stamps_of_a_transport_stream_that_wrap_change_nothing() -> None:
    """As a file feed demuxes it; a sender's stream by SRT goes through the same demuxer of libav."""
    with av.open(str(wrapping())) as file:
        tracks = _tracks(file)
        packets = list(_Pass().packets(file, tracks))
    headers = {track.header.kind: track.header for track in tracks}
    clip = Clip(headers[MediaKind.VIDEO], headers[MediaKind.AUDIO], tuple(packets))
    for kind, each in ((MediaKind.VIDEO, 1 / 30), (MediaKind.AUDIO, AAC_FRAME / 48_000)):
        times = [packet.dts / 1e6 for packet in packets if packet.kind is kind]
        assert len(times) >= (SECONDS - 0.1) / each
        steps = [after - before for before, after in pairwise(times)]
        assert max(abs(step - each) for step in steps) < 0.001, kind
    found = through(clip, packets, [0.1 + packet.dts / 1e6 for packet in packets], SECONDS)
    assert len(found) >= 4
    assert max(map(abs, found)) <= 0.020

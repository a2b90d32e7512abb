"""Every encoder of a channel's rungs that opens here."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from media.adapters.av_decode import VideoDecoder
from media.adapters.av_planes import planes_of
from media.adapters.encoders import ENCODERS, EncoderKind, OpenEncoder, open_encoder, usable
from media.mix import timecode
from media.model.channel import ChannelSpec, Rung
from media.model.errors import EngineError
from media.model.tracks import Codec, EncodedPacket, EncodedTick, MediaKind, TrackHeader
from media.ports import Encoder
from tests.support.media import ClipSpec, draw_pattern, frame_number

SPEC = ChannelSpec("main", width=640, height=360, ladder=(Rung(360, 500_000), Rung(180, 100_000)))


@pytest.fixture(params=ENCODERS, ids=lambda kind: kind.name)
def opened(request: pytest.FixtureRequest) -> OpenEncoder:
    kind: EncoderKind = request.param
    if not kind.probe():
        pytest.skip(f"{kind.name} does not open here")
    return kind.open


def test_the_best_that_opens_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = EncoderKind("h264_none", _not_to_be_opened, lambda: False)
    monkeypatch.setattr("media.adapters.encoders.ENCODERS", (missing, *ENCODERS))
    assert usable() is ENCODERS[0]
    open_encoder(SPEC, SPEC.ladder[0]).close()
    monkeypatch.setattr("media.adapters.encoders.ENCODERS", (missing,))
    with pytest.raises(EngineError, match="h264_none"):
        usable()


def _not_to_be_opened(spec: ChannelSpec, rung: Rung) -> Encoder[av.VideoFrame]:
    raise AssertionError((spec, rung))


def run(encoder: Encoder[av.VideoFrame], frames: int, first: int = 0) -> list[EncodedTick]:
    clip = ClipSpec(width=SPEC.width, height=SPEC.height)
    done: list[EncodedTick] = []
    for tick in range(first, first + frames):
        done += encoder.encode(tick, draw_pattern(clip, tick))
    return done + encoder.flush()


def packet(unit: EncodedTick) -> EncodedPacket:
    return EncodedPacket(MediaKind.VIDEO, unit.tick, unit.tick, unit.keyframe, unit.data)


@pytest.mark.parametrize("rung", SPEC.ladder, ids=lambda rung: str(rung.name))
def test_each_tick_comes_out_once_in_order_with_its_picture(opened: OpenEncoder, rung: Rung) -> None:
    encoder = opened(SPEC, rung)
    assert encoder.extradata[0] == 1, "an avcC"
    assert encoder.extradata in encoder.init_segment
    assert b"edts" not in encoder.init_segment
    units = run(encoder, 70)
    assert [unit.tick for unit in units] == list(range(70))
    assert [unit.tick for unit in units if unit.keyframe] == [0, 30, 60]
    decoder = VideoDecoder(TrackHeader(MediaKind.VIDEO, Codec.H264, encoder.extradata))
    shown = [picture for unit in units for picture in decoder.decode(packet(unit))] + decoder.flush()
    assert [frame_number(planes_of(picture.frame)[0]) for picture in shown] == list(range(70))
    assert {(picture.frame.width, picture.frame.height) for picture in shown} == {SPEC.size_of(rung)}
    encoder.close()


def test_code_survives_a_starved_small_rung(opened: OpenEncoder) -> None:
    spec = ChannelSpec("main", width=1280, height=720, ladder=(Rung(180, 60_000),))
    encoder = opened(spec, spec.ladder[0])
    rng = np.random.default_rng(0)
    ground = rng.integers(16, 235, (90, 160), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    units: list[EncodedTick] = []
    for tick in range(45):
        frame = av.VideoFrame(1280, 720, "yuv420p")
        y, u, v = planes_of(frame)
        y[:], u[:], v[:] = np.roll(ground, tick * 7, 1), 128, 128
        for row in range(3):
            timecode.draw(y, 1_763_838_000_000 + tick * 33 + row, row)
        units += encoder.encode(tick, frame)
    units += encoder.flush()
    decoder = VideoDecoder(TrackHeader(MediaKind.VIDEO, Codec.H264, encoder.extradata))
    shown = [picture for unit in units for picture in decoder.decode(packet(unit))] + decoder.flush()
    assert len(shown) == 45
    for picture in shown:
        luma = planes_of(picture.frame)[0]
        for row in range(3):
            assert timecode.read(luma, row) == (1_763_838_000_000 + picture.pts * 33 + row) % 2**40


def test_repeated_frame_object_keeps_its_ticks(opened: OpenEncoder) -> None:
    """The mixer gives the same object for each tick of a picture that stands still."""
    encoder = opened(SPEC, SPEC.ladder[0])
    frame = draw_pattern(ClipSpec(width=640, height=360), 7)
    units = [unit for tick in range(40) for unit in encoder.encode(tick, frame)] + encoder.flush()
    assert [unit.tick for unit in units] == list(range(40))
    assert [unit.tick for unit in units if unit.keyframe] == [0, 30]


def test_hole_in_the_ticks_is_refused(opened: OpenEncoder) -> None:
    encoder = opened(SPEC, SPEC.ladder[1])
    frame = draw_pattern(ClipSpec(width=640, height=360), 0)
    encoder.encode(0, frame)
    with pytest.raises(EngineError, match="tick 2 given where 1 is due"):
        encoder.encode(2, frame)


def test_headers_stay_the_same_over_rates_and_runs(opened: OpenEncoder) -> None:
    first = opened(SPEC, Rung(180, 100_000))
    again = opened(SPEC, Rung(180, 100_000))
    again.warm()
    assert first.extradata == again.extradata
    assert first.init_segment == again.init_segment


@pytest.mark.parametrize("rate", [Fraction(30_000, 1001), Fraction(25), Fraction(60)])
def test_other_rates_have_exact_timescales(opened: OpenEncoder, rate: Fraction) -> None:
    spec = ChannelSpec("main", width=320, height=180, rate=rate, ladder=(Rung(180, 200_000),))
    encoder = opened(spec, spec.ladder[0])
    at = encoder.init_segment.index(b"mdhd") + 4
    assert int.from_bytes(encoder.init_segment[at + 12 : at + 16], "big") == spec.clock.timescale
    done = [unit for tick in range(12) for unit in encoder.encode(tick, draw_pattern(ClipSpec(), tick))]
    assert [unit.tick for unit in done] == list(range(len(done)))
    assert len(done) >= 6, "the delay is the lookahead, no more"

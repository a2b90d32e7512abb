from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.model.channel import ChannelSpec, Rung
from media.model.errors import EngineError, SpecError
from media.model.time import AAC_FRAME, SAMPLE_RATE, ProgrammeTime
from media.packaging.fmp4 import fragments
from media.packaging.parts import Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter

RATES = [
    Fraction(24),
    Fraction(25),
    Fraction(30),
    Fraction(30000, 1001),
    Fraction(50),
    Fraction(60),
    Fraction(60000, 1001),
]
ANCHOR = ProgrammeTime(1_700_000_000_000_000)


@st.composite
def specs(draw: st.DrawFn) -> ChannelSpec:
    """All rates, and every part length of 128 ms or more that a GOP up to two seconds allows."""
    rate = draw(st.sampled_from(RATES))
    per_gop = draw(st.integers(1, 4))
    least = int(-(-rate * 128 // 1000))
    part = draw(st.integers(least, max(least, int(2 * rate) // per_gop)))
    return ChannelSpec(
        "c",
        width=320,
        height=180,
        ladder=(Rung(180, 300_000),),
        rate=rate,
        gop_frames=part * per_gop,
        part_frames=part,
        segment_gops=draw(st.integers(1, 4)),
    )


def cut(spec: ChannelSpec, segments: int, first_msn: int = 7) -> tuple[list[Part], list[Part]]:
    """Video and audio parts of a stretch of programme."""
    video = VideoSegmenter(spec, "v180", epoch=3, first_msn=first_msn, anchor=ANCHOR)
    audio = AudioSegmenter(spec, epoch=3, first_msn=first_msn, anchor=ANCHOR)
    ticks = spec.segment_frames * segments
    pictures = [video.push(tick, b"vvvv", tick % spec.gop_frames == 0) for tick in range(ticks)]
    frames = int(spec.segment_seconds * segments * SAMPLE_RATE / AAC_FRAME) + 1
    sounds = [audio.push(b"aaaa") for _ in range(frames)]
    return [part for part in pictures if part], [part for part in sounds if part]


@given(specs())
@settings(max_examples=60, deadline=None)
def test_parts_and_segments_keep_the_rules_at_every_rate(spec: ChannelSpec) -> None:
    segments = 12
    for parts in cut(spec, segments):
        assert len(parts) == segments * spec.parts_per_segment
        due = 0
        for number, part in enumerate(parts):
            length = Fraction(part.duration, part.timescale)
            assert part.decode_time == due, "decode times are continuous"
            due += part.duration
            assert length <= spec.part_target
            assert part.independent or part.last or length >= Fraction(85, 100) * spec.part_target
            assert (part.msn, part.index) == (
                7 + number // spec.parts_per_segment,
                number % spec.parts_per_segment,
            )
            assert part.last == (part.index == spec.parts_per_segment - 1)
            # Never more than half an AAC frame from the video's grid, however long it runs.
            ideal = number * spec.part_frames / spec.rate
            assert abs(Fraction(part.decode_time, part.timescale) - ideal) <= Fraction(
                AAC_FRAME, 2 * SAMPLE_RATE
            )
            assert abs(part.starts - ANCHOR - part.decode_time * 1_000_000 / part.timescale) <= 1
            (fragment,) = fragments(part.data)
            assert (fragment.decode_time, fragment.duration) == (part.decode_time, part.duration)
            assert (fragment.samples, fragment.sync) == (part.frames, part.independent)
        for first in range(0, len(parts), spec.parts_per_segment):
            ticks = sum(part.duration for part in parts[first : first + spec.parts_per_segment])
            assert int(Fraction(ticks, parts[0].timescale) + Fraction(1, 2)) <= spec.target_duration


@pytest.mark.parametrize("rate", RATES)
def test_audio_does_not_drift_over_a_day(rate: Fraction) -> None:
    spec = ChannelSpec("c", rate=rate, gop_frames=10, part_frames=10)
    grid = AudioSegmenter(spec, epoch=1, first_msn=0, anchor=ANCHOR)._grid
    for number in (1, 10_007, 250_000):
        ideal = number * 10 / rate
        assert abs(Fraction(grid.audio_frames_before(number) * AAC_FRAME, SAMPLE_RATE) - ideal) <= Fraction(
            AAC_FRAME, 2 * SAMPLE_RATE
        )


def test_each_gop_starts_an_independent_part() -> None:
    video, audio = cut(ChannelSpec("c"), 2)
    assert [part.independent for part in video] == [True, False, False] * 4
    assert all(part.independent for part in audio)


@pytest.mark.parametrize(
    ("tick", "data", "keyframe", "what"),
    [(1, b"x", True, "due"), (0, b"x", False, "IDR"), (0, b"", True, "empty")],
)
def test_what_the_encoder_was_not_asked_for_is_an_engine_error(
    tick: int, data: bytes, keyframe: bool, what: str
) -> None:
    video = VideoSegmenter(ChannelSpec("c"), "v720", epoch=1, first_msn=0, anchor=ANCHOR)
    with pytest.raises(EngineError, match=what):
        video.push(tick, data, keyframe)


def test_parts_too_short_for_aac_are_refused() -> None:
    for frames in (1, 4):
        spec = ChannelSpec("c", rate=Fraction(60), gop_frames=60, part_frames=frames)
        with pytest.raises(SpecError) as error:
            VideoSegmenter(spec, "v720", epoch=1, first_msn=0, anchor=ANCHOR)
        assert error.value.field == "part_frames"

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.packaging.codecs import aac_object_type, avcc_sps, codec_string, parse_sps
from media.packaging.fmp4 import annexb_to_avcc, box, fragment, fragments, init_tracks, recover
from tests.conformance.synthetic import audio_init, video_init

NAL = st.binary(min_size=1, max_size=20).map(lambda data: data.replace(b"\0", b"\1"))
SAMPLES = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.booleans()), min_size=1, max_size=12)


@given(
    st.lists(st.tuples(st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\1"]), NAL), min_size=1, max_size=6)
)
def test_annex_b_becomes_length_prefixed(units: list[tuple[bytes, bytes]]) -> None:
    got = annexb_to_avcc(b"".join(start + nal for start, nal in units))
    assert got == b"".join(len(nal).to_bytes(4, "big") + nal for _, nal in units)


def test_annex_b_without_a_start_code_is_empty() -> None:
    assert annexb_to_avcc(b"abc") == b""


@given(SAMPLES, st.integers(0, 2**63), st.integers(1, 2**31))
def test_a_fragment_is_read_as_it_was_written(
    samples: list[tuple[bytes, bool]], decode_time: int, duration: int
) -> None:
    data = fragment(1, decode_time, duration, [item for item, _ in samples], [sync for _, sync in samples])
    (found,) = fragments(data)
    assert (found.decode_time, found.samples, found.size) == (decode_time, len(samples), len(data))
    assert found.duration == duration * len(samples)
    assert found.sync == samples[0][1]
    assert data.endswith(b"".join(item for item, _ in samples))


@given(st.integers(0, 400), st.binary(max_size=40))
def test_a_file_cut_anywhere_keeps_its_whole_fragments(cut: int, garbage: bytes) -> None:
    pieces = [fragment(i + 1, i * 10, 5, [b"x" * 30, b"y" * i + b"z"], [i == 0, False]) for i in range(4)]
    data = b"".join(pieces)[:cut]
    ends = [sum(map(len, pieces[: i + 1])) for i in range(4)]
    whole = sum(end <= len(data) for end in ends)
    length, found = recover(data)
    assert length == sum(map(len, pieces[:whole]))
    assert [(item.decode_time, item.duration, item.sync) for item in found] == [
        (i * 10, 10, i == 0) for i in range(whole)
    ]
    good = b"".join(pieces[:whole])
    assert recover(good + b"\0" * len(garbage))[0] == len(good), "a tail of zeros, as a torn write leaves it"
    assert recover(good + garbage)[0] >= len(good)


@given(st.binary(max_size=300))
@example(box(b"moof", box(b"traf", box(b"tfhd"))) + box(b"mdat"))
@example(box(b"moof", box(b"traf", box(b"trun", b"\0\0\2\0\xff\xff\xff\xff"))) + box(b"mdat"))
@settings(max_examples=200)
def test_recovery_never_raises(data: bytes) -> None:
    recover(data)


@pytest.mark.parametrize(
    ("width", "height", "rate"),
    [(1280, 720, "30"), (854, 480, "25"), (640, 360, "30000/1001"), (180, 320, "60")],
)
def test_real_init_segments_say_what_they_hold(width: int, height: int, rate: str) -> None:
    (track,) = init_tracks(video_init(width, height, Fraction(rate)))
    sps = parse_sps(avcc_sps(track.config))
    assert (sps.width, sps.height, sps.rate) == (width, height, Fraction(rate))
    assert (track.handler, track.format, track.width, track.height) == ("vide", "avc1", width, height)
    assert codec_string(track) == f"avc1.{track.config[1:4].hex()}"
    assert codec_string(track).startswith("avc1.6400")


def test_a_real_audio_init_says_what_it_holds() -> None:
    (track,) = init_tracks(audio_init())
    assert (track.handler, track.timescale, track.channels, codec_string(track)) == (
        "soun",
        48_000,
        2,
        "mp4a.40.2",
    )


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_spoilt_headers_raise_value_error_only(data: st.DataObject) -> None:
    init = bytearray(data.draw(st.sampled_from([video_init(640, 360, Fraction(30)), audio_init()])))
    for _ in range(data.draw(st.integers(1, 6))):
        init[data.draw(st.integers(0, len(init) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        for track in init_tracks(bytes(init[: data.draw(st.integers(0, len(init)))])):
            codec_string(track)


@given(st.binary(max_size=60))
@example(b"\x67\x64\x00\x1f" + b"\0" * 40)
@settings(max_examples=300)
def test_garbage_parameter_sets_raise_value_error_only(data: bytes) -> None:
    for read in (
        lambda: parse_sps(b"\x67" + data),
        lambda: parse_sps(b"\x67\x64\0\x1f" + data),
        lambda: avcc_sps(data),
    ):
        with contextlib.suppress(ValueError):
            read()
    with contextlib.suppress(ValueError):
        aac_object_type(data)

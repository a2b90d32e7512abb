"""Annex B and ADTS, read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.ingest.elementary import adts, sequence_parameters, size_of
from media.ingest.rtmp.flv import aac_header
from media.model.errors import SourceError
from media.model.tracks import Codec

START4, START3 = b"\0\0\0\1", b"\0\0\1"


def test_parameters_count_only_before_the_picture() -> None:
    assert sequence_parameters(Codec.H264, START4 + b"\x09\xf0" + START4 + b"\x67abc") == b"\x67abc"
    assert sequence_parameters(Codec.H264, START4 + b"\x65abc" + START4 + b"\x67abc") == b""
    assert sequence_parameters(Codec.HEVC, START4 + b"\x40\1v" + START4 + b"\x42\1s") == b"\x42\1s"
    assert sequence_parameters(Codec.HEVC, START4 + b"\x26\1x" + START4 + b"\x42\1s") == b""


def test_a_size_that_cannot_be_read_is_none() -> None:
    assert size_of(Codec.H264, b"\x67") is None
    assert size_of(Codec.HEVC, b"\x42\1") is None


@pytest.mark.parametrize(("index", "rate"), [(3, 48_000), (4, 44_100), (11, 8000)])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("checked", [False, True])
def test_an_adts_header_becomes_the_config_of_the_same_sound(
    index: int, rate: int, channels: int, checked: bool
) -> None:
    header = bytes(
        [0xFF, 0xF0 | (not checked), 1 << 6 | index << 2 | channels >> 2, (channels & 3) << 6, 0, 0, 0xFC]
    )
    config, size = adts(header + b"xx" + b"sound")
    assert size == (9 if checked else 7)
    told = aac_header(config)
    assert told is not None
    assert (told.sample_rate, told.channels) == (rate, channels)


def test_what_is_no_adts_or_says_too_little_is_left_alone() -> None:
    plain = bytes([0xFF, 0xF1, 1 << 6 | 3 << 2, 2 << 6, 0, 0, 0xFC])
    assert adts(plain)[1] == 7
    assert adts(b"") == (b"", 0)
    assert adts(plain[:6]) == (b"", 0)
    assert adts(b"\x21\x10" + plain) == (b"", 0)
    assert adts(bytes([0xFF, 0xF1, 1 << 6 | 3 << 2, 0, 0, 0, 0xFC])) == (b"", 0)  # a layout of its own
    assert adts(plain[:6] + b"\xfd") == (b"", 0)  # several blocks
    with pytest.raises(SourceError):
        adts(bytes([0xFF, 0xF1, 1 << 6 | 13 << 2, 2 << 6, 0, 0, 0xFC]))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    for codec in (Codec.H264, Codec.HEVC):
        size_of(codec, sequence_parameters(codec, data))
    with contextlib.suppress(SourceError):
        adts(data)

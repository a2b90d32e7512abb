"""Parameter sets with start codes become the records that files carry, as libav makes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import imageio_ffmpeg  # type: ignore[import-untyped,unused-ignore]  # the wheel has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.model.tracks import Codec
from media.packaging.annexb import nal_units, record_of
from media.packaging.codecs import hvcc_sps, parse_hevc_sps
from tests.support.media import ClipSpec, make_clip

START4, START3 = b"\0\0\0\1", b"\0\0\1"


def test_units_are_found_behind_either_start_code() -> None:
    data = START4 + b"\x67abc" + START3 + b"\x68d\0" + START4 + b"\x65efg"
    assert list(nal_units(data)) == [b"\x67abc", b"\x68d", b"\x65efg"]
    assert list(nal_units(b"no start code")) == []
    assert list(nal_units(b"")) == []


def test_an_avcc_record_is_what_the_encoder_gives_itself() -> None:
    plain = make_clip(ClipSpec(seconds=1))
    in_band = make_clip(ClipSpec(seconds=1, annexb=True))
    assert plain.video is not None
    made = record_of(Codec.H264, in_band.packets[0].data)
    # libx264 adds the chroma bytes of 14496-15 only for high profiles; ours is of a baseline stream.
    assert plain.video.extradata.startswith(made)


@pytest.mark.parametrize("size", ["322x182", "640x360"])
def test_an_hvcc_record_is_what_libav_makes_of_the_same_stream(tmp_path: Path, size: str) -> None:
    raw, boxed = tmp_path / "a.hevc", tmp_path / "a.mp4"
    program = imageio_ffmpeg.get_ffmpeg_exe()
    source = ["-f", "lavfi", "-i", f"color=size={size}:rate=10:duration=0.3"]
    encoder = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:pools=1"]
    for arguments in ([*source, *encoder, str(raw)], ["-i", str(raw), "-c", "copy", str(boxed)]):
        subprocess.run([program, "-v", "error", "-y", *arguments], check=True, timeout=60)
    record = record_of(Codec.HEVC, raw.read_bytes())
    sps = parse_hevc_sps(hvcc_sps(record))
    assert f"{sps.width}x{sps.height}" == size
    with av.open(str(boxed)) as made:
        theirs = bytes(made.streams.video[0].codec_context.extradata or b"")
    assert record[1:13] == theirs[1:13]
    assert record[16:19] == theirs[16:19]
    assert record[21] == theirs[21]
    assert hvcc_sps(theirs) == hvcc_sps(record)


def test_a_keyframe_without_its_sets_says_so() -> None:
    with pytest.raises(ValueError, match="without its parameter sets"):
        record_of(Codec.H264, START4 + b"\x65abc")


@given(st.binary(max_size=200))
def test_garbage_is_a_value_error_and_nothing_else(data: bytes) -> None:
    for read in (lambda: record_of(Codec.HEVC, data), lambda: hvcc_sps(data), lambda: parse_hevc_sps(data)):
        try:
            read()
        except ValueError:
            continue

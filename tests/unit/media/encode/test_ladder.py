from __future__ import annotations

from fractions import Fraction

import pytest

from media.encode.ladder import level_for, rung_settings
from media.model.channel import ChannelSpec, Rung
from media.model.errors import SpecError


@pytest.mark.parametrize(
    ("width", "height", "rate", "level"),
    [(640, 360, 30, "3.0"), (854, 480, 30, "3.1"), (1280, 720, 30, "3.1"), (1280, 720, 60, "3.2"),
     (720, 1280, 30, "3.1"), (1920, 1080, 30, "4.0"), (1920, 1080, 60, "4.2"), (3840, 2160, 30, "5.1")],
)  # fmt: skip
def test_level_follows_size_and_rate(width: int, height: int, rate: int, level: str) -> None:
    assert level_for(width, height, Fraction(rate), 2_000_000) == level


def test_no_level_is_a_wrong_specification() -> None:
    with pytest.raises(SpecError, match=r"no H\.264 level"):
        level_for(3840, 3840, Fraction(120), 2_000_000)


def test_gop_is_closed_and_fixed_and_headers_never_change() -> None:
    spec = ChannelSpec("main", gop_frames=20, part_frames=10)
    for rung in spec.ladder:
        given = dict(rung_settings(spec, rung).x264)
        assert given["keyint"] == given["min-keyint"] == "20"
        assert given["scenecut"] == given["open-gop"] == given["bframes"] == "0"
        assert given["stitchable"] == given["threads"] == "1"
        assert given["vbv-maxrate"] == given["vbv-bufsize"] == str(rung.bitrate // 1000)


def test_unknown_preset_is_refused_with_its_field() -> None:
    with pytest.raises(SpecError) as refused:
        rung_settings(ChannelSpec("main", preset="placebo"), Rung(720, 1_000_000))
    assert refused.value.field == "preset"

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from media.adapters.av_canvas import AvCanvas
from media.adapters.av_planes import planes_of
from media.mix import timecode
from media.mix.units import DecodedPicture


def plain(width: int, height: int, luma: int = 200) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(planes_of(frame), (luma, 90, 170), strict=True):
        plane[:] = value
    return frame


def test_right_size_passes_without_a_copy() -> None:
    frame = plain(640, 360)
    assert AvCanvas(640, 360).fit(DecodedPicture(0, frame)) is frame


@pytest.mark.parametrize(
    ("size", "sar", "bars"),
    [
        ((320, 180), Fraction(1), "none"),
        ((320, 240), Fraction(1), "sides"),
        ((180, 320), Fraction(1), "sides"),
        ((720, 480), Fraction(32, 27), "none"),
        ((640, 272), Fraction(1), "ends"),
        ((854, 480), Fraction(1), "none"),
        ((640, 360), Fraction(3, 4), "sides"),
        ((40, 2000), Fraction(1), "sides"),
    ],
)
def test_other_shapes_get_black_bars(size: tuple[int, int], sar: Fraction, bars: str) -> None:
    canvas = AvCanvas(640, 360)
    out = canvas.fit(DecodedPicture(0, plain(*size), sar))
    y, u, v = planes_of(out)
    assert (out.width, out.height, y.shape) == (640, 360, (360, 640))
    assert abs(int(y[180, 320]) - 200) <= 2
    assert abs(int(u[90, 160]) - 90) <= 2
    corner = (int(y[0, 0]), int(u[0, 0]), int(v[0, 0]))
    assert corner == (16, 128, 128) if bars != "none" else abs(corner[0] - 200) <= 2
    if bars == "sides":
        assert (y[:, 0] == 16).all()
        assert (y[:, -1] == 16).all()
        assert abs(int(y[0, 320]) - 200) <= 2
    if bars == "ends":
        assert (y[0] == 16).all()
        assert (y[-1] == 16).all()


def test_portrait_canvas_takes_landscape() -> None:
    out = AvCanvas(360, 640).fit(DecodedPicture(0, plain(640, 360)))
    y = planes_of(out)[0]
    assert (y[:100] == 16).all()
    assert abs(int(y[320, 180]) - 200) <= 2


def test_paint_is_limited_range_709() -> None:
    canvas = AvCanvas(64, 64)
    for rgb, luma in (((255, 255, 255), 235), ((0, 0, 0), 16), ((255, 0, 0), 63)):
        y = planes_of(canvas.paint(np.full((64, 64, 3), rgb, np.uint8)))[0]
        assert abs(int(y[32, 32]) - luma) <= 2


def test_burn_in_is_a_copy() -> None:
    canvas, frame = AvCanvas(640, 360), plain(640, 360)
    copy = canvas.burn_in(frame, 1_700_000_000_123)
    assert timecode.read(planes_of(copy)[0], timecode.ROW_PROGRAMME) == 1_700_000_000_123 % 2**40
    assert all((plane == value).all() for plane, value in zip(planes_of(frame), (200, 90, 170), strict=True))
    assert (planes_of(copy)[0][100:] == 200).all()

"""The canvas over libav pictures: fit, paint, burn in."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from media.adapters.av_decode import tag
from media.adapters.av_planes import planes_of
from media.mix import timecode
from media.mix.units import DecodedPicture

NEAR = Fraction(1, 100)
"""A difference in shape below this is a rounding of sizes: no bars for it."""
_BLACK = (16, 128, 128)


class AvCanvas:
    """Pictures of `width` x `height` pixels, yuv420p, BT.709, limited range."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._scaler = VideoReformatter()
        self._painter = VideoReformatter()

    def fit(self, picture: DecodedPicture[av.VideoFrame]) -> av.VideoFrame:
        """The picture itself where its size is the canvas's, else scaled, with black bars where its shape differs."""
        frame = picture.frame
        width, height = self.placed(frame.width, frame.height, picture.sar)
        if (frame.width, frame.height) == (self.width, self.height) == (width, height):
            return frame
        inner = self._scaler.reformat(
            frame, width, height, "yuv420p", interpolation=Interpolation.BICUBIC, threads=1
        )
        tag(inner)
        if (width, height) == (self.width, self.height):
            return inner
        whole = av.VideoFrame(self.width, self.height, "yuv420p")
        left, top = (self.width - width) // 4 * 2, (self.height - height) // 4 * 2
        for i, (target, source, black) in enumerate(
            zip(planes_of(whole), planes_of(inner), _BLACK, strict=True)
        ):
            x, y = (left, top) if i == 0 else (left // 2, top // 2)
            rows, columns = source.shape
            target[:y] = target[y + rows :] = black
            target[y : y + rows, :x] = target[y : y + rows, x + columns :] = black
            target[y : y + rows, x : x + columns] = source
        tag(whole)
        return whole

    def placed(self, width: int, height: int, sar: Fraction) -> tuple[int, int]:
        """Even size on the canvas of a picture of so many pixels whose pixels have the shape `sar`."""
        shape = Fraction(width, height) * sar
        canvas = Fraction(self.width, self.height)
        if abs(shape / canvas - 1) <= NEAR:
            return self.width, self.height
        if shape > canvas:
            return self.width, min(self.height, max(2, 2 * round(self.width / shape / 2)))
        return min(self.width, max(2, 2 * round(self.height * shape / 2))), self.height

    def paint(self, rgb: npt.NDArray[np.uint8]) -> av.VideoFrame:
        """A picture from RGB (height, width, 3) of the canvas's size."""
        painted = self._painter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        tag(painted)
        return painted

    def burn_in(self, picture: av.VideoFrame, millis: int) -> av.VideoFrame:
        """A copy with `millis` in the programme's code row. The original may be a decoder's reference: never drawn on."""
        copy = av.VideoFrame(self.width, self.height, "yuv420p")
        top, bottom = timecode.row_bounds(self.width, timecode.ROW_PROGRAMME)
        for i, (target, source) in enumerate(zip(planes_of(copy), planes_of(picture), strict=True)):
            target[:] = source
            if i:
                target[top // 2 : bottom // 2] = 128
        timecode.draw(planes_of(copy)[0], millis, timecode.ROW_PROGRAMME)
        tag(copy)
        return copy

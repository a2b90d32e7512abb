"""What the mixer needs from whoever holds the pixels. The adapter is `media.adapters.av_canvas`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from media.mix.units import DecodedPicture, PictureT


class Canvas(Protocol[PictureT]):
    """Pictures of one size. Called from the tick thread only."""

    def fit(self, picture: DecodedPicture[PictureT]) -> PictureT:
        """The picture on the canvas: itself where the size is right, else scaled between black bars."""
        ...

    def paint(self, rgb: npt.NDArray[np.uint8]) -> PictureT:
        """A picture of the canvas's size from RGB (height, width, 3)."""
        ...

    def burn_in(self, picture: PictureT, millis: int) -> PictureT:
        """A copy with the machine-readable programme time in it; the original stays as it is."""
        ...

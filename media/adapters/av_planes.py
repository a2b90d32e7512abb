"""The planes of a libav picture as numpy views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av import VideoFrame

Plane = npt.NDArray[np.uint8]


def planes_of(frame: VideoFrame) -> tuple[Plane, ...]:
    """Views (height, width) uint8 of the planes of an 8-bit planar frame, without the padding; writing writes the frame.

    A frame that came from a decoder may be its reference picture: never write into one.
    """
    views = []
    for plane in frame.planes:
        # PyAV's planes offer the buffer protocol in C, which its type stubs cannot say before Python 3.12.
        buffer: Any = plane
        lines = np.frombuffer(buffer, np.uint8)
        views.append(
            lines[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)[:, : plane.width]
        )
    return tuple(views)

"""A storyboard's sheets as JPEG over libav and Pillow: one keyframe of each chosen segment is decoded, nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import av.error
from PIL import Image

from media.model.errors import EngineError
from media.record.storyboard import Storyboard

QUALITY = 72
"""Of JPEG: a tile takes about 4 kB, and is looked at for a moment."""


class DrawingCancelledError(Exception):
    """`keep_going` said no."""


def draw(
    storyboard: Storyboard, *, fetch: Callable[[str], bytes], keep_going: Callable[[], bool]
) -> list[bytes]:
    """The sheets in order. Blocks; call it on a thread. A picture that does not decode stays black.

    `fetch` reads an object by key. Raises `EngineError` where no picture decodes, `DrawingCancelledError`, and what
    `fetch` raises.
    """
    inits: dict[str, bytes] = {}
    sheets: list[bytes] = []
    drawn = 0
    for number in range(storyboard.sheets):
        width, height, on_it = storyboard.sheet(number)
        sheet = Image.new("RGB", (width, height))
        for one in on_it:
            if not keep_going():
                raise DrawingCancelledError
            picture = storyboard.pictures[one]
            if picture.init_key not in inits:
                inits[picture.init_key] = fetch(picture.init_key)
            small = _keyframe(
                inits[picture.init_key] + fetch(picture.key), storyboard.width, storyboard.height
            )
            if small is None:
                continue
            drawn += 1
            _, left, top = storyboard.place(one)
            middle = (storyboard.width - small.width) // 2, (storyboard.height - small.height) // 2
            sheet.paste(small, (left + middle[0], top + middle[1]))
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=QUALITY, optimize=True)
        sheets.append(out.getvalue())
    if not drawn:
        raise EngineError("no picture of the recording decodes")
    return sheets


def _keyframe(fragment: bytes, width: int, height: int) -> Image.Image | None:
    """The first keyframe, as large as fits and in its own shape; None where none decodes."""
    try:
        with av.open(io.BytesIO(fragment), mode="r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.skip_frame = "NONKEY"
            for frame in container.decode(stream):
                scale = min(width / frame.width, height / frame.height)
                size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
                small = frame.reformat(*size, format="rgb24", interpolation="AREA")
                return Image.fromarray(small.to_ndarray())
    except (av.error.FFmpegError, IndexError, ValueError):
        return None  # damaged on tape: the others are good
    return None

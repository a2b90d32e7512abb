"""Input media: real 720p clips where they are, else a generated one."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av

from tests.support.media import ClipSpec, clip_file

MEDIA = "GACHI_BENCH_MEDIA"
"""Variable that names a folder of clips."""
_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "media"


def clips_720p(limit: int = 3) -> tuple[list[Path], str]:
    """720p clips at 29.97 or 30 frames per second with sound, each 5 to 15 s long, and words that say what they are."""
    folder = Path(os.environ.get(MEDIA) or _DEFAULT)
    found = [path for path in sorted(folder.glob("*.mp4")) if _fits(path)][:limit]
    if found:
        return found, f"{len(found)} real clips of 720p"
    spec = ClipSpec(seconds=10, width=1280, height=720, bitrate=3_000_000)
    return [clip_file(spec)], f"a generated clip of 720p30 (no real clips: set {MEDIA})"


def length(path: Path) -> float:
    """Seconds of the picture."""
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        return float(stream.duration * stream.time_base)


def rate(path: Path) -> Fraction:
    """Frames per second."""
    with av.open(str(path)) as clip:
        return Fraction(clip.streams.video[0].average_rate or 30)


def _fits(path: Path) -> bool:
    with av.open(str(path)) as clip:
        if not clip.streams.video or not clip.streams.audio:
            return False
        picture = clip.streams.video[0]
        size = (picture.codec_context.width, picture.codec_context.height)
        nominal = float(picture.average_rate or 0)
        return size == (1280, 720) and abs(nominal - 30) < 0.1 and 5 <= length(path) <= 15

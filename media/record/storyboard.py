"""The storyboard of a replay: small pictures along its time, tiled into sheets, with a WebVTT text that says where each
is. Pure.

Times are the player's: a replay's segments follow one another without its holes, so a picture is as far from the start
as the segments before it are long together. A picture is the first of a segment, which is a keyframe: nothing else is
decoded. Addresses have `#xywh=` fragments (Media Fragments URI 1.0 §4.2.2), as players commonly read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media.model.errors import NotFoundError
from media.model.time import MICROSECONDS
from media.packaging.parts import AUDIO
from media.record.gaps import ends
from media.record.replay import Replay

VTT = "storyboard.vtt"
STEP = 5 * MICROSECONDS
"""No closer than so: a finger on a seek bar does not tell more apart."""
PICTURES = 200
"""About so many of a long replay: two sheets, some hundred kilobytes together."""
LONGER_SIDE = 160
"""Pixels of a tile, whichever way the channel stands."""
COLUMNS = ROWS = 10


@dataclass(frozen=True, slots=True)
class Picture:
    """One tile: shown from `at` until `until`, microseconds from the replay's start."""

    at: int
    until: int
    key: str
    """Of the segment whose first picture it is."""
    init_key: str


@dataclass(frozen=True, slots=True)
class Storyboard:
    """Tiles of `width` by `height`, row by row, sheet by sheet."""

    width: int
    height: int
    pictures: Sequence[Picture]

    @property
    def sheets(self) -> int:
        """How many there are."""
        return -(-len(self.pictures) // (COLUMNS * ROWS))

    def place(self, number: int) -> tuple[int, int, int]:
        """Sheet, and left and top in it, of a picture."""
        sheet, tile = divmod(number, COLUMNS * ROWS)
        row, column = divmod(tile, COLUMNS)
        return sheet, column * self.width, row * self.height

    def sheet(self, number: int) -> tuple[int, int, range]:
        """Width and height of a sheet, and which pictures are on it; the last is no larger than it has to be."""
        first = number * COLUMNS * ROWS
        on_it = range(first, min(len(self.pictures), first + COLUMNS * ROWS))
        columns, rows = min(COLUMNS, len(on_it)), -(-len(on_it) // COLUMNS)
        return columns * self.width, rows * self.height, on_it


def plan(replay: Replay) -> Storyboard:
    """The storyboard of a replay's lowest rung. Raises `NotFoundError` where no picture is on tape."""
    names = [name for name in replay.renditions if name != AUDIO][-1:]
    segments = replay.renditions[names[0]] if names else ()
    if not segments:
        raise NotFoundError("no picture of this recording is on tape", field="recording")
    begins = [0]
    for segment in segments:
        begins.append(begins[-1] + ends(segment) - segment.starts)
    whole = begins.pop()
    step = max(STEP, whole // PICTURES)
    chosen: list[int] = []
    for i, begin in enumerate(begins):
        if not chosen or begin // step > begins[chosen[-1]] // step:
            chosen.append(i)
    pictures = []
    for n, i in enumerate(chosen):
        until = begins[chosen[n + 1]] if n + 1 < len(chosen) else whole
        init = replay.inits[segments[i].epoch, segments[i].rendition]
        pictures.append(Picture(begins[i], until, segments[i].key, init.key))
    newest = replay.inits[segments[-1].epoch, segments[-1].rendition]
    return Storyboard(*tile(newest.width, newest.height), pictures)


def tile(width: int, height: int) -> tuple[int, int]:
    """Size of a tile for pictures of this shape; 16:9 where it is not known. At least 16 a side."""
    if width <= 0 or height <= 0:
        width, height = 16, 9
    longer = max(width, height)
    return max(16, round(LONGER_SIDE * width / longer)), max(16, round(LONGER_SIDE * height / longer))


def sheet_name(number: int) -> str:
    """Name of a sheet beside the text."""
    return f"storyboard-{number}.jpg"


def text(storyboard: Storyboard) -> str:
    """The WebVTT file: a cue for each picture, whose payload is its address relative to the file."""
    lines = ["WEBVTT", ""]
    for number, picture in enumerate(storyboard.pictures):
        sheet, left, top = storyboard.place(number)
        lines += [
            f"{_clock(picture.at)} --> {_clock(picture.until)}",
            f"{sheet_name(sheet)}#xywh={left},{top},{storyboard.width},{storyboard.height}",
            "",
        ]
    return "\n".join(lines)


def _clock(micros: int) -> str:
    """A WebVTT time stamp, rounded to milliseconds (W3C WebVTT §3.3)."""
    seconds, millis = divmod((micros + 500) // 1000, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{millis:03}"

"""Where the tape's objects and open files are: keys in the store, names in the folder of open segments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from media.packaging.parts import init_name, segment_name

_OPEN = re.compile(r"(\d{1,10})-(\d{1,18})\.([a-z][a-z0-9]{0,31})\.m4s")
_MARK = re.compile(r"(\d{1,10})\.at-(\d{1,18})")

_MADE = re.compile(r"exports/([^/]+?)(?:\.mp4|\.storyboard\.vtt|\.storyboard-\d+\.jpg)")

EXPORTS = "exports"
"""Folder of the store that holds what is made of recordings: MP4 exports and storyboards. A channel of that name would have its tape beside them, never in their
way: exports are files directly below, tape is a folder deeper."""


def segment_key(channel: str, rendition: str, epoch: int, msn: int) -> str:
    """Key of a finished segment."""
    return f"{channel}/{rendition}/{segment_name(epoch, msn)}"


def init_key(channel: str, rendition: str, epoch: int) -> str:
    """Key of an init segment."""
    return f"{channel}/{rendition}/{init_name(epoch)}"


def export_key(recording: str) -> str:
    """Key of a recording's MP4."""
    return f"{EXPORTS}/{recording}.mp4"


def storyboard_key(recording: str) -> str:
    """Key of the text of a recording's storyboard; where it is, its sheets are."""
    return f"{EXPORTS}/{recording}.storyboard.vtt"


def storyboard_sheet_key(recording: str, number: int) -> str:
    """Key of one sheet of a recording's storyboard."""
    return f"{EXPORTS}/{recording}.storyboard-{number}.jpg"


def made_of(key: str) -> str | None:
    """The recording that an object in `EXPORTS` was made of; None for what is no such object."""
    match = _MADE.fullmatch(key)
    return None if match is None else match[1]


@dataclass(frozen=True, slots=True, order=True)
class OpenName:
    """Name of a segment that is being written: parts are appended to it as they come."""

    epoch: int
    msn: int
    rendition: str

    def __str__(self) -> str:
        return f"{self.epoch}-{self.msn}.{self.rendition}.m4s"

    @classmethod
    def parse(cls, name: str) -> OpenName | None:
        """The inverse of `str`; None where the name is none of ours."""
        match = _OPEN.fullmatch(name)
        return None if match is None else cls(int(match[1]), int(match[2]), match[3])


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Name of the empty file that says how far an epoch's media sequence numbers were given out.

    It is renamed at each new segment, which works on a full disk too: numbers that viewers saw are never given
    again, although nothing else of those segments was written.
    """

    epoch: int
    msn: int

    def __str__(self) -> str:
        return f"{self.epoch}.at-{self.msn}"

    @classmethod
    def parse(cls, name: str) -> Mark | None:
        """The inverse of `str`; None where the name is none of ours."""
        match = _MARK.fullmatch(name)
        return None if match is None else cls(int(match[1]), int(match[2]))

"""The grammar of what may be asked for below ``/hls/{channel}/`` and ``/replays/{show}/``: nothing else reaches an
origin or the store, so no path can lead out of them.
"""

from __future__ import annotations

import re
from enum import StrEnum

from media.packaging.directives import Directives

CHANNEL = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
SHOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", re.ASCII)
_RENDITION = r"(?P<rendition>[a-z][a-z0-9]{0,31})"
_NUMBER = r"(?:0|[1-9]\d{0,17})"
_OBJECT = re.compile(
    rf"{_RENDITION}/(?:(?P<playlist>index\.m3u8)"
    rf"|(?P<init>init-{_NUMBER}\.mp4)"
    rf"|(?P<segment>{_NUMBER}-{_NUMBER}\.m4s)"
    rf"|(?P<part>{_NUMBER}-{_NUMBER}\.{_NUMBER}\.m4s))",
    re.ASCII,
)


class Kind(StrEnum):
    """What a name stands for."""

    PLAYLIST = "playlist"
    INIT = "init"
    SEGMENT = "segment"
    PART = "part"
    STORYBOARD = "storyboard"
    """Text or sheet beside a replay: has addresses of its own, which are none of this grammar's."""


def kind_of(name: str) -> Kind | None:
    """What the name asks for; None for a name that cannot be."""
    if name == "index.m3u8":
        return Kind.PLAYLIST
    match = _OBJECT.fullmatch(name)
    if match is None:
        return None
    return next(kind for kind in Kind if match[kind.value] is not None)


def canonical(directives: Directives) -> str:
    """The query that goes into cache keys and to the origin: delivery directives in one order, and nothing else."""
    items = []
    if directives.msn is not None:
        items.append(f"_HLS_msn={directives.msn}")
    if directives.part is not None:
        items.append(f"_HLS_part={directives.part}")
    if directives.skip:
        items.append("_HLS_skip=YES")
    return "&".join(items)

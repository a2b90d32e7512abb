"""The options of a feed, checked. They come from an administrator's settings, as texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from commerce_bridge.connectors.feed.text import ENCODINGS
from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.product import checked_url

NAMES = frozenset({"path", "folder", "url", "format", "encoding", "limit", "timeout"})
MOST_BYTES = 1 << 30
_ALIASES = {
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "cp949": "cp949",
    "euc-kr": "cp949",
    "euckr": "cp949",
    "ms949": "cp949",
}
assert set(_ALIASES.values()) == set(ENCODINGS)


class Format(StrEnum):
    """What a feed is written in."""

    AUTO = "auto"
    """To be told from its first bytes."""
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    """An array of objects, or JSON Lines."""
    XML = "xml"
    """Google's product feed: RSS or Atom."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """Where a feed is, and how to read it. Either `path` or `url` is set."""

    path: Path | None = None
    """Below `folder`, with no step outside; what it leads to is looked at again whenever it is read."""
    folder: Path = Path()
    url: str = ""
    format: Format = Format.AUTO
    encoding: str = ""
    """One of `text.ENCODINGS`; empty: to be told from what it holds."""
    limit: int = MOST_BYTES
    """Bytes of a whole feed."""
    timeout: float = 30.0
    """Seconds without a byte, after which a server counts as down."""


def read_options(options: Mapping[str, str]) -> FeedOptions:
    """Raises `InvalidError` with the option at fault."""
    for name in options:
        if name not in NAMES:
            raise InvalidError(f"a feed has no option {name!r}, but {', '.join(sorted(NAMES))}", field=name)
    path, url = options.get("path", "").strip(), options.get("url", "").strip()
    if bool(path) == bool(url):
        raise InvalidError("a feed has either a path or a url", field="path" if path or not url else "url")
    folder = Path(options.get("folder", "").strip())
    encoding = options.get("encoding", "auto").strip().lower()
    if encoding not in {"", "auto"} and encoding not in _ALIASES:
        raise InvalidError(f"{encoding!r} is none of auto, {', '.join(ENCODINGS)}, euc-kr", field="encoding")
    shape = options.get("format", "").strip().lower() or "auto"
    try:
        read_as = Format(shape)
    except ValueError as error:
        raise InvalidError(f"{shape!r} is none of {', '.join(Format)}", field="format") from error
    return FeedOptions(
        path=_path(path, folder) if path else None,
        folder=folder,
        url=checked_url(url, name="url") if url else "",
        format=read_as,
        encoding=_ALIASES.get(encoding, ""),
        limit=int(_number(options, "limit", MOST_BYTES, least=1, most=1 << 40)),
        timeout=_number(options, "timeout", 30.0, least=0.1, most=600),
    )


def _path(path: str, folder: Path) -> Path:
    if not folder.is_absolute():
        raise InvalidError("the folder that feeds are read from must be an absolute path", field="folder")
    relative = Path(path)
    if relative.is_absolute() and relative.is_relative_to(folder):
        relative = relative.relative_to(folder)
    if relative.is_absolute() or ".." in relative.parts or "\0" in path or not relative.parts:
        raise InvalidError(f"{path[:200]!r} is not below {folder}", field="path")
    return relative


def _number(options: Mapping[str, str], name: str, default: float, *, least: float, most: float) -> float:
    text = options.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise InvalidError(f"{text[:40]!r} is no number from {least:g} to {most:g}", field=name)
    return value

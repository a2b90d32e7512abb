"""HLS playlists from text (RFC 8216bis §4). The text may come from anywhere: malformed input raises ValueError only.

Tags that `playlist` has no value for are ignored, as §6.3.1 asks; a tag that it has is read strictly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from media.model.time import MICROSECONDS, ProgrammeTime, from_rfc3339
from media.packaging.playlist import (
    DateRange,
    MediaPlaylist,
    MultivariantPlaylist,
    PartEntry,
    PreloadHint,
    Rendition,
    RenditionReport,
    SegmentEntry,
    ServerControl,
    Skip,
    Variant,
)

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s][^",]*)(?:,|$)')
_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?")
_INTEGER = re.compile(r"[0-9]{1,15}")


def _micros(value: str) -> int:
    match = _DECIMAL.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a decimal number of seconds")
    digits = (match[2] or "").ljust(7, "0")
    return int(match[1]) * MICROSECONDS + (int(digits[:7]) + 5) // 10


def _integer(value: str) -> int:
    if not _INTEGER.fullmatch(value):
        raise ValueError(f"{value!r} is not a decimal integer")
    return int(value)


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"':
        raise ValueError(f"{value!r} is not a quoted string")
    return value[1:-1]


def _time(value: str) -> ProgrammeTime:
    try:
        return from_rfc3339(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value!r} is not a time with an offset") from error


class _Attributes:
    """An attribute list (§4.2)."""

    def __init__(self, tag: str, text: str) -> None:
        self._tag = tag
        self.items: dict[str, str] = {}
        at = 0
        while at < len(text):
            match = _ATTRIBUTE.match(text, at)
            if match is None:
                raise ValueError(f"{tag}: malformed attributes at {text[at : at + 20]!r}")
            if match[1] in self.items:
                raise ValueError(f"{tag}: {match[1]} is given twice")
            self.items[match[1]] = match[2]
            at = match.end()
        if text.endswith(","):
            raise ValueError(f"{tag}: attributes end with a comma")

    def need(self, name: str) -> str:
        if name not in self.items:
            raise ValueError(f"{self._tag} has no {name}")
        return self.items[name]

    def string(self, name: str) -> str:
        value = self.items.get(name)
        return "" if value is None else _unquoted(value)

    def need_string(self, name: str) -> str:
        return _unquoted(self.need(name))

    def micros(self, name: str) -> int | None:
        value = self.items.get(name)
        return None if value is None else _micros(value)

    def integer(self, name: str) -> int | None:
        value = self.items.get(name)
        return None if value is None else _integer(value)

    def yes(self, name: str) -> bool:
        return self.items.get(name) == "YES"


@dataclass
class _Media:
    """What was read so far of a media playlist."""

    once: dict[str, Any] = field(default_factory=dict)
    segments: list[SegmentEntry] = field(default_factory=list)
    dateranges: list[DateRange] = field(default_factory=list)
    reports: list[RenditionReport] = field(default_factory=list)
    pending: dict[str, Any] = field(default_factory=dict)
    parts: list[PartEntry] = field(default_factory=list)

    def set_once(self, name: str, value: object) -> None:
        if name in self.once:
            raise ValueError(f"{name} is given twice")
        self.once[name] = value

    def segment(self, uri: str) -> SegmentEntry:
        found = SegmentEntry(uri, parts=tuple(self.parts), **self.pending)
        self.parts = []
        self.pending = {}
        return found


def _head(name: str, read: Callable[[str], object]) -> Callable[[_Media, str], None]:
    def tag(media: _Media, value: str) -> None:
        media.set_once(name, read(value))

    return tag


def _pending(name: str, read: Callable[[str], object]) -> Callable[[_Media, str], None]:
    def tag(media: _Media, value: str) -> None:
        if name in media.pending:
            raise ValueError(f"{name} is given twice for one segment")
        media.pending[name] = read(value)

    return tag


def _discontinuity(media: _Media, _: str) -> None:
    media.pending["discontinuities"] = media.pending.get("discontinuities", 0) + 1


def _discontinuity_sequence(media: _Media, value: str) -> None:
    if media.segments or media.pending.get("discontinuities") or "skip" in media.once:
        raise ValueError("EXT-X-DISCONTINUITY-SEQUENCE comes after a segment")
    media.set_once("discontinuity_sequence", _integer(value))


def _media_sequence(media: _Media, value: str) -> None:
    if media.segments or media.parts:
        raise ValueError("EXT-X-MEDIA-SEQUENCE comes after a segment")
    media.set_once("media_sequence", _integer(value))


def _server_control(value: str) -> ServerControl:
    items = _Attributes("EXT-X-SERVER-CONTROL", value)
    return ServerControl(
        can_block_reload=items.yes("CAN-BLOCK-RELOAD"),
        part_hold_back=items.micros("PART-HOLD-BACK") or 0,
        hold_back=items.micros("HOLD-BACK") or 0,
        can_skip_until=items.micros("CAN-SKIP-UNTIL") or 0,
        can_skip_dateranges=items.yes("CAN-SKIP-DATERANGES"),
    )


def _skip(media: _Media, value: str) -> None:
    if media.segments or media.parts:
        raise ValueError("EXT-X-SKIP comes after a segment")
    items = _Attributes("EXT-X-SKIP", value)
    removed = items.string("RECENTLY-REMOVED-DATERANGES")
    media.set_once(
        "skip", Skip(_integer(items.need("SKIPPED-SEGMENTS")), tuple(removed.split("\t")) if removed else ())
    )


def _part(media: _Media, value: str) -> None:
    items = _Attributes("EXT-X-PART", value)
    media.parts.append(
        PartEntry(
            items.need_string("URI"),
            _micros(items.need("DURATION")),
            items.yes("INDEPENDENT"),
            items.yes("GAP"),
        )
    )


def _daterange(media: _Media, value: str) -> None:
    items = _Attributes("EXT-X-DATERANGE", value)
    ends = items.string("END-DATE")
    media.dateranges.append(
        DateRange(
            id=items.need_string("ID"),
            starts=_time(items.need_string("START-DATE")),
            duration=items.micros("DURATION"),
            planned_duration=items.micros("PLANNED-DURATION"),
            ends=_time(ends) if ends else None,
            class_=items.string("CLASS"),
            end_on_next=items.yes("END-ON-NEXT"),
            attributes={
                k: _unquoted(v) for k, v in items.items.items() if k.startswith("X-") and v.startswith('"')
            },
        )
    )


def _preload_hint(value: str) -> PreloadHint:
    items = _Attributes("EXT-X-PRELOAD-HINT", value)
    return PreloadHint(items.need_string("URI"), items.need("TYPE"))


def _report(media: _Media, value: str) -> None:
    items = _Attributes("EXT-X-RENDITION-REPORT", value)
    media.reports.append(
        RenditionReport(
            items.need_string("URI"), _integer(items.need("LAST-MSN")), items.integer("LAST-PART")
        )
    )


_TAGS: dict[str, Callable[[_Media, str], None]] = {
    "#EXT-X-VERSION": _head("version", _integer),
    "#EXT-X-TARGETDURATION": _head("target_duration", _integer),
    "#EXT-X-INDEPENDENT-SEGMENTS": _head("independent_segments", lambda _: True),
    "#EXT-X-PLAYLIST-TYPE": _head("playlist_type", str),
    "#EXT-X-SERVER-CONTROL": _head("server_control", _server_control),
    "#EXT-X-PART-INF": _head(
        "part_target", lambda value: _micros(_Attributes("EXT-X-PART-INF", value).need("PART-TARGET"))
    ),
    "#EXT-X-MEDIA-SEQUENCE": _media_sequence,
    "#EXT-X-DISCONTINUITY-SEQUENCE": _discontinuity_sequence,
    "#EXT-X-ENDLIST": _head("ended", lambda _: True),
    "#EXT-X-PRELOAD-HINT": _head("preload_hint", _preload_hint),
    "#EXT-X-SKIP": _skip,
    "#EXT-X-DATERANGE": _daterange,
    "#EXT-X-RENDITION-REPORT": _report,
    "#EXT-X-PART": _part,
    "#EXT-X-DISCONTINUITY": _discontinuity,
    "#EXT-X-MAP": _pending("map", lambda value: _Attributes("EXT-X-MAP", value).need_string("URI")),
    "#EXT-X-PROGRAM-DATE-TIME": _pending("programme_time", _time),
    "#EXT-X-GAP": _pending("gap", lambda _: True),
    "#EXTINF": _pending("duration", lambda value: _micros(value.partition(",")[0])),
}


def _lines(text: str) -> list[str]:
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if lines[0] != "#EXTM3U":
        raise ValueError("a playlist starts with #EXTM3U")
    return [line for line in lines[1:] if line]


def parse_media(text: str) -> MediaPlaylist:
    """Read a media playlist."""
    media = _Media()
    for line in _lines(text):
        if line.startswith("#"):
            name, _, value = line.partition(":")
            read = _TAGS.get(name)
            if read is not None:
                read(media, value)
            elif name == "#EXT-X-STREAM-INF":
                raise ValueError("this is a multivariant playlist")
        elif "duration" not in media.pending:
            raise ValueError(f"{line!r} has no EXTINF")
        else:
            media.segments.append(media.segment(line))
    if "target_duration" not in media.once:
        raise ValueError("no EXT-X-TARGETDURATION")
    if "duration" in media.pending:
        raise ValueError("an EXTINF without a segment")
    media.once.setdefault("version", 1)
    opening = media.segment("") if media.parts or media.pending else None
    return MediaPlaylist(
        **media.once,
        segments=tuple(media.segments),
        open=opening,
        dateranges=tuple(media.dateranges),
        reports=tuple(media.reports),
    )


def parse_multivariant(text: str) -> MultivariantPlaylist:
    """Read a multivariant playlist."""
    variants: list[Variant] = []
    renditions: list[Rendition] = []
    pending: _Attributes | None = None
    version, independent = 1, False
    for line in _lines(text):
        name, _, value = line.partition(":")
        if name == "#EXT-X-STREAM-INF":
            if pending is not None:
                raise ValueError("an EXT-X-STREAM-INF without an address")
            pending = _Attributes(name, value)
        elif name == "#EXT-X-MEDIA":
            renditions.append(_rendition(_Attributes(name, value)))
        elif name == "#EXT-X-VERSION":
            version = _integer(value)
        elif name == "#EXT-X-INDEPENDENT-SEGMENTS":
            independent = True
        elif not line.startswith("#"):
            if pending is None:
                raise ValueError(f"{line!r} has no EXT-X-STREAM-INF")
            variants.append(_variant(line, pending))
            pending = None
    if pending is not None or not variants:
        raise ValueError("no variant, or one without an address")
    return MultivariantPlaylist(tuple(variants), tuple(renditions), version, independent)


def _rendition(items: _Attributes) -> Rendition:
    return Rendition(
        type=items.need("TYPE"),
        group=items.need_string("GROUP-ID"),
        name=items.need_string("NAME"),
        uri=items.string("URI"),
        language=items.string("LANGUAGE"),
        default=items.yes("DEFAULT"),
        autoselect=items.yes("AUTOSELECT"),
        channels=items.string("CHANNELS"),
    )


def _variant(uri: str, items: _Attributes) -> Variant:
    width, height = 0, 0
    if "RESOLUTION" in items.items:
        across, _, down = items.items["RESOLUTION"].partition("x")
        width, height = _integer(across), _integer(down)
    return Variant(
        uri=uri,
        bandwidth=_integer(items.need("BANDWIDTH")),
        average_bandwidth=items.integer("AVERAGE-BANDWIDTH") or 0,
        codecs=items.string("CODECS"),
        width=width,
        height=height,
        frame_rate=(items.micros("FRAME-RATE") or 0) // 1000,
        audio=items.string("AUDIO"),
    )

"""HLS playlists as values (RFC 8216bis): what they hold, and how they are written. Reading is in `playlist_parser`.

Durations and times are integer **microseconds**, so that what is written is read back the same; they are printed as
seconds with six decimals. Only what this project uses or checks is here: no encryption, no byte ranges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from media.model.time import MICROSECONDS, ProgrammeTime, to_rfc3339

VERSION = 9
"""EXT-X-SKIP needs 9 (§8)."""

_QUOTED = re.compile(r'[^"\r\n]*')
_CLIENT_ATTRIBUTE = re.compile(r"X-[A-Z0-9-]+")


def micros(seconds: Fraction) -> int:
    """Seconds to microseconds, nearest."""
    return int(seconds * MICROSECONDS + Fraction(1, 2))


def micros_up(seconds: Fraction) -> int:
    """Seconds to microseconds, rounded up: for upper bounds such as PART-TARGET."""
    return -int(-seconds * MICROSECONDS // 1)


def seconds(value: int) -> str:
    """Microseconds as decimal seconds; whole ones keep one decimal, so that the type stays visible."""
    whole, rest = divmod(value, MICROSECONDS)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else f"{whole}.0"


def quoted(value: str) -> str:
    """A quoted-string attribute value (§4.2). Raises ValueError for what such a string cannot hold."""
    if not _QUOTED.fullmatch(value):
        raise ValueError(f"a quoted string cannot hold {value!r}")
    return f'"{value}"'


@dataclass(frozen=True, slots=True)
class PartEntry:
    """EXT-X-PART (§4.4.4.9)."""

    uri: str
    duration: int
    independent: bool = False
    gap: bool = False

    def line(self) -> str:
        """The tag."""
        text = f"#EXT-X-PART:DURATION={seconds(self.duration)},URI={quoted(self.uri)}"
        return f"{text}{',INDEPENDENT=YES' if self.independent else ''}{',GAP=YES' if self.gap else ''}"


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One media segment with the tags before it; without `uri` it is the open one at the end, of parts alone."""

    uri: str = ""
    duration: int = 0
    parts: tuple[PartEntry, ...] = ()
    map: str = ""
    """URI of the EXT-X-MAP written before it; empty where the former one still holds."""
    programme_time: ProgrammeTime | None = None
    """EXT-X-PROGRAM-DATE-TIME, kept to the millisecond."""
    discontinuities: int = 0
    """EXT-X-DISCONTINUITY tags before it: two where an epoch between left nothing behind."""
    gap: bool = False

    def lines(self) -> Iterator[str]:
        """The tags and the address."""
        for _ in range(self.discontinuities):
            yield "#EXT-X-DISCONTINUITY"
        if self.map:
            yield f"#EXT-X-MAP:URI={quoted(self.map)}"
        if self.programme_time is not None:
            yield f"#EXT-X-PROGRAM-DATE-TIME:{to_rfc3339(self.programme_time)}"
        for part in self.parts:
            yield part.line()
        if self.uri:
            if self.gap:
                yield "#EXT-X-GAP"
            yield f"#EXTINF:{seconds(self.duration)},"
            yield self.uri


@dataclass(frozen=True, slots=True)
class ServerControl:
    """EXT-X-SERVER-CONTROL (§4.4.3.8). 0 stands for an absent attribute."""

    can_block_reload: bool = False
    part_hold_back: int = 0
    hold_back: int = 0
    can_skip_until: int = 0
    can_skip_dateranges: bool = False

    def line(self) -> str:
        """The tag."""
        items = []
        if self.can_block_reload:
            items.append("CAN-BLOCK-RELOAD=YES")
        if self.can_skip_until:
            items.append(f"CAN-SKIP-UNTIL={seconds(self.can_skip_until)}")
        if self.can_skip_dateranges:
            items.append("CAN-SKIP-DATERANGES=YES")
        if self.hold_back:
            items.append(f"HOLD-BACK={seconds(self.hold_back)}")
        if self.part_hold_back:
            items.append(f"PART-HOLD-BACK={seconds(self.part_hold_back)}")
        return f"#EXT-X-SERVER-CONTROL:{','.join(items)}"


@dataclass(frozen=True, slots=True)
class DateRange:
    """EXT-X-DATERANGE (§4.4.5.1). Raises ValueError where an attribute cannot be written."""

    id: str
    starts: ProgrammeTime
    duration: int | None = None
    planned_duration: int | None = None
    ends: ProgrammeTime | None = None
    class_: str = ""
    end_on_next: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    """`X-…` names; values are written as quoted strings."""

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a date range needs an id")
        if self.end_on_next and (not self.class_ or self.duration is not None or self.ends is not None):
            raise ValueError("END-ON-NEXT needs a class and allows neither duration nor end")
        for name, value in (("ID", self.id), ("CLASS", self.class_), *self.attributes.items()):
            if name not in {"ID", "CLASS"} and not _CLIENT_ATTRIBUTE.fullmatch(name):
                raise ValueError(f"{name!r} is not an X- attribute name")
            quoted(value)
        if (self.duration or 0) < 0 or (self.planned_duration or 0) < 0:
            raise ValueError("a date range's duration is not negative")

    def line(self) -> str:
        """The tag."""
        items = [f"ID={quoted(self.id)}"]
        if self.class_:
            items.append(f"CLASS={quoted(self.class_)}")
        items.append(f"START-DATE={quoted(to_rfc3339(self.starts))}")
        if self.ends is not None:
            items.append(f"END-DATE={quoted(to_rfc3339(self.ends))}")
        if self.duration is not None:
            items.append(f"DURATION={seconds(self.duration)}")
        if self.planned_duration is not None:
            items.append(f"PLANNED-DURATION={seconds(self.planned_duration)}")
        items += [f"{name}={quoted(value)}" for name, value in self.attributes.items()]
        if self.end_on_next:
            items.append("END-ON-NEXT=YES")
        return f"#EXT-X-DATERANGE:{','.join(items)}"


@dataclass(frozen=True, slots=True)
class PreloadHint:
    """EXT-X-PRELOAD-HINT (§4.4.5.3) of a whole resource."""

    uri: str
    type: str = "PART"

    def line(self) -> str:
        """The tag."""
        return f"#EXT-X-PRELOAD-HINT:TYPE={self.type},URI={quoted(self.uri)}"


@dataclass(frozen=True, slots=True)
class RenditionReport:
    """EXT-X-RENDITION-REPORT (§4.4.5.4): the newest segment, open or whole, and its newest part."""

    uri: str
    last_msn: int
    last_part: int | None = None

    def line(self) -> str:
        """The tag."""
        text = f"#EXT-X-RENDITION-REPORT:URI={quoted(self.uri)},LAST-MSN={self.last_msn}"
        return text if self.last_part is None else f"{text},LAST-PART={self.last_part}"


@dataclass(frozen=True, slots=True)
class Skip:
    """EXT-X-SKIP (§4.4.5.2)."""

    segments: int
    removed_dateranges: tuple[str, ...] = ()

    def line(self) -> str:
        """The tag."""
        text = f"#EXT-X-SKIP:SKIPPED-SEGMENTS={self.segments}"
        if not self.removed_dateranges:
            return text
        removed = "\t".join(self.removed_dateranges)
        return f"{text},RECENTLY-REMOVED-DATERANGES={quoted(removed)}"


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A media playlist. The segment at position i has media sequence number
    `media_sequence + (skip.segments if skip else 0) + i`.
    """

    target_duration: int
    """Whole seconds."""
    segments: tuple[SegmentEntry, ...] = ()
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    version: int = VERSION
    independent_segments: bool = False
    server_control: ServerControl | None = None
    part_target: int | None = None
    playlist_type: str = ""
    """`EVENT`, `VOD`, or empty."""
    skip: Skip | None = None
    open: SegmentEntry | None = None
    """Parts after the last whole segment."""
    dateranges: tuple[DateRange, ...] = ()
    preload_hint: PreloadHint | None = None
    reports: tuple[RenditionReport, ...] = ()
    ended: bool = False

    def head(self) -> Iterator[str]:
        """The lines before the segments."""
        yield "#EXTM3U"
        yield f"#EXT-X-VERSION:{self.version}"
        if self.independent_segments:
            yield "#EXT-X-INDEPENDENT-SEGMENTS"
        yield f"#EXT-X-TARGETDURATION:{self.target_duration}"
        if self.server_control is not None:
            yield self.server_control.line()
        if self.part_target is not None:
            yield f"#EXT-X-PART-INF:PART-TARGET={seconds(self.part_target)}"
        if self.playlist_type:
            yield f"#EXT-X-PLAYLIST-TYPE:{self.playlist_type}"
        yield f"#EXT-X-MEDIA-SEQUENCE:{self.media_sequence}"
        if self.discontinuity_sequence:
            yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.discontinuity_sequence}"
        for item in self.dateranges:
            yield item.line()
        if self.skip is not None:
            yield self.skip.line()

    def write(self) -> str:
        """The playlist's text. Raises ValueError where a value cannot be written."""
        lines = [*self.head()]
        for segment in self.segments:
            lines += segment.lines()
        if self.open is not None:
            lines += self.open.lines()
        if self.preload_hint is not None:
            lines.append(self.preload_hint.line())
        lines += (report.line() for report in self.reports)
        if self.ended:
            lines.append("#EXT-X-ENDLIST")
        return text(lines)


@dataclass(frozen=True, slots=True)
class Rendition:
    """EXT-X-MEDIA (§4.4.6.1)."""

    type: str
    """`AUDIO`, `SUBTITLES`, …"""
    group: str
    name: str
    uri: str = ""
    language: str = ""
    default: bool = False
    autoselect: bool = False
    channels: str = ""

    def line(self) -> str:
        """The tag."""
        items = [f"TYPE={self.type}", f"GROUP-ID={quoted(self.group)}", f"NAME={quoted(self.name)}"]
        if self.language:
            items.append(f"LANGUAGE={quoted(self.language)}")
        if self.default:
            items.append("DEFAULT=YES")
        if self.autoselect:
            items.append("AUTOSELECT=YES")
        if self.channels:
            items.append(f"CHANNELS={quoted(self.channels)}")
        if self.uri:
            items.append(f"URI={quoted(self.uri)}")
        return f"#EXT-X-MEDIA:{','.join(items)}"


@dataclass(frozen=True, slots=True)
class Variant:
    """EXT-X-STREAM-INF and its address (§4.4.6.2)."""

    uri: str
    bandwidth: int
    """Bits per second, peak over any segment, audio and container included."""
    average_bandwidth: int = 0
    codecs: str = ""
    width: int = 0
    height: int = 0
    frame_rate: int = 0
    """Thousandths of a frame per second; 0 where there is no picture."""
    audio: str = ""
    """GROUP-ID of the audio renditions."""

    def lines(self) -> Iterator[str]:
        """The tag and the address."""
        items = [f"BANDWIDTH={self.bandwidth}"]
        if self.average_bandwidth:
            items.append(f"AVERAGE-BANDWIDTH={self.average_bandwidth}")
        if self.codecs:
            items.append(f"CODECS={quoted(self.codecs)}")
        if self.width and self.height:
            items.append(f"RESOLUTION={self.width}x{self.height}")
        if self.frame_rate:
            items.append(f"FRAME-RATE={self.frame_rate // 1000}.{self.frame_rate % 1000:03d}")
        if self.audio:
            items.append(f"AUDIO={quoted(self.audio)}")
        yield f"#EXT-X-STREAM-INF:{','.join(items)}"
        yield self.uri


@dataclass(frozen=True, slots=True)
class MultivariantPlaylist:
    """A multivariant playlist."""

    variants: tuple[Variant, ...]
    renditions: tuple[Rendition, ...] = ()
    version: int = VERSION
    independent_segments: bool = False

    def write(self) -> str:
        """The playlist's text. Raises ValueError where a value cannot be written."""
        lines = ["#EXTM3U", f"#EXT-X-VERSION:{self.version}"]
        if self.independent_segments:
            lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
        lines += (rendition.line() for rendition in self.renditions)
        for variant in self.variants:
            lines += variant.lines()
        return text(lines)


def text(lines: Iterable[str]) -> str:
    """Lines, each ended by a line feed."""
    return "\n".join(lines) + "\n"

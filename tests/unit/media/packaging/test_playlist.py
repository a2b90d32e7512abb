from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.model.time import ProgrammeTime
from media.packaging.directives import parse_directives
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
from media.packaging.playlist_parser import parse_media, parse_multivariant

URI = st.text(string.ascii_letters + string.digits + "-._/", min_size=1, max_size=12)
QUOTED = st.text(
    st.characters(blacklist_characters='"', blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12
)
MICROS = st.integers(0, 10**11)
TIME = st.integers(0, 4 * 10**12).map(lambda ms: ProgrammeTime(ms * 1000))  # to the millisecond, up to 2096
PART = st.builds(PartEntry, URI, MICROS, st.booleans(), st.booleans())
PARTS = st.lists(PART, max_size=4).map(tuple)
SEGMENT = st.builds(
    SegmentEntry,
    URI,
    MICROS,
    PARTS,
    st.one_of(st.just(""), URI),
    st.none() | TIME,
    st.integers(0, 2),
    st.booleans(),
)
OPEN = st.builds(
    lambda parts, time: SegmentEntry(parts=parts, programme_time=time), PARTS.filter(bool), st.none() | TIME
)
NAME = st.text(string.ascii_uppercase + string.digits + "-", min_size=1, max_size=6).map(lambda s: "X-" + s)
DATERANGE = st.builds(
    DateRange,
    QUOTED.filter(bool),
    TIME,
    duration=st.none() | MICROS,
    planned_duration=st.none() | MICROS,
    ends=st.none() | TIME,
    class_=QUOTED,
    attributes=st.dictionaries(NAME, QUOTED, max_size=3),
)
CONTROL = st.builds(ServerControl, st.booleans(), MICROS, MICROS, MICROS, st.booleans())
REPORT = st.builds(RenditionReport, URI, st.integers(0, 10**12), st.none() | st.integers(0, 99))
MEDIA = st.builds(
    MediaPlaylist,
    target_duration=st.integers(1, 100),
    segments=st.lists(SEGMENT, max_size=5).map(tuple),
    media_sequence=st.integers(0, 10**12),
    discontinuity_sequence=st.integers(0, 10**9),
    version=st.integers(1, 12),
    independent_segments=st.booleans(),
    server_control=st.none() | CONTROL,
    part_target=st.none() | MICROS,
    playlist_type=st.sampled_from(["", "EVENT", "VOD"]),
    skip=st.none() | st.builds(Skip, st.integers(0, 999), st.lists(URI, max_size=2).map(tuple)),
    open=st.none() | OPEN,
    dateranges=st.lists(DATERANGE, max_size=3).map(tuple),
    preload_hint=st.none() | st.builds(PreloadHint, URI, st.sampled_from(["PART", "MAP"])),
    reports=st.lists(REPORT, max_size=3).map(tuple),
    ended=st.booleans(),
)
RENDITION = st.builds(
    Rendition, st.sampled_from(["AUDIO", "SUBTITLES"]), QUOTED, QUOTED, st.one_of(st.just(""), URI), QUOTED, st.booleans(),
    st.booleans(), QUOTED,
)  # fmt: skip
VARIANT = st.builds(
    Variant, URI, st.integers(0, 10**9), st.integers(0, 10**9), QUOTED, st.integers(1, 9999), st.integers(1, 9999),
    st.integers(0, 120_000), QUOTED,
)  # fmt: skip


@given(MEDIA)
def test_a_media_playlist_is_read_as_it_was_written(playlist: MediaPlaylist) -> None:
    assert parse_media(playlist.write()) == playlist


@given(st.lists(VARIANT, min_size=1, max_size=4), st.lists(RENDITION, max_size=3), st.booleans())
def test_a_multivariant_playlist_is_read_as_it_was_written(
    variants: list[Variant], renditions: list[Rendition], independent: bool
) -> None:
    playlist = MultivariantPlaylist(tuple(variants), tuple(renditions), independent_segments=independent)
    assert parse_multivariant(playlist.write()) == playlist


LINES = st.sampled_from(
    ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", "a.m4s", '#EXT-X-PART:DURATION=1,URI="a"', "#EXT-X-SKIP:",
     '#EXT-X-MAP:URI="i"', "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00Z", "#EXT-X-DISCONTINUITY", "#EXT-X-PART:A=,",
     '#EXT-X-DATERANGE:ID="",START-DATE="x"', "#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-MEDIA:TYPE=A", "#EXT-X-GAP"]
)  # fmt: skip
MUTATED = st.builds(
    lambda lines, noise: "\n".join(["#EXTM3U", *lines, noise]),
    st.lists(LINES | st.text(max_size=30)),
    st.text(),
)


@given(st.text() | MUTATED)
@example("#EXTM3U\n#EXT-X-TARGETDURATION:" + "9" * 5000)
@example("#EXTM3U\n#EXT-X-TARGETDURATION:٣")
@example("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:0001-01-01T00:00:00+23:59")
@settings(max_examples=300)
def test_nonsense_raises_value_error_only(text: str) -> None:
    for parse in (parse_media, parse_multivariant):
        with contextlib.suppress(ValueError):
            parse(text)


@given(
    st.lists(st.tuples(st.sampled_from(["_HLS_msn", "_HLS_part", "_HLS_skip", "x"]), st.text(max_size=20)))
)
def test_directives_are_numbers_or_refused(query: list[tuple[str, str]]) -> None:
    with contextlib.suppress(ValueError):
        found = parse_directives(query)
        assert found.msn is None or 0 <= found.msn < 10**15
        assert found.part is None or 0 <= found.part < 10**15


@pytest.mark.parametrize("value", ['a"b', "a\nb"])
def test_what_no_quoted_string_holds_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="quoted string"):
        DateRange(value, ProgrammeTime(0))
    with pytest.raises(ValueError, match="attribute name"):
        DateRange("a", ProgrammeTime(0), attributes={"x-lower": "1"})

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.packaging.fmp4 import fragments
from media.packaging.parts import Part
from media.record.layout import Mark, OpenName
from media.record.recovery import Cut, cut_alike
from tests.support.tape import ANCHOR, parts, spec

SPEC = spec((360,))
TIMESCALES = {"v360": SPEC.clock.timescale, "audio": 48_000}


def segment() -> dict[str, list[Part]]:
    made: dict[str, list[Part]] = defaultdict(list)
    for part in parts(SPEC, 2, frame_bytes=8):
        if part.msn == 1:
            made[part.rendition].append(part)
    return made


PARTS = segment()
FILES = {name: b"".join(p.data for p in made) for name, made in PARTS.items()}


def whole_parts(name: str, length: int) -> int:
    count = 0
    for part in PARTS[name]:
        length -= len(part.data)
        if length < 0:
            break
        count += 1
    return count


def check(cut: Cut | None, lengths: dict[str, int]) -> None:
    """All that every rendition has whole is kept, and nothing else."""
    count = min(whole_parts(name, length) for name, length in lengths.items())
    if not count:
        assert cut is None
        return
    assert cut is not None
    for entry in cut.entries:
        kept = PARTS[entry.rendition][:count]
        data = cut.data[entry.rendition]
        assert data == b"".join(p.data for p in kept)
        assert [f.decode_time for f in fragments(data)] == [p.decode_time for p in kept]
        assert (entry.starts, entry.decode_time, entry.size) == (
            kept[0].starts,
            kept[0].decode_time,
            len(data),
        )
        assert entry.duration == sum(p.duration for p in kept)


@pytest.mark.parametrize("rendition", ["v360", "audio"])
def test_cut_at_every_byte_only_the_open_part_is_lost(rendition: str) -> None:
    for length in range(len(FILES[rendition]) + 1):
        files = {**FILES, rendition: FILES[rendition][:length]}
        lengths = {name: len(data) for name, data in files.items()}
        check(cut_alike("main", 1, 1, files, TIMESCALES, ANCHOR), lengths)


@settings(max_examples=300)
@given(st.data())
def test_any_two_cuts_keep_what_both_have(data: st.DataObject) -> None:
    lengths = {name: data.draw(st.integers(0, len(whole))) for name, whole in FILES.items()}
    files = {name: FILES[name][:length] for name, length in lengths.items()}
    check(cut_alike("main", 1, 1, files, TIMESCALES, ANCHOR), lengths)


@given(st.binary(max_size=300))
def test_garbage_behind_the_parts_is_cut_off(garbage: bytes) -> None:
    files = {**FILES, "v360": FILES["v360"][: len(PARTS["v360"][0].data)] + garbage}
    cut = cut_alike("main", 1, 1, files, TIMESCALES, ANCHOR)
    assert cut is not None
    assert cut.data["v360"] == PARTS["v360"][0].data


def test_a_rendition_without_a_file_loses_the_segment() -> None:
    assert cut_alike("main", 1, 1, {"v360": FILES["v360"]}, TIMESCALES, ANCHOR) is None
    assert cut_alike("main", 1, 1, {}, {}, ANCHOR) is None


@given(st.integers(0, 10**8), st.integers(0, 10**12), st.sampled_from(["v720", "audio"]))
def test_names_are_read_back(epoch: int, msn: int, rendition: str) -> None:
    name = OpenName(epoch, msn, rendition)
    assert OpenName.parse(str(name)) == name
    assert Mark.parse(str(Mark(epoch, msn))) == Mark(epoch, msn)
    assert OpenName.parse(str(Mark(epoch, msn))) is None
    assert Mark.parse(str(name)) is None


@given(st.text(max_size=30))
def test_other_names_are_none_of_ours(text: str) -> None:
    for parsed in (OpenName.parse(text), Mark.parse(text)):
        assert (
            parsed is None
            or str(parsed) == text
            or not text.isascii()
            or text.startswith("0")
            or "-0" in text
        )

"""Which pictures a storyboard has, where they are on its sheets, and how its text says so."""

from __future__ import annotations

import re

import pytest

from media.model.errors import NotFoundError
from media.model.time import ProgrammeTime
from media.ports import TapeInit, TapeSegment
from media.record.layout import export_key, made_of, storyboard_key, storyboard_sheet_key
from media.record.ranges import Range
from media.record.replay import Replay, select
from media.record.storyboard import Storyboard, plan, text, tile

SECOND = 1_000_000


def replay(count: int, *, seconds: int = 2, hole: int = 0, size: tuple[int, int] = (1280, 720)) -> Replay:
    """So many segments of three renditions; behind the middle one, `hole` seconds and a new epoch."""
    entries, inits = [], []
    for epoch in (1, 2):
        for name, scale in (("v720", 1), ("v360", 2), ("audio", 0)):
            shape = (size[0] // scale, size[1] // scale) if scale else (0, 0)
            inits.append(TapeInit("main", epoch, name, f"main/{name}/init-{epoch}.mp4", "x", *shape, 1))
    for n in range(count):
        late = bool(hole) and n >= count // 2
        at = (n * seconds + (hole if late else 0)) * SECOND
        for name in ("v720", "v360", "audio"):
            key = f"main/{name}/{1 + late}-{n}.m4s"
            entries.append(
                TapeSegment("main", 1 + late, name, n, ProgrammeTime(at), 0, seconds * 1000, 1000, 9, key)
            )
    return select(entries, inits, Range(0, 1 << 60), ended=True)


def test_a_picture_every_five_seconds_of_the_lowest_rung() -> None:
    board = plan(replay(12))
    assert [picture.at // SECOND for picture in board.pictures] == [0, 6, 10, 16, 20]
    assert [picture.until // SECOND for picture in board.pictures] == [6, 10, 16, 20, 24]
    assert board.pictures[1].key == "main/v360/1-3.m4s"
    assert board.pictures[1].init_key == "main/v360/init-1.mp4"
    assert (board.width, board.height) == (160, 90)


def test_times_are_the_players_who_sees_no_holes() -> None:
    board = plan(replay(12, hole=1000))
    assert [picture.at // SECOND for picture in board.pictures] == [0, 6, 10, 16, 20]
    assert {picture.init_key for picture in board.pictures} == {
        "main/v360/init-1.mp4",
        "main/v360/init-2.mp4",
    }


@pytest.mark.parametrize(("seconds", "pictures"), [(2, 1), (600, 120), (3600, 200), (43200, 200)])
def test_a_long_replay_has_two_hundred(seconds: int, pictures: int) -> None:
    board = plan(replay(seconds // 2))
    assert len(board.pictures) == pytest.approx(pictures, abs=1)
    assert board.sheets == -(-len(board.pictures) // 100)
    assert board.pictures[-1].until == seconds * SECOND


def test_tiles_do_not_overlap_and_fill_sheets_row_by_row() -> None:
    board = Storyboard(160, 90, plan(replay(600)).pictures[:113])
    assert [board.place(n) for n in (0, 9, 10, 99, 100, 112)] == [
        (0, 0, 0), (0, 1440, 0), (0, 0, 90), (0, 1440, 810), (1, 0, 0), (1, 320, 90),
    ]  # fmt: skip
    assert board.sheet(0) == (1600, 900, range(100))
    assert board.sheet(1) == (1600, 180, range(100, 113))
    assert len({board.place(n) for n in range(113)}) == 113
    assert Storyboard(160, 90, board.pictures[:3]).sheet(0) == (480, 90, range(3))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1280, 720), (160, 90)), ((720, 1280), (90, 160)), ((480, 480), (160, 160)), ((640, 480), (160, 120)),
     ((0, 0), (160, 90)), ((4000, 2), (160, 16))],
)  # fmt: skip
def test_a_tile_has_the_channels_shape(shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert tile(*shape) == wanted


def test_the_text_is_web_vtt() -> None:
    lines = text(plan(replay(2000))).split("\n")
    assert lines[:6] == [
        "WEBVTT",
        "",
        "00:00:00.000 --> 00:00:20.000",
        "storyboard-0.jpg#xywh=0,0,160,90",
        "",
        "00:00:20.000 --> 00:00:40.000",
    ]
    cues = [line for line in lines if "-->" in line]
    assert cues[-1] == "01:06:20.000 --> 01:06:40.000"
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", each) for each in cues)
    assert lines[-2] == "storyboard-1.jpg#xywh=1440,810,160,90"


def test_sound_alone_has_none() -> None:
    whole = replay(3)
    with pytest.raises(NotFoundError):
        plan(Replay({"audio": whole.renditions["audio"]}, whole.inits, ended=True))
    with pytest.raises(NotFoundError):
        plan(Replay({}, {}, ended=True))


def test_what_was_made_of_a_recording_is_told_by_its_name() -> None:
    for key in (export_key("r.1"), storyboard_key("r.1"), storyboard_sheet_key("r.1", 12)):
        assert made_of(key) == "r.1"
    assert made_of("exports/v360/1-0.mp4") is None
    assert made_of("exports/r1.txt") is None

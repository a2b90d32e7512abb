"""Where a part lies in time, and what is missing around it."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from media.record.iso.isos import (
    WALL,
    Hole,
    Iso,
    IsoGap,
    IsoPart,
    PartCause,
    file_name,
    gaps,
    part_key,
    part_of,
    placed,
)
from media.record.iso.placing import MOST, Placing

SECOND = 1_000_000
T = 1_764_531_000_000_000
PART = IsoPart("i1", 1, PartCause.START, T, duration=10 * SECOND, size=1)


def test_the_earliest_arrival_is_when_it_was() -> None:
    placing = Placing()
    for n in range(900):
        late = 0 if n == 200 else 30_000 + n % 7 * 1000
        placing.arrived(n * 33_333, T + n * 33_333 + late)
    assert placing.started == T
    (first, *_) = placing.placements
    assert (first.channel, first.starts, first.offset) == (WALL, 0, T)


def test_before_the_first_window_is_over_the_best_so_far_counts() -> None:
    placing = Placing()
    placing.arrived(0, T + 50_000)
    placing.arrived(40_000, T + 70_000)
    assert placing.started == T + 30_000
    assert placing.placements[0].offset == T + 30_000


def test_a_clock_that_runs_away_is_followed() -> None:
    placing = Placing()
    for n in range(6000):  # 600 s, the sender's clock is slow by 100 in a million
        at = n * 100_000
        placing.arrived(at, T + at + at // 10_000)
    placing.close(600 * SECOND)
    part = replace(PART, placements=placing.placements)
    for at in range(5, 590, 17):
        true = T + at * SECOND + at * 100
        found = placed(part, WALL, true)
        assert found is not None
        assert abs(found - at * SECOND) < 25_000


def test_a_sender_that_falls_behind_ends_later_than_its_own_time_says() -> None:
    placing = Placing()
    for n in range(130):  # the sender's clock stood for two seconds after ten
        at = n * 100_000
        placing.arrived(at, T + at + (2 * SECOND if n >= 100 else 0))
    part = replace(PART, started=T, duration=13 * SECOND, placements=placing.placements)
    assert part.ended == T + 15 * SECOND
    placing.close(13 * SECOND)
    assert replace(part, placements=placing.placements).ended == T + 15 * SECOND


def test_a_channels_word_holds_from_the_start_to_the_end_while_it_is_the_same() -> None:
    placing = Placing()
    for second in range(1, 10):
        placing.tell("main", second * SECOND, T + 90_000 + second % 2 * 1000)
    placing.close(9 * SECOND + 700_000)
    (only,) = placing.placements
    assert (only.starts, only.ends) == (0, 9 * SECOND + 700_000)
    assert abs(only.offset - T - 90_000) <= 1000


def test_a_move_is_told_and_the_former_place_holds_until_then() -> None:
    placing = Placing()
    for second in range(1, 21):
        placing.tell("main", second * SECOND, T + (0 if second < 10 else 120_000))
    before, after = placing.placements
    assert (before.ends, after.starts, after.ends) == (10 * SECOND, 10 * SECOND, 20 * SECOND)
    part = replace(PART, placements=placing.placements)
    assert placed(part, "main", T + 5 * SECOND) == 5 * SECOND
    assert placed(part, "main", T + 15 * SECOND + 120_000) == 15 * SECOND
    assert placed(part, "main", T + 30 * SECOND) is None
    assert placed(part, "other", T + 5 * SECOND) is None


def test_a_channel_that_leaves_off_and_comes_back_has_two_stretches() -> None:
    placing = Placing()
    for second in (*range(1, 4), *range(60, 63)):
        placing.tell("main", second * SECOND, T)
    assert [(p.starts, p.ends) for p in placing.placements] == [(0, 3 * SECOND), (60 * SECOND, 62 * SECOND)]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(-(10**7), 10**7)), max_size=600))
def test_whatever_is_told_the_list_is_bounded_and_stretches_are_in_order(told: list[tuple[str, int]]) -> None:
    placing = Placing()
    for n, (channel, offset) in enumerate(told):
        placing.tell(channel, n * SECOND, T + offset)
    placing.close(len(told) * SECOND)
    assert len(placing.placements) <= MOST
    for channel in ("a", "b"):
        mine = [p for p in placing.placements if p.channel == channel]
        assert all(p.starts <= p.ends for p in mine)
        assert all(p.ends <= q.starts for p, q in itertools.pairwise(mine))


def test_gaps_are_before_between_within_and_after_the_parts() -> None:
    iso = Iso("i1", "cam", T - 5 * SECOND, T + 60 * SECOND)
    parts = [
        replace(PART, holes=(Hole(2 * SECOND, 6 * SECOND),)),
        replace(PART, number=2, cause=PartCause.FORMAT, started=T + 10 * SECOND + 100_000),
        replace(PART, number=3, cause=PartCause.DISK, started=T + 40 * SECOND),
    ]
    assert gaps(iso, parts) == [
        IsoGap(T - 5 * SECOND, T, "feed"),
        IsoGap(T + 2 * SECOND, T + 6 * SECOND, "stalled"),
        IsoGap(T + 20 * SECOND + 100_000, T + 40 * SECOND, "disk"),
        IsoGap(T + 50 * SECOND, T + 60 * SECOND, "feed"),
    ]
    assert gaps(replace(iso, ended=0), parts)[-1].cause == "disk"
    assert gaps(iso, []) == [IsoGap(iso.started, iso.ended, "feed")]


def test_names_sort_by_time_and_keys_can_be_read_back() -> None:
    assert file_name("cam-1", PART) == "cam-1_20251130T193000Z_01.mkv"
    assert part_of(part_key("abc", 12)) == ("abc", 12)
    assert part_of("isos/abc/v720/1-2.m4s") is None
    assert part_of("exports/abc.mp4") is None

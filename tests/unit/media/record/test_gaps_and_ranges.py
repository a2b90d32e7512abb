from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from media.model.time import ProgrammeTime
from media.ports import TapeSegment
from media.record.gaps import TOLERANCE, KnownGap, gaps
from media.record.ranges import Range, intersect, subtract, union
from tests.support.tape import ANCHOR, SECOND, entry

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda p: Range(p[0], p[0] + p[1])), max_size=8
)


def moments(ranges: Sequence[Range]) -> set[int]:
    return {m for r in ranges for m in range(r.start, r.end)}


@given(RANGES, RANGES)
def test_set_operations_agree_with_sets_of_moments(a: list[Range], b: list[Range]) -> None:
    assert moments(union(a)) == moments(a)
    assert all(x.end < y.start for x, y in zip(union(a), union(a)[1:], strict=False))
    assert moments(intersect(union(a), union(b))) == moments(a) & moments(b)
    whole = Range(10, 50)
    assert moments(subtract(whole, a)) == moments([whole]) - moments(a)


def at(seconds: float) -> ProgrammeTime:
    return ProgrammeTime(ANCHOR + round(seconds * SECOND))


def row(
    msn: int, *, starts: float | None = None, epoch: int = 1, renditions: str = "va"
) -> list[TapeSegment]:
    names = {"v": "v360", "a": "audio"}
    # Sound is cut at whole AAC frames: it begins up to 11 ms beside the picture.
    jitter = {"v": 0, "a": (msn * 7919) % 22_000 - 11_000}
    begin = at(2 * msn if starts is None else starts)
    return [
        entry(msn, epoch=epoch, rendition=names[r], starts=begin + jitter[r], seconds=2.0) for r in renditions
    ]


def test_a_whole_tape_has_no_gap() -> None:
    assert gaps([s for n in range(30) for s in row(n)], at(0), at(60)) == []


def test_nothing_on_tape_is_one_gap() -> None:
    (gap,) = gaps([], at(0), at(60))
    assert (gap.starts, gap.ends, gap.cause) == (at(0), at(60), "worker")


def test_a_rendition_that_is_missing_is_a_gap() -> None:
    tape = [s for n in range(10) for s in row(n, renditions="va" if n != 4 else "v")]
    (gap,) = gaps(tape, at(0), at(20))
    assert abs(gap.starts - at(8)) < 30_000
    assert abs(gap.ends - at(10)) < 30_000


def test_causes_cut_a_gap() -> None:
    tape = [s for n in (0, 1, 8, 9) for s in row(n, epoch=1 if n < 5 else 2)]
    known = [KnownGap("main", at(4), at(8), "disk"), KnownGap("main", at(40), at(50), "disk")]
    found = gaps(tape, at(0), at(20), known)
    assert [
        (g.cause, round((g.starts - ANCHOR) / SECOND), round((g.ends - ANCHOR) / SECOND)) for g in found
    ] == [
        ("disk", 4, 8),
        ("worker", 8, 16),
    ]


def test_a_channel_that_was_stopped_is_so_until_it_is_on_air_again() -> None:
    tape = [s for n in (0, 1, 8, 9, 20) for s in row(n, epoch=1 if n < 5 else 2)]
    stop = KnownGap("main", at(4.3), at(5), "stopped")
    found = gaps(tape, at(0), at(42), [stop])
    assert [(g.cause, round((g.starts - ANCHOR) / SECOND)) for g in found] == [("stopped", 4), ("worker", 20)]
    assert abs(found[0].ends - at(16)) < 30_000


def test_a_stop_long_after_a_worker_was_lost_does_not_explain_the_loss() -> None:
    tape = [s for n in (0, 1, 8, 9) for s in row(n, epoch=1 if n < 5 else 2)]
    found = gaps(tape, at(0), at(20), [KnownGap("main", at(10), at(10), "stopped")])
    assert [(g.cause, round((g.starts - ANCHOR) / SECOND)) for g in found] == [("worker", 4), ("stopped", 8)]
    ended = gaps(tape[:4], at(0), at(30), [KnownGap("main", at(4), at(4), "stopped")])
    assert [(g.cause, g.ends) for g in ended] == [("stopped", at(30))], "nobody knows yet when it ends"


@given(
    st.sets(st.integers(0, 39), max_size=15),
    st.lists(st.tuples(st.integers(0, 39), st.integers(1, 5)), max_size=3),
    st.integers(0, 30),
    st.integers(1, 40),
)
def test_gaps_are_exactly_what_was_lost(
    lost: set[int], known: list[tuple[int, int]], first: int, count: int
) -> None:
    tape = [s for n in range(40) if n not in lost for s in row(n)]
    start, end = at(2 * first), at(2 * min(40, first + count))
    causes = [KnownGap("main", at(2 * n), at(2 * (n + k)), "disk") for n, k in sorted(known)]
    found = gaps(tape, start, end, causes)
    missing = {n for n in lost if first <= n < min(40, first + count)}
    covered = {n for n in range(40) for g in found if g.starts <= at(2 * n + 1) < g.ends}
    assert covered == missing
    for g in found:
        assert start <= g.starts < g.ends <= end
        assert g.ends - g.starts > TOLERANCE or len(found) > 1
    assert [g.starts for g in found] == sorted(g.starts for g in found)
    for n in missing:
        (cause,) = {g.cause for g in found if g.starts <= at(2 * n + 1) < g.ends}
        assert cause == ("disk" if any(k <= n < k + c for k, c in known) else "worker")

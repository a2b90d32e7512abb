from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media.model.time import ProgrammeTime
from media.record.ranges import Range
from media.record.recordings import Recording
from media.record.retention import Decision, Policy, Slice, decide, horizon

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOW = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND


def ended(name: str, minutes_ago: int, size: int) -> Recording:
    end = NOW - minutes_ago * MINUTE
    return Recording(name, "main", ProgrammeTime(end - 30 * MINUTE), ProgrammeTime(end), size=size)


def running(name: str, size: int) -> Recording:
    return Recording(name, "main", ProgrammeTime(NOW - 10 * MINUTE), size=size)


def slices(count: int, size: int, *, end: int = NOW - 10 * MINUTE, channel: str = "main") -> list[Slice]:
    first = end - count * MINUTE
    return [Slice(channel, Range(first + n * MINUTE, first + (n + 1) * MINUTE), size) for n in range(count)]


def decided(
    policy: Policy, recordings: list[Recording], tape: list[Slice], free: int | None = None
) -> Decision:
    horizons = {"main": NOW - 10 * MINUTE}
    return decide(policy, now=NOW, free=free, horizons=horizons, recordings=recordings, slices=tape)


def test_the_window_is_kept_twice_from_the_end_of_the_tape() -> None:
    assert horizon(NOW, NOW - 5, 1800) == NOW - 5 - 3660 * SECOND
    assert horizon(NOW, NOW + DAY, 1800) == NOW - 3660 * SECOND
    assert horizon(NOW, None, 0) == NOW - 60 * SECOND


def test_unrecorded_tape_goes_by_age() -> None:
    assert decided(Policy(), [], slices(5, 10)).before == {"main": NOW - 10 * MINUTE}
    assert decided(Policy(keep_days=1), [], slices(5, 10)).before == {"main": NOW - DAY}


def test_a_large_tape_loses_its_oldest_unrecorded_minutes() -> None:
    policy = Policy(keep_days=10, max_bytes=100)
    decision = decided(policy, [ended("r", 100, 70)], slices(5, 10))
    # 120 bytes are there: two minutes of ten bytes have to go.
    assert decision.before == {"main": NOW - 10 * MINUTE - 3 * MINUTE}
    assert decision.recordings == []
    assert decision.reasons == []


def test_recordings_are_not_taken_for_size_alone() -> None:
    decision = decided(Policy(max_bytes=100), [ended("a", 9, 80), ended("b", 5, 80)], [])
    assert decision.recordings == []
    assert "max_bytes" in decision.reasons[0]


def test_a_full_disk_takes_ended_recordings_oldest_first_and_says_so() -> None:
    recordings = [running("live", 500), ended("new", 5, 60), ended("old", 500, 60), ended("older", 900, 30)]
    decision = decided(Policy(keep_days=10, min_free_bytes=100), recordings, slices(2, 10), free=10)
    # 90 are missing: 20 of unrecorded tape, then 30 and 60.
    assert decision.before["main"] == NOW - 10 * MINUTE
    assert decision.recordings == ["older", "old"]
    assert len(decision.reasons) == 2
    hopeless = decided(Policy(min_free_bytes=10_000), recordings, [], free=10)
    assert "live" not in hopeless.recordings
    assert "on air, being recorded" in hopeless.reasons[-1]


def test_a_disk_that_somebody_else_filled_takes_no_show_of_late() -> None:
    recordings = [ended("today", 60, 60), ended("old", 31 * 1440, 60), ended("young", 29 * 1440, 60)]
    decision = decided(Policy(min_free_bytes=100, safe_days=30), recordings, [], free=0)
    assert decision.recordings == ["old"]
    assert "was recorded lately" in decision.reasons[-1]


def test_recordings_go_by_age_where_that_is_wanted() -> None:
    recordings = [ended("old", 3 * 1440, 5), ended("new", 1440, 5)]
    decision = decided(Policy(recording_days=2), recordings, [])
    assert decision.recordings == ["old"]


@given(
    policy=st.builds(
        Policy,
        keep_days=st.sampled_from([0.0, 0.01, 0.5]),
        max_bytes=st.integers(0, 3000),
        min_free_bytes=st.integers(0, 3000),
        recording_days=st.sampled_from([0.0, 0.2]),
        safe_days=st.sampled_from([0.0, 0.1]),
    ),
    free=st.none() | st.integers(0, 4000),
    old=st.lists(st.tuples(st.integers(1, 600), st.integers(1, 500)), max_size=5),
    live=st.integers(0, 500),
    minutes=st.integers(0, 40),
)
def test_whatever_the_disk_the_window_and_what_runs_stay(
    policy: Policy, free: int | None, old: list[tuple[int, int]], live: int, minutes: int
) -> None:
    recordings = [ended(f"r{n}", ago, size) for n, (ago, size) in enumerate(old)] + [running("live", live)]
    tape = slices(minutes, 20)
    decision = decided(policy, recordings, tape, free)
    assert decision.before["main"] <= NOW - 10 * MINUTE
    assert "live" not in decision.recordings
    safe = {r.id for r in recordings if r.ended > NOW - policy.safe_days * DAY}
    by_age = {r.id for r in recordings if policy.recording_days and r.ended and r.ended <= NOW - 0.2 * DAY}
    by_space = [r for r in recordings if r.id in decision.recordings and r.id not in by_age]
    assert not safe & {r.id for r in by_space}
    gone = sum(s.size for s in tape if s.range.end <= decision.before["main"])
    if by_space:
        assert free is not None
        assert gone == sum(s.size for s in tape)  # all unrecorded tape went first
        kept = [r for r in recordings if r.ended and r.id not in decision.recordings]
        assert all(k.ended >= t.ended for k in kept for t in by_space)
        # The last one taken was needed.
        assert free + gone + sum(r.size for r in by_space[:-1]) < policy.min_free_bytes + max(
            r.size for r in by_space
        )
    if free is not None and not any("nearly full, and" in reason for reason in decision.reasons):
        assert free + gone + sum(r.size for r in by_space) >= policy.min_free_bytes

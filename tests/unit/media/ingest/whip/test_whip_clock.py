from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media.ingest.whip.clock import IMPLAUSIBLE, SLEW, SenderClock, Unwrapper
from media.model.tracks import MediaKind

VIDEO, AUDIO = MediaKind.VIDEO, MediaKind.AUDIO
WALL = 1_700_000_000_000_000
WRAP = 1 << 32


def ntp(micros: int) -> int:
    return (micros << 32) // 1_000_000


@given(st.integers(0, WRAP - 1), st.lists(st.integers(-5000, 200_000), max_size=50))
def test_numbers_that_wrap_count_on(start: int, steps: list[int]) -> None:
    numbers = Unwrapper(32)
    at = start
    assert numbers.take(start) == start
    for step in steps:
        at += step
        assert numbers.take(at % WRAP) == at


class Sender:
    """A camera whose picture leaves `late` microseconds after the sound of the same moment."""

    def __init__(self, late: int, video_start: int = WRAP - 90_000, audio_start: int = 77) -> None:
        self.clock = SenderClock()
        self.late = late
        self.starts = {VIDEO: video_start, AUDIO: audio_start}

    def stamp(self, kind: MediaKind, captured: int) -> int:
        rate = 90 if kind is VIDEO else 48
        return (self.starts[kind] + captured * rate // 1000) % WRAP

    def send(self, kind: MediaKind, captured: int) -> int:
        arrived = WALL + captured + (self.late if kind is VIDEO else 0)
        return self.clock.time(kind, self.stamp(kind, captured), arrived)

    def report(self, kind: MediaKind, captured: int, wall: int = 1_600_000_000_000_000) -> None:
        self.clock.report(kind, ntp(wall + captured), self.stamp(kind, captured))


def test_before_reports_each_track_is_placed_by_arrival() -> None:
    sender = Sender(late=150_000)
    assert sender.send(AUDIO, 0) == WALL
    assert sender.send(VIDEO, 0) == WALL + 150_000


def test_reports_bring_the_picture_to_its_sound_without_a_step() -> None:
    sender = Sender(late=150_000)
    times, sound = [], 0
    for number in range(200):
        captured = number * 33_333
        sound = sender.send(AUDIO, captured)
        times.append(sender.send(VIDEO, captured))
        if number == 30:
            sender.report(AUDIO, captured)
            sender.report(VIDEO, captured)
    assert abs(times[-1] - sound) < 50
    steps = [after - before for before, after in pairwise(times)]
    assert min(steps) >= 33_333 - SLEW - 20
    assert max(steps) <= 33_333 + SLEW + 20


def test_sound_is_never_moved() -> None:
    sender = Sender(late=150_000)
    times = []
    for number in range(300):
        times.append(sender.send(AUDIO, number * 20_000))
        sender.send(VIDEO, number * 20_000)
        if number % 50 == 49:
            sender.report(VIDEO, number * 20_000)
            sender.report(AUDIO, number * 20_000)
    assert {round((b - a) / 10) for a, b in pairwise(times)} == {2000}


def test_a_report_that_makes_no_sense_is_not_believed() -> None:
    sender = Sender(late=0)
    sender.send(AUDIO, 0)
    sender.send(VIDEO, 0)
    sender.report(AUDIO, 0)
    sender.report(VIDEO, 0, wall=1_600_000_000_000_000 + 2 * IMPLAUSIBLE)
    assert sender.clock.disbelieved == 1
    assert abs(sender.send(VIDEO, 33_333) - WALL - 33_333) < 50  # a step of its clock is 11


@given(
    st.lists(st.tuples(st.sampled_from([VIDEO, AUDIO]), st.integers(0, 2**64 - 1), st.integers(0, WRAP - 1)))
)
def test_forged_reports_move_the_picture_by_little(reports: list[tuple[MediaKind, int, int]]) -> None:
    sender = Sender(late=0)
    former = sender.send(VIDEO, 0)
    sender.send(AUDIO, 0)
    for number, (kind, when, stamp) in enumerate(reports, 1):
        sender.clock.report(kind, when, stamp)
        now = sender.send(VIDEO, number * 33_333)
        assert abs(now - former - 33_333) <= SLEW + 20
        former = now


def test_another_stream_is_placed_by_arrival_again() -> None:
    sender = Sender(late=0)
    sender.send(VIDEO, 0)
    sender.clock.restart(VIDEO)
    sender.starts[VIDEO] = 12345
    assert sender.send(VIDEO, 1_000_000) == WALL + 1_000_000

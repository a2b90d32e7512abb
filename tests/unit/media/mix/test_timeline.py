"""Inputs that do what inputs do, for simulated hours: samples stay counted, sound stays with the picture."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.mix.fold import Fold
from media.mix.timeline import InputHealth, InputTimeline
from media.mix.units import DecodedPicture, DecodedSound, Samples
from media.model.time import FrameClock
from media.model.tracks import EncodedPacket, MediaKind

CLOCK = FrameClock(Fraction(30))
BLOCK = 1024
IN_SYNC = 0.020
WRAP = 4.0
"""Samples carry their second modulo this: float32 would lose the difference between neighbours within minutes."""


@dataclass
class Sender:
    """A camera whose pictures and samples both say when they were taken: picture = its time, sample = its time modulo `WRAP`.

    `ppm`: how much faster its clock runs; `stamp(seconds) -> µs` is what it writes as timestamp; `quiet` and `dark` say in which
    of its seconds sound or picture is not sent; `delay(seconds)` is how long the network takes.
    """

    ppm: float = 0.0
    fps: float = 30.0
    stamp: Callable[[float], int] = lambda s: round(s * 1e6)
    delay: Callable[[float], float] = lambda _: 0.02
    sound_delay: float = 0.0
    quiet: Callable[[float], bool] = lambda _: False
    dark: Callable[[float], bool] = lambda _: False
    picture: int = 0
    block: int = 0
    picture_due: float = field(default=0.0)
    block_due: float = field(default=0.0)
    fold: Fold = field(default_factory=Fold)
    """As for a feed in use: its packets are folded as they come."""
    begins: float = 0.0
    """Our second at which it begins."""

    def units(self, now: float) -> Iterator[DecodedPicture[float] | DecodedSound]:
        """What arrived up to `now` (our seconds)."""
        speed = 1 + self.ppm * 1e-6
        while True:
            at = self.picture / self.fps
            self.picture_due = max(self.picture_due, at / speed + self.delay(at))
            if self.picture_due > now:
                break
            self.picture += 1
            if not self.dark(at):
                yield DecodedPicture(self.folded(MediaKind.VIDEO, at, self.picture_due), at)
        while True:
            at = self.block * BLOCK / 48_000
            self.block_due = max(
                self.block_due, (at + BLOCK / 48_000) / speed + self.delay(at) + self.sound_delay
            )
            if self.block_due > now:
                break
            self.block += 1
            if not self.quiet(at):
                taken = at + np.arange(BLOCK) / 48_000
                yield DecodedSound(
                    self.folded(MediaKind.AUDIO, at, self.block_due),
                    np.repeat(taken[:, None] % WRAP, 2, axis=1).astype(np.float32),
                )

    def folded(self, kind: MediaKind, at: float, due: float) -> int:
        stamp = self.stamp(at)
        packet = EncodedPacket(
            kind, stamp, stamp, keyframe=True, data=b"", arrived=round((self.begins + due) * 1e6) + 1
        )
        return self.fold.fold(packet).pts


@dataclass
class Played:
    """One tick as it came out."""

    second: float
    picture: float | None
    new: bool
    samples: Samples
    health: InputHealth

    @property
    def sound(self) -> float | None:
        """When the sample in the middle of the tick was taken; None in silence and at its edges."""
        middle = self.samples[len(self.samples) // 4 : len(self.samples) * 3 // 4, 0]
        slope = np.diff(middle) * 48_000
        return (
            float(middle[0]) - len(self.samples) / 4 / 48_000
            if len(slope) and (np.abs(slope - 1) < 0.9).all()
            else None
        )

    @property
    def offset(self) -> float | None:
        """Sound minus picture, seconds; the picture is shown for a tick, so half a tick of rounding is its nature."""
        if self.sound is None or self.picture is None:
            return None
        return (self.sound - self.picture + WRAP / 2) % WRAP - WRAP / 2


def play(
    sender: Sender, seconds: float, start: float = 0.0, timeline: InputTimeline[float] | None = None
) -> Iterator[Played]:
    timeline = timeline or InputTimeline[float](CLOCK)
    total = 0
    former = None
    ticks = range(int(start * 30), int((start + seconds) * 30))
    for tick in ticks:
        for unit in sender.units(tick / 30):
            if isinstance(unit, DecodedSound):
                timeline.push_sound(unit, tick)
            else:
                timeline.push_picture(unit, tick)
        health = timeline.advance(tick)
        samples = timeline.samples()
        assert len(samples) == CLOCK.samples_in(tick)
        total += len(samples)
        if health.continuous > 0.3:
            timeline.settled = True
        picture = timeline.picture
        shown = picture.frame if picture else None
        yield Played(tick / 30, shown, shown != former, samples, health)
        former = shown
    assert total == CLOCK.samples_before(ticks.stop) - CLOCK.samples_before(ticks.start)


def worst_offset(played: Iterator[Played], after: float = 1.0) -> float:
    found = [abs(p.offset) for p in played if p.second > after and p.new and p.offset is not None]
    assert len(found) > 10
    return max(found)


def test_plain_input_is_copied_exactly() -> None:
    played = list(play(Sender(), 10))
    assert sum(p.sound is None for p in played if p.second > 1) <= 3, "only where the test's samples wrap"
    assert all(p.new for p in played if p.second > 1), "each picture is shown once, none twice"
    steady = np.concatenate([p.samples for p in played if p.second > 2])[:, 0]
    steps = np.diff(steady.astype(np.float64))
    steps[steps < -1] += WRAP
    assert np.abs(steps - 1 / 48_000).max() < 1e-6, "no resampling without drift"
    assert worst_offset(iter(played)) <= IN_SYNC


@pytest.mark.parametrize(
    ("ppm", "seconds"),
    [
        (-200, 450),
        (200, 450),
        pytest.param(50, 900, marks=pytest.mark.soak),
        pytest.param(-200, 4 * 3600, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
        pytest.param(200, 4 * 3600, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_drift_is_followed(ppm: int, seconds: int) -> None:
    timeline = InputTimeline[float](CLOCK)
    worst, seen = 0.0, 0
    latencies = []
    for p in play(Sender(ppm=ppm), seconds, timeline=timeline):
        if p.second > 5 and p.new and p.offset is not None:
            worst = max(worst, abs(p.offset))
            seen += 1
        if p.second > 30:
            latencies.append(timeline.latency or 0.0)
    assert seen > 0.95 * seconds * 30
    assert worst <= IN_SYNC
    assert timeline.resyncs == 0
    assert max(latencies) - min(latencies) < 0.09, "the latency does not grow"


@pytest.mark.parametrize(
    ("name", "stamp"),
    [
        ("6 s forward", lambda s: round((s if s < 5 else s + 6) * 1e6)),
        ("6 s back", lambda s: round((s if s < 5 else s - 6) * 1e6)),
        ("negative start", lambda s: round((s - 100) * 1e6)),
        ("2^24 ms", lambda s: round(s * 1e3 + 2**24 - 5000) % 2**24 * 1000),
        ("2^32 ms", lambda s: round(s * 1e3 + 2**32 - 5000) % 2**32 * 1000),
        ("33 bit", lambda s: round(s * 9e4 + 2**33 - 450_000) % 2**33 * 100 // 9),
        ("ms rounding", lambda s: round(s * 1e3) * 1000),
        ("loops every 2 s", lambda s: round(s % 2.0 * 1e6)),
    ],
)
@pytest.mark.parametrize("sound_delay", [0.0, 0.15])
def test_jumps_of_timestamps_never_show(name: str, stamp: Callable[[float], int], sound_delay: float) -> None:
    played = list(play(Sender(stamp=stamp, sound_delay=sound_delay), 12))
    after = [p for p in played if p.second > 2]
    assert worst_offset(iter(played), 2) <= IN_SYNC
    assert max(p.health.age or 0 for p in after) <= 0.1, f"{name}: the picture stands"
    assert sum(p.sound is None for p in after) <= 10, f"{name}: holes in the sound"


def test_mute_of_30_s_is_silence_and_comes_back_in_sync() -> None:
    timeline = InputTimeline[float](CLOCK)
    played = list(play(Sender(quiet=lambda s: 5 < s < 35), 45, timeline=timeline))
    inside = [p for p in played if 6 < p.second < 34]
    assert all(not p.samples.any() for p in inside)
    assert all(p.new for p in inside), "the picture goes on"
    assert worst_offset(iter(played), 36) <= IN_SYNC
    assert not played[-1].health.age


def test_video_that_stops_freezes_while_sound_goes_on() -> None:
    played = list(play(Sender(dark=lambda s: 5 < s < 8), 12))
    assert max(p.health.age or 0 for p in played) == pytest.approx(3.0, abs=0.2)
    assert sum(p.sound is None for p in played if p.second > 1) <= 4, "only where the test's samples wrap"
    assert worst_offset(iter(played), 9) <= IN_SYNC


def test_pictures_that_a_busy_machine_dropped_are_no_jump_of_the_sender() -> None:
    """The tick stood still for a while; of what was decoded meanwhile the newest pictures are there, and all sound."""
    timeline = InputTimeline[float](CLOCK)
    sender = Sender(stamp=lambda s: round((s + 1000) * 1e6))
    offsets = []
    for tick in range(300):
        units = list(sender.units(tick / 30 + (1.5 if 100 <= tick < 145 else 0)))
        pictures = [unit for unit in units if isinstance(unit, DecodedPicture)][-16:]
        for picture in pictures:
            timeline.push_picture(picture, tick)
        for unit in units:
            if isinstance(unit, DecodedSound):
                timeline.push_sound(unit, tick)
        health = timeline.advance(tick)
        timeline.settled = timeline.settled or health.continuous > 0.3
        shown = timeline.picture.frame if timeline.picture else None
        offset = Played(tick / 30, shown, True, timeline.samples(), health).offset
        if tick > 250 and offset is not None:
            offsets.append(abs(offset))
    assert len(offsets) > 40
    assert max(offsets) <= IN_SYNC


@dataclass
class Turn:
    """One sender's time on a feed."""

    sound: bool
    picture: bool
    seconds: float
    start: float = 0.0
    jumps: tuple[tuple[float, float], ...] = ()
    stalls: tuple[tuple[float, float], ...] = ()
    sound_delay: float = 0.0
    late_sound: float = 0.0
    gap: float = 3.0
    """Seconds until the next one."""

    def sender(self, fold: Fold, begins: float) -> Sender:
        def stamp(s: float) -> int:
            return round((s + self.start + sum(by for at, by in self.jumps if s >= at)) * 1e3) * 1000

        def delay(s: float) -> float:
            return max([0.02, *(at + length - s for at, length in self.stalls if at <= s < at + length)])

        return Sender(
            stamp=stamp,
            delay=delay,
            sound_delay=self.sound_delay,
            quiet=lambda s: not self.sound or s < self.late_sound,
            dark=lambda _: not self.picture,
            fold=fold,
            begins=begins,
        )


def offsets_of(turns: Sequence[Turn]) -> Iterator[list[float]]:
    """Sound minus picture in the last two seconds of each turn, one timeline and one fold for all of them."""
    timeline, fold, tick = InputTimeline[float](CLOCK), Fold(), 0
    for turn in turns:
        sender, begins = turn.sender(fold, tick / 30), tick
        found = []
        for tick in range(begins, begins + int((turn.seconds + turn.gap) * 30)):
            second = (tick - begins) / 30
            for unit in sender.units(second) if second < turn.seconds else ():
                if isinstance(unit, DecodedSound):
                    timeline.push_sound(unit, tick)
                else:
                    timeline.push_picture(unit, tick)
            health = timeline.advance(tick)
            shown = timeline.picture.frame if timeline.picture else None
            offset = Played(second, shown, True, timeline.samples(), health).offset
            timeline.settled = health.moving and (timeline.settled or health.continuous > 0.3)
            if turn.seconds - 2 < second < turn.seconds and not health.age and offset is not None:
                found.append(offset)
        tick += 1
        yield found


def random_turns(seed: int) -> list[Turn]:
    chance = random.Random(seed)

    def turn() -> Turn:
        sound, picture = chance.choice([(True, True), (True, True), (True, False), (False, True)])
        return Turn(
            sound=sound,
            picture=picture,
            seconds=chance.uniform(12, 15),
            start=chance.choice([0, 0, -2, 16771.2, 4294961.2, chance.uniform(0, 60)]),
            jumps=chance.choice([(), (), ((5, 6), (6, -6)), ((5, chance.uniform(-20, 20)),)]),
            stalls=tuple(
                (chance.uniform(0, 5), chance.uniform(0.1, 1.5)) for _ in range(chance.choice([0, 0, 1, 3]))
            ),
            sound_delay=chance.choice([0, 0, 0.05]),
            late_sound=chance.choice([0, 0, 0.5, 1.0]),
            gap=chance.choice([0, 0.1, 1, 2.2, 3, 5, 12, 30]),
        )

    return [turn() for _ in range(5)]


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(s, marks=pytest.mark.soak) for s in range(12, 200))]
)
def test_whoever_sends_in_turn_sound_and_picture_stay_together(seed: int) -> None:
    turns = random_turns(seed)
    for turn, found in zip(turns, offsets_of(turns), strict=True):
        if turn.sound and turn.picture:
            assert len(found) > 20, turn
            # What lies within the sound's tolerance is only stretched away, over seconds.
            assert max(map(abs, found)) <= IN_SYNC + 0.02, turn


def test_one_who_sent_sound_alone_in_between_leaves_no_trace() -> None:
    both = Turn(sound=True, picture=True, seconds=16)
    *_, found = offsets_of((both, replace(both, picture=False), both))
    assert len(found) > 20
    assert max(map(abs, found)) <= IN_SYNC + 0.005


def test_stall_with_backlog_ends_where_it_was() -> None:
    def delay(s: float) -> float:
        return 0.02 if not 5 <= s < 8 else 8.02 - s

    timeline = InputTimeline[float](CLOCK)
    played = list(play(Sender(delay=delay), 20, timeline=timeline))
    assert worst_offset(iter(played), 9) <= IN_SYNC
    assert played[-1].second - (played[-1].picture or 0) < 0.25, "live again, not three seconds late"


def test_paused_sender_that_goes_on_late_is_placed_anew() -> None:
    """A file source that was suspended: timestamps go on where they stopped, three seconds late for good."""
    played = list(play(Sender(delay=lambda s: 0.02 if s < 5 else 3.02), 20))
    moving = [p for p in played if p.second > 11]
    assert max(p.health.age or 0 for p in moving) <= 0.1
    assert sum(p.sound is None for p in moving) <= 4
    assert worst_offset(iter(played), 11) <= IN_SYNC


def test_burst_of_a_group_of_pictures_at_the_start_costs_no_latency() -> None:
    """A tap begins with the newest group of pictures: up to two seconds at once."""
    timeline = InputTimeline[float](CLOCK)
    played = list(play(Sender(delay=lambda s: max(0.02, 2 - s)), 10, timeline=timeline))
    assert played[-1].second - (played[-1].picture or 0) < 0.2
    assert worst_offset(iter(played), 4) <= IN_SYNC


def test_frame_rates_that_differ_take_the_nearest_picture() -> None:
    for fps in (24.0, 25.0, 50.0, 59.94, 15.0):
        played = [p for p in play(Sender(fps=fps), 8) if p.second > 2]
        pictures = [p.picture for p in played if p.picture is not None]
        assert pictures == sorted(pictures)
        assert worst_offset(iter(played)) <= max(IN_SYNC, 0.55 / min(fps, 30) + 0.002)


def test_appears_and_returns_are_told_by_continuity() -> None:
    played = list(play(Sender(dark=lambda s: 3 < s < 6, quiet=lambda s: 3 < s < 6), 9))
    at = {round(p.second, 2): p.health for p in played}
    assert at[2.0].continuous > 1.5
    assert at[5.0].continuous == 0
    assert not at[5.0].moving
    assert 0.5 < at[7.0].continuous < 1.1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ppm=st.floats(-200, 200),
    jitter=st.floats(0, 0.15),
    seed=st.integers(0, 2**16),
    jumps=st.lists(st.tuples(st.floats(4, 50), st.floats(-50, 50)), max_size=4),
    quiet=st.lists(st.tuples(st.floats(4, 50), st.floats(0.1, 8)), max_size=3),
    dark=st.lists(st.tuples(st.floats(4, 50), st.floats(0.1, 8)), max_size=3),
)
def test_whatever_arrives_sound_and_picture_stay_together(
    ppm: float,
    jitter: float,
    seed: int,
    jumps: list[tuple[float, float]],
    quiet: list[tuple[float, float]],
    dark: list[tuple[float, float]],
) -> None:
    noise = np.random.default_rng(seed).uniform(0, jitter, 4096)

    def stamp(s: float) -> int:
        return round((s + sum(by for at, by in jumps if s >= at)) * 1e6)

    def off(spans: list[tuple[float, float]]) -> Callable[[float], bool]:
        return lambda s: any(at <= s < at + length for at, length in spans)

    sender = Sender(
        ppm=ppm,
        stamp=stamp,
        delay=lambda s: 0.02 + float(noise[int(s * 30) % 4096]),
        quiet=off(quiet),
        dark=off(dark),
    )
    timeline = InputTimeline[float](CLOCK)
    pictures: list[float] = []
    for p in play(sender, 64, timeline=timeline):
        assert np.isfinite(p.samples).all()
        if p.picture is not None:
            pictures.append(p.picture)
        if p.second > 60 and p.new and p.offset is not None:
            assert abs(p.offset) <= IN_SYNC
    assert pictures == sorted(pictures), "time never runs back"

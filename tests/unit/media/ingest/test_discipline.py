"""Clocks that run wrong are found and placed by arrival; whatever happens to a sane one, nobody touches it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from media.ingest.discipline import ClockDiscipline
from media.mix.fold import Fold
from media.mix.timeline import InputTimeline
from media.mix.units import DecodedPicture, DecodedSound
from media.model.time import FrameClock
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from tests.support.rtmp_client import ASC

CLOCK = FrameClock(Fraction(30))
EPOCH = 1_700_000_000_000_000
"""When the sender begins, Unix microseconds."""
AUDIO = TrackHeader(MediaKind.AUDIO, Codec.AAC, ASC, sample_rate=48_000, channels=2)
UNTOLD = TrackHeader(MediaKind.AUDIO, Codec.OPUS, b"", sample_rate=48_000, channels=2)
"""Sound whose units do not tell us how long they are."""
Delay = Callable[[float], float]
Stamp = Callable[[float], float]


@dataclass(frozen=True)
class Camera:
    """What one sends. `picture` and `sound` map seconds of real time to what is stamped; None sends no sound."""

    picture: Stamp = lambda s: s
    sound: Stamp | None = lambda s: s
    fps: float = 30.0
    delay: Delay = lambda _: 0.02
    header: TrackHeader = AUDIO
    reordered: int = 0
    """Microseconds by which pictures are shown later than they are decoded."""

    def packets(self, seconds: float) -> list[EncodedPacket]:
        """In the order of their arrival; nothing overtakes on its way."""
        found = []
        for kind, rate, stamp in (
            (MediaKind.VIDEO, self.fps, self.picture),
            (MediaKind.AUDIO, 48_000 / 1024, self.sound),
        ):
            for number in range(int(seconds * rate) if stamp else 0):
                taken = number / rate
                assert stamp is not None
                dts = round(stamp(taken) * 1e6)
                pts = dts + (self.reordered if kind is MediaKind.VIDEO else 0)
                found.append((taken, EncodedPacket(kind, pts, dts, keyframe=True, data=b"x")))
        found.sort(key=lambda each: each[0])
        newest, arrived = 0.0, []
        for taken, packet in found:
            newest = max(newest, taken + self.delay(taken))
            arrived.append(replace(packet, arrived=EPOCH + round(newest * 1e6)))
        return arrived


def disciplined(
    camera: Camera, seconds: float, sent: Sequence[EncodedPacket] | None = None
) -> tuple[ClockDiscipline, list[EncodedPacket]]:
    discipline = ClockDiscipline()
    if camera.sound:
        discipline.header(camera.header)
    return discipline, [discipline.take(packet) for packet in sent or camera.packets(seconds)]


def at(packet: EncodedPacket) -> float:
    """Second of its arrival."""
    return (packet.arrived - EPOCH) / 1e6


@dataclass(frozen=True)
class Seen:
    """What a channel made of packets."""

    shown: float
    """Share of the pictures that were shown."""
    age: float
    """The longest that the picture stood, seconds."""
    holes: int
    """Ticks with a hole in their sound."""


def watched(packets: Sequence[EncodedPacket], after: float) -> Seen:
    """From second `after` on."""
    timeline, fold, index = InputTimeline[int](CLOCK), Fold(), 0
    ages, shown, holes = [], set(), 0
    end = at(packets[-1]) - 0.2
    for tick in range(int(end * 30)):
        while at(packets[index]) <= tick / 30:
            packet = fold.fold(packets[index])
            if packet.kind is MediaKind.VIDEO:
                timeline.push_picture(DecodedPicture(packet.pts, index), tick)
            else:
                timeline.push_sound(DecodedSound(packet.pts, np.ones((1024, 2), np.float32)), tick)
            index += 1
        health = timeline.advance(tick)
        timeline.settled = health.moving and (timeline.settled or health.continuous > 0.3)
        heard = timeline.samples()
        if tick / 30 > after:
            assert timeline.picture is not None
            ages.append(health.age or 0.0)
            shown.add(timeline.picture.frame)
            holes += bool((heard < 0.9).any())
    sent = sum(each.kind is MediaKind.VIDEO and after < at(each) <= end for each in packets)
    return Seen(len(shown) / sent, max(ages), holes)


def jittery(seed: int, most: float) -> Delay:
    chance = random.Random(seed)
    return lambda _: 0.02 + chance.uniform(0, most)


@pytest.mark.parametrize(
    ("clock", "sound"),
    [
        (0.0, "sane"),
        (0.5, "none"),
        (0.5, "sane"),
        (0.5, "as wrong"),
        (0.9, "sane"),
        (1.5, "none"),
        (1.5, "sane"),
        (1.5, "as wrong"),
        (1.5, "as wrong, untold"),
        (3.0, "as wrong"),
    ],
)
def test_a_wrong_clock_is_found_within_seconds_and_the_picture_moves(clock: float, sound: str) -> None:
    def wrong(s: float) -> float:
        return 1000 + s * clock

    camera = Camera(
        wrong,
        {"none": None, "sane": lambda s: s}.get(sound, wrong),
        delay=jittery(1, 0.05),
        header=UNTOLD if sound.endswith("untold") else AUDIO,
    )
    discipline, packets = disciplined(camera, 13)
    assert discipline.rates == {
        kind: pytest.approx(clock, rel=0.03, abs=0.03)
        for kind in MediaKind
        if kind is MediaKind.VIDEO or "wrong" in sound
    }
    assert 1 <= discipline.corrections <= 2
    found = 4 if abs(clock - 1) > 0.2 else 7
    placed = [each.dts for each in packets if each.kind is MediaKind.VIDEO and at(each) > found]
    steps = [later - former for former, later in pairwise(placed)]
    assert min(steps) > 20_000
    assert max(steps) < 47_000
    before, now = watched(camera.packets(13), found + 3), watched(packets, found + 3)
    assert now.shown > 0.92, "with this jitter some are not the nearest to any tick"
    assert 1 - now.shown < 0.6 * (1 - before.shown), "else there was nothing to be mended"
    assert now.age <= 0.1
    assert now.holes == 0 or sound == "none"


@pytest.mark.parametrize("fps", [1.0, 5.0, 10.0, 24.0])
def test_pictures_stamped_for_thirty_that_come_at_fewer(fps: float) -> None:
    discipline, packets = disciplined(Camera(lambda s: s * fps / 30, fps=fps), 90)
    assert discipline.rates == {MediaKind.VIDEO: pytest.approx(fps / 30, abs=0.03)}
    placed = [each for each in packets if each.kind is MediaKind.VIDEO and at(each) > (4 if fps > 2 else 40)]
    leads = [each.dts / 1e6 - at(each) for each in placed]
    assert max(leads) - min(leads) < 0.05, "with the sound, whose clock is right"


@pytest.mark.parametrize("clock", [0.98, 1.02])
def test_small_errors_that_drift_correction_cannot_follow_are_found_in_half_a_minute(clock: float) -> None:
    camera = Camera(lambda s: s * clock, lambda s: s * clock, delay=jittery(2, 0.1))
    discipline, packets = disciplined(camera, 60)
    assert set(discipline.rates) == set(MediaKind)
    assert discipline.rates[MediaKind.VIDEO] == pytest.approx(clock, abs=0.005)
    seen = watched(packets, 42)
    assert seen.shown > 0.95
    assert seen.age <= 0.1
    assert seen.holes == 0


def test_a_wrong_clock_that_wraps_jumps_or_pauses_goes_on_evenly() -> None:
    def stamp(s: float) -> float:
        return (s * 1.5 + (8 if s > 12 else 0)) % (2**32 / 90_000 / 4_000)

    camera = Camera(stamp, stamp, delay=lambda s: 0.02 if not 15 < s < 17 else 17.02 - s)
    discipline, packets = disciplined(camera, 25)
    assert discipline.corrections <= 2
    assert set(discipline.rates) == set(MediaKind)
    placed = [
        each.dts
        for each in packets
        if each.kind is MediaKind.VIDEO and at(each) > 5 and not 14.9 < at(each) < 19
    ]
    steps = [later - former for former, later in pairwise(placed)]
    assert sum(not 25_000 < step < 42_000 for step in steps) <= 2, "but for the pause"
    assert min(steps) > 0


def test_pictures_that_are_shown_out_of_order_stay_so() -> None:
    _, packets = disciplined(Camera(lambda s: s * 2, None, reordered=80_000), 8)
    assert {each.pts - each.dts for each in packets[:30]} == {80_000}
    assert all(abs(each.pts - each.dts - 40_000) < 2_000 for each in packets[-30:])


def test_a_clock_that_comes_right_is_believed_again() -> None:
    def stamp(s: float) -> float:
        return s * 1.5 if s < 20 else s + 10

    discipline, packets = disciplined(Camera(stamp, stamp), 50)
    assert discipline.rates == {}
    assert discipline.corrections <= 2
    assert packets[-1] == Camera(stamp, stamp).packets(50)[-1]


def test_another_sender_begins_anew() -> None:
    discipline, _ = disciplined(Camera(lambda s: s * 1.5, None), 5)
    assert discipline.rates
    discipline.restart()
    sane = [replace(each, arrived=each.arrived + 9_000_000) for each in Camera(sound=None).packets(5)]
    assert all(discipline.take(each) is each for each in sane)


def touched(camera: Camera, seconds: float) -> int:
    """How many packets were changed."""
    sent = camera.packets(seconds)
    _, packets = disciplined(camera, seconds, sent)
    return sum(got is not packet for got, packet in zip(packets, sent, strict=True))


@pytest.mark.parametrize(
    ("name", "delay"),
    [
        ("a stall whose backlog comes at once", lambda s: 0.02 if not 8 < s < 12 else 12.02 - s),
        (
            "a stall whose backlog comes at twice the pace",
            lambda s: max(0.02, 5 - (s - 8) / 2) if s > 8 else 0.02,
        ),
        ("a longer way for good", lambda s: 0.02 if s < 8 else 3.02),
        ("an encoder that flushes two seconds", lambda s: max(0.02, 2 - s)),
        ("an encoder that flushes at twice the pace", lambda s: max(0.02, 1.5 - s / 2)),
        ("stalls again and again", lambda s: 0.02 + (1.5 - s % 3 if s % 3 < 1.5 else 0)),
    ],
)
@pytest.mark.parametrize("sound", [True, False])
def test_networks_do_not_make_a_clock_wrong(name: str, delay: Delay, sound: bool) -> None:
    assert touched(Camera(sound=(lambda s: s) if sound else None, delay=delay), 40) == 0, name


def test_sound_that_is_honest_vouches_for_pictures_that_come_too_slowly_or_too_fast() -> None:
    def congested(s: float) -> float:
        return 0.02 + (0.4 * s if s < 15 else max(0.0, 6 - (s - 15) * 0.4))

    assert touched(Camera(delay=congested), 40) == 0


def test_a_file_sent_as_fast_as_it_goes_is_no_clock() -> None:
    assert touched(Camera(sound=None, delay=lambda s: 0.02 - 0.95 * s), 60) == 0


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    ppm=st.floats(-300, 300),
    fps=st.sampled_from([5.0, 15.0, 25.0, 29.97, 60.0]),
    sound=st.booleans(),
    jitter=st.floats(0, 0.25),
    seed=st.integers(0, 2**16),
    stalls=st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 6), st.floats(1.05, 50)), max_size=5),
    jumps=st.lists(st.tuples(st.floats(0, 50), st.floats(-60, 60)), max_size=5),
    flushed=st.floats(0, 2),
)
def test_whatever_happens_to_a_sane_clock_nobody_touches_it(
    ppm: float,
    fps: float,
    sound: bool,
    jitter: float,
    seed: int,
    stalls: list[tuple[float, float, float]],
    jumps: list[tuple[float, float]],
    flushed: float,
) -> None:
    chance = random.Random(seed)

    def stamp(s: float) -> float:
        return round((s * (1 + ppm * 1e-6) + sum(by for when, by in jumps if s >= when)) * 1e3) / 1e3

    def delay(s: float) -> float:
        # A stall of so many seconds, whose backlog then comes at so many times real time. Without sound that can only be
        # told from a fast clock where the sender was seen to be in time before.
        known = [(when if sound else when + 4, length, pace) for when, length, pace in stalls]
        late = [length - (s - when) * (1 - 1 / pace) for when, length, pace in known if s >= when]
        return 0.02 + chance.uniform(0, jitter) + max([0.0, flushed - s, *late])

    assert touched(Camera(stamp, stamp if sound else None, fps, delay), 60) == 0

"""The pace of a file: in steps, in order, never late, and never more than a step early."""

from __future__ import annotations

from typing import Any, cast

import pytest

from media.adapters import av_file as subject
from media.model.tracks import EncodedPacket, MediaKind


class Clock:
    """Stands in for the module `time`: passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Delivery:
    """Notes what was handed over, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.got: list[tuple[float, list[int]]] = []

    def sleep_until(self, monotonic: float) -> None:
        self._clock.now = max(self._clock.now, monotonic)

    def put(self, *packets: EncodedPacket) -> None:
        self.got.append((self._clock.now, [packet.dts for packet in packets]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(subject, "time", clock)
    return clock


def play(clock: Clock, *times: int) -> list[tuple[float, list[int]]]:
    """Hand packets with these decode times (µs) over; what came, with seconds since the start."""
    delivery = Delivery(clock)
    steps = subject._Steps(cast("Any", delivery))
    began = clock.now
    for dts in times:
        steps.add(EncodedPacket(MediaKind.VIDEO, dts, dts, keyframe=True, data=b"x"))
    steps.flush()
    return [(round(at - began, 6), dts) for at, dts in delivery.got]


def test_a_clip_goes_out_in_steps_that_are_never_late(clock: Clock) -> None:
    sound, picture = range(0, 2_000_000, 21_333), range(0, 2_000_000, 33_333)
    times = sorted([*sound, *picture])
    got = play(clock, *times)
    assert [dts for _, batch in got for dts in batch] == times
    early = [dts / 1e6 - at for at, batch in got for dts in batch]
    assert min(early) > -1e-5
    assert max(early) <= subject._STEP + 1e-5
    assert len(got) <= 2.0 / subject._STEP + 1


def test_a_packet_alone_in_its_step_does_not_wait_for_the_next_one(clock: Clock) -> None:
    assert play(clock, 0, 500_000, 1_000_000) == [(0.0, [0]), (0.5, [500_000]), (1.0, [1_000_000])]


def test_what_is_behind_goes_out_at_once(clock: Clock) -> None:
    delivery = Delivery(clock)
    steps = subject._Steps(cast("Any", delivery))
    for dts in (0, 100_000):
        steps.add(EncodedPacket(MediaKind.VIDEO, dts, dts, keyframe=True, data=b"x"))
    clock.now += 0.5
    for dts in (200_000, 300_000, 900_000):
        steps.add(EncodedPacket(MediaKind.VIDEO, dts, dts, keyframe=True, data=b"x"))
    steps.flush()
    assert [dts for _, batch in delivery.got for dts in batch] == [0, 100_000, 200_000, 300_000, 900_000]
    assert [round(at - 100, 6) for at, _ in delivery.got] == [0.0, 0.6, 0.6, 0.6, 0.9]

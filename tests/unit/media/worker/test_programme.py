"""The tick: on time when it can be, whole when it cannot."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from media.mix.mixer import Mixed
from media.mix.switcher import Selection
from media.model.errors import EngineError
from media.model.time import ProgrammeTime
from media.worker import programme as subject
from media.worker.programme import Programme
from tests.support.tape import spec

ANCHOR = ProgrammeTime(1_700_000_000_000_000)


@dataclass
class Mixing:
    """A mixer that notes its ticks; `stall` seconds are spent in tick `stalls_at`."""

    stalls_at: int = -1
    stall: float = 0.0
    ticks: list[int] = field(default_factory=list)
    anchor: int = 0

    def tick(self, tick: int) -> Mixed[Any]:
        if tick == self.stalls_at:
            time.sleep(self.stall)
        self.ticks.append(tick)
        return Mixed(tick, object(), np.zeros((1600, 2), np.float32), Selection(), ())


@dataclass
class Taking:
    """Stands where an encoder thread stands."""

    got: list[Any] = field(default_factory=list)
    stopped: bool = False
    repeats: int = 0

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def offer(self, *item: object) -> None:
        self.got.append(item)

    def repeated_since(self, moment: float) -> int:
        return self.repeats


def run(
    mixing: Mixing, ticks: int, *, late_go: float = 0.0
) -> tuple[Programme, Taking, Taking, list[BaseException]]:
    failures: list[BaseException] = []
    programme = Programme(spec(), cast("Any", mixing), on_mixed=lambda _: None, on_failure=failures.append)
    rung, audio = Taking(), Taking()
    programme.preroll()
    time.sleep(late_go)
    programme.go(ANCHOR, cast("Any", [rung]), cast("Any", audio))
    deadline = time.monotonic() + 30
    while len(rung.got) < ticks and not failures and time.monotonic() < deadline:
        time.sleep(0.01)
    programme.stop()
    return programme, rung, audio, failures


def test_prerolls_off_air_then_sends_every_tick_from_zero() -> None:
    mixing = Mixing()
    _, rung, audio, failures = run(mixing, 20)
    assert not failures
    first = -int(subject.PREROLL * 30)
    assert mixing.ticks == list(range(first, first + len(mixing.ticks)))
    assert [tick for tick, _ in rung.got] == list(range(len(rung.got)))
    assert len(audio.got) == len(rung.got)
    assert rung.stopped
    assert audio.stopped


def test_catches_up_after_a_stall_without_skipping_a_tick() -> None:
    mixing = Mixing(stalls_at=10, stall=3.0)
    started = time.monotonic()
    programme, rung, _, failures = run(mixing, 120)
    assert not failures
    assert [tick for tick, _ in rung.got] == list(range(len(rung.got)))
    # 120 ticks are 4 s; a clock that had been pushed back by the stall would take 3 s more.
    assert time.monotonic() - started < 4 + float(subject.PREROLL) + 2.5
    assert programme.pace().late_max > 2


def test_going_on_air_late_starts_at_tick_zero_without_a_burst() -> None:
    mixing = Mixing()
    programme, rung, _, failures = run(mixing, 5, late_go=float(subject.PREROLL) + 2)
    assert not failures
    assert [tick for tick, _ in rung.got][:5] == [0, 1, 2, 3, 4]
    assert programme.pace().late_max < 1.5


def test_a_hopeless_delay_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "HOPELESS", 0.2)
    _, _, _, failures = run(Mixing(stalls_at=3, stall=0.6), 100)
    assert isinstance(failures[0], EngineError)


def test_errands_run_on_the_tick_thread_and_carry_their_result() -> None:
    mixing = Mixing()
    programme = Programme(spec(), cast("Any", mixing), on_mixed=lambda _: None, on_failure=lambda _: None)
    programme.preroll()
    try:
        assert programme.submit(threading.current_thread).result(5).name == "tick"
        with pytest.raises(ZeroDivisionError):
            programme.submit(lambda: 1 / 0).result(5)
    finally:
        programme.stop()


def test_programme_time_follows_the_anchor() -> None:
    mixing = Mixing()
    programme, rung, _, _ = run(mixing, 10)
    assert programme.time_of(30) == ANCHOR + 1_000_000
    now, _ = programme.now()
    assert now - ANCHOR >= len(rung.got) * 1_000_000 // 30 - 40_000


def test_a_rung_that_is_too_slow_shows_in_the_speed_though_the_tick_holds() -> None:
    programme, rung, _, failures = run(Mixing(), 20)
    assert not failures
    rung.repeats = 15  # half of the second that the window has at the start
    assert programme.pace().speed <= 0.75

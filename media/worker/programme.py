"""The programme: the tick thread that asks the mixer for a picture and its sound, on time, for as long as we live."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from av import VideoFrame

from media.mix.mixer import Mixed, Mixer
from media.model.channel import ChannelSpec
from media.model.errors import EngineError
from media.model.time import ProgrammeTime
from media.worker.encoders import AudioThread, OnFailure, RungThread

HOPELESS = 5.0
"""Seconds behind the clock after which the worker gives up: a new epoch is better than a picture from the past."""
SPEED_WINDOW = 5.0
JOIN_TIMEOUT = 5.0
PREROLL = Fraction(3, 4)
"""Seconds of ticks off air before tick 0: an input needs 0.3 s to be taken, and viewers need not see the slate for it."""
GO_TIMEOUT = 30.0

ResultT = TypeVar("ResultT")

OnMixed = Callable[[Mixed[VideoFrame]], None]
"""Called on the tick thread at tick 0 and whenever a tick brought changes of what viewers see."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How well the tick is kept, over the last `SPEED_WINDOW` seconds."""

    ticks: int
    speed: float
    """Share of the pictures due that were mixed, and encoded by the slowest rung; 1.0 when on time."""
    late_p99: float
    """Seconds after its deadline that a tick began, 99th percentile."""
    late_max: float


class Programme:
    """Paces the mixer by CLOCK_MONOTONIC. Output time is the tick count and nothing else.

    `preroll` ticks the mixer off air (ticks below 0), so that the program feed is settled when `go` puts tick 0 on
    air. From then on a tick that comes late is made at once, never skipped: audio samples are counted, so a skipped
    tick would be a hole. Only a clock that is `HOPELESS` seconds ahead ends the worker.

    What changes the mixer is done on its own thread, between two ticks: see `submit`.
    """

    def __init__(
        self,
        spec: ChannelSpec,
        mixer: Mixer[VideoFrame],
        *,
        on_mixed: OnMixed,
        on_failure: OnFailure,
    ) -> None:
        self._clock = spec.clock
        self._mixer = mixer
        self._rungs: Sequence[RungThread] = ()
        self._audio: AudioThread | None = None
        self._on_mixed = on_mixed
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._armed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick", daemon=True)
        self._errands: deque[tuple[Callable[[], object], Future[object]]] = deque()
        self._preroll = -int(PREROLL * spec.rate)
        self._zero = 0.0
        self._anchor = 0
        self._tick = self._preroll
        self._done = 0
        self._late: deque[float] = deque(maxlen=int(SPEED_WINDOW * spec.rate))

    def preroll(self) -> float:
        """Begin to tick, off air. Returns the CLOCK_MONOTONIC second at which tick 0 is planned."""
        self._zero = time.monotonic() + float(PREROLL)
        self._thread.start()
        return self._zero

    def go(self, anchor: ProgrammeTime, rungs: Sequence[RungThread], audio: AudioThread) -> None:
        """Put tick 0, whose programme time is `anchor`, on air as soon as the preroll is done."""
        self._anchor = anchor
        self._mixer.anchor = anchor
        self._rungs = rungs
        self._audio = audio
        for rung in rungs:
            rung.start()
        audio.start()
        self._armed.set()

    def stop(self) -> None:
        """End the tick, then let the encoders finish what they have. Blocks for some seconds at most."""
        self._stop.set()
        self._armed.set()
        if self._thread.ident is not None:  # begun: what fails before the preroll is stopped too
            self._thread.join(JOIN_TIMEOUT)
        for rung in self._rungs:
            rung.stop()
        if self._audio is not None:
            self._audio.stop()

    def submit(self, errand: Callable[[], ResultT]) -> Future[ResultT]:
        """Have `errand` run on the tick thread before the next tick; its result comes by the future."""
        future: Future[ResultT] = Future()
        self._errands.append((errand, future))  # type: ignore[arg-type]  # each future gets its own errand's result
        return future

    def now(self) -> tuple[ProgrammeTime, int]:
        """Programme time of this instant and the CLOCK_MONOTONIC nanoseconds at which it was read."""
        monotonic = time.monotonic_ns()
        elapsed = monotonic // 1000 - int(self._zero * 1_000_000)
        return ProgrammeTime(self._anchor + max(0, elapsed)), monotonic

    def time_of(self, tick: int) -> ProgrammeTime:
        """Programme time at which a tick begins."""
        return ProgrammeTime(self._anchor + self._clock.micros(tick))

    def pace(self) -> Pace:
        """How well the tick is kept. Callable from any thread."""
        late = sorted(self._late)
        elapsed = time.monotonic() - self._zero
        due = self._clock.tick_at(int(max(0.0, elapsed) * 1_000_000)) + 1
        window = max(1.0, min(elapsed, SPEED_WINDOW) * float(self._clock.rate))
        # A tick that is being made counts as done: only what is behind by more than one is slowness.
        behind = max(0, due - self._done - 1)
        # The tick may hold while an encoder does not: viewers of that rung then see fewer pictures, which is slow too.
        since = time.monotonic() - SPEED_WINDOW
        unmade = max((rung.repeated_since(since) for rung in self._rungs), default=0)
        speed = min(1.0, max(0.0, 1 - max(behind, unmade) / window))
        if not late:
            return Pace(self._done, speed, 0.0, 0.0)
        return Pace(self._done, round(speed, 3), late[int(len(late) * 0.99)], late[-1])

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if self._tick == 0:
                    self._wait_for_go()
                self._pace_tick()
                self._run_errands()
                mixed = self._mixer.tick(self._tick)
                if self._tick >= 0 and self._audio is not None:
                    self._send(mixed, self._audio)
                self._tick += 1
        except BaseException as error:  # noqa: BLE001 - handed on whole, see below
            # Whatever ends the tick ends the worker: the supervisor decides what follows.
            self._on_failure(error)
        finally:
            self._run_errands()

    def _wait_for_go(self) -> None:
        if not self._armed.wait(GO_TIMEOUT):
            raise EngineError(f"the worker was not ready to go on air within {GO_TIMEOUT:.0f} s")
        # Made ready late: tick 0 is now, rather than a burst of ticks that nobody waited for.
        self._zero = max(self._zero, time.monotonic())

    def _pace_tick(self) -> None:
        deadline = self._zero + self._clock.seconds(self._tick)
        early = deadline - time.monotonic()
        if early > 0:
            time.sleep(early)
        elif early < -HOPELESS:
            raise EngineError(f"the machine is too slow: {-early:.1f} s behind the clock")
        if self._tick >= 0:
            self._late.append(time.monotonic() - deadline)

    def _send(self, mixed: Mixed[VideoFrame], audio: AudioThread) -> None:
        for rung in self._rungs:
            rung.offer(mixed.tick, mixed.picture)
        audio.offer(mixed.samples)
        self._done = mixed.tick + 1
        if mixed.changes or mixed.tick == 0:
            self._on_mixed(mixed)

    def _run_errands(self) -> None:
        while self._errands:
            errand, future = self._errands.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(errand())
            except Exception as error:  # noqa: BLE001 - it is the submitter's to see, whatever it is
                future.set_exception(error)

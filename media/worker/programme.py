"""The programme: the tick thread that asks the mixer for a picture and its sound, on time, for as long as we live."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from media.mix.mixer import Mixed, Mixer
from media.model.channel import ChannelSpec
from media.model.errors import EngineError
from media.model.time import ProgrammeTime
from media.worker.encoders import AudioThread, OnFailure, RungThread

HOPELESS = 5.0
"""Seconds behind the clock after which the worker gives up: a new epoch is better than a picture from the past."""
SPEED_WINDOW = 5.0
JOIN_TIMEOUT = 5.0

OnMixed = Callable[[Mixed], None]
"""Called on the tick thread when a tick brought changes of what viewers see."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How well the tick is kept, over the last `SPEED_WINDOW` seconds."""

    ticks: int
    speed: float
    """Ticks done per tick due; 1.0 when on time."""
    late_p99: float
    """Seconds after its deadline that a tick began, 99th percentile."""
    late_max: float


class Programme:
    """Paces the mixer by CLOCK_MONOTONIC from `start` on. Output time is the tick count and nothing else.

    A tick that comes late is made at once, never skipped: audio samples are counted, so a skipped tick would be a
    hole. Only a clock that is `HOPELESS` seconds ahead ends the worker.
    """

    def __init__(
        self,
        spec: ChannelSpec,
        mixer: Mixer,
        rungs: Sequence[RungThread],
        audio: AudioThread,
        *,
        on_changes: OnMixed,
        on_failure: OnFailure,
    ) -> None:
        self._clock = spec.clock
        self._mixer = mixer
        self._rungs = rungs
        self._audio = audio
        self._on_changes = on_changes
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick", daemon=True)
        self._started = 0.0
        self._anchor = 0
        self._tick = 0
        self._late: deque[float] = deque(maxlen=int(SPEED_WINDOW * float(spec.rate)))

    def start(self, anchor: ProgrammeTime, at: float) -> None:
        """Begin: tick 0 is programme time `anchor` and is due at `at` on CLOCK_MONOTONIC."""
        self._anchor = anchor
        self._started = at
        for thread in (*self._rungs, self._audio):
            thread.start()
        self._thread.start()

    def stop(self) -> None:
        """End the tick, then let the encoders finish what they have."""
        self._stop.set()
        self._thread.join(JOIN_TIMEOUT)
        for thread in (*self._rungs, self._audio):
            thread.stop()

    def now(self) -> tuple[ProgrammeTime, int]:
        """Programme time of this instant and the CLOCK_MONOTONIC nanoseconds it was read at."""
        monotonic = time.monotonic_ns()
        elapsed = monotonic // 1000 - int(self._started * 1_000_000)
        return ProgrammeTime(self._anchor + max(0, elapsed)), monotonic

    def pace(self) -> Pace:
        """How well the tick is kept. Callable from any thread."""
        late = sorted(self._late)
        elapsed = time.monotonic() - self._started
        due = min(elapsed, SPEED_WINDOW)
        behind = self._clock.tick_at(int(max(0.0, elapsed) * 1_000_000)) + 1 - self._tick
        speed = 1.0 if due <= 0 else max(0.0, 1 - max(0, behind - 1) / max(1.0, due * float(self._clock.rate)))
        if not late:
            return Pace(self._tick, speed, 0.0, 0.0)
        return Pace(self._tick, round(speed, 3), late[int(len(late) * 0.99)], late[-1])

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                deadline = self._started + self._clock.seconds(self._tick)
                early = deadline - time.monotonic()
                if early > 0:
                    time.sleep(early)
                elif early < -HOPELESS:
                    raise EngineError(f"the machine is too slow: {-early:.1f} s behind the clock")
                self._late.append(time.monotonic() - deadline)
                self._step(self._tick)
                self._tick += 1
        except BaseException as error:
            # Whatever ends the tick ends the worker: the supervisor decides what follows.
            self._on_failure(error)

    def _step(self, tick: int) -> None:
        mixed = self._mixer.tick(tick)
        for rung in self._rungs:
            rung.offer(tick, mixed.picture)
        self._audio.offer(mixed.samples)
        if mixed.changes:
            self._on_changes(mixed)

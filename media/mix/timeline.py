"""One input on the programme's clock: which picture, which samples, and how it fares.

Everything is ticked: units are pushed in the tick in which they were found, then `advance` moves on by one tick. There is
no other clock here, so days can be simulated in seconds. Not thread-safe; `media.mix.handover` is the door for threads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic

import numpy as np

from media.mix.drift import Drift
from media.mix.sound import EDGE, SoundBuffer, resampled
from media.mix.units import DecodedPicture, DecodedSound, PictureT, Samples
from media.model.time import MICROSECONDS, SAMPLE_RATE, FrameClock

CUSHION = SAMPLE_RATE * 40 // 1000
"""Samples (40 ms) that the latest unit of the last two seconds was early; jitter and reordering come on top by themselves."""
FREEZE = 0.3
"""Seconds without a new picture after which an input counts as frozen."""
FREEZE_FRAMES = 2.5
"""A slow camera is frozen only after so many of its own frame intervals, at most `FREEZE_MOST`."""
FREEZE_MOST = 1.0
PICTURES = 24
"""Pictures held per input (33 MB at 720p): 0.8 s at 30 fps, past which the oldest are dropped and counted."""
CROSSFADE = SAMPLE_RATE // 100
"""Samples (10 ms) over which a hard resync blends."""
BROKEN = 0.1
"""Seconds without samples after which the sound counts as gone."""


@dataclass(frozen=True, slots=True)
class InputHealth:
    """How an input fares at this tick. Seconds."""

    age: float | None = None
    """Since the picture last changed; None before the first."""
    continuous: float = 0.0
    """For how long pictures have come without a break."""
    frozen_after: float = FREEZE
    """The age at which this input counts as frozen."""
    sound_age: float | None = None
    """Since there were samples to play; None before the first."""
    sound_continuous: float = 0.0
    """For how long there has been sound without a break."""

    @property
    def moving(self) -> bool:
        """There is a picture and it is not frozen."""
        return self.age is not None and self.age < self.frozen_after

    @property
    def sounding(self) -> bool:
        """There is sound."""
        return self.sound_age is not None and self.sound_age < BROKEN


@dataclass(slots=True)
class InputCounters:
    """What was lost on the way."""

    late_pictures: int = 0
    """Came after their successor's time."""
    skipped_pictures: int = 0
    """In time, but another one was nearer to the tick (a faster camera), or the queue was full."""


class InputTimeline(Generic[PictureT]):
    """The timeline of one input. `settled` is to be set once it is on air: from then on its latency moves gently."""

    def __init__(self, clock: FrameClock, *, cushion: int = CUSHION) -> None:
        self._clock = clock
        self._drift = Drift(cushion)
        self._pictures: deque[tuple[int, DecodedPicture[PictureT]]] = deque()
        self._sound = SoundBuffer()
        self._tick = 0
        self._lead: int | None = None
        self._newest_picture: int | None = None
        self._interval = 1 / 30
        self._shown_at: int | None = None
        self._run_from: int | None = None
        self._sounded_at: int | None = None
        self._sound_from: int | None = None
        self._read_at = 0
        self._read_count = 0
        self._jumped_from: int | None = None
        self.settled = False
        self.picture: DecodedPicture[PictureT] | None = None
        """What is to be seen at this tick; the last one while nothing new comes."""
        self.counters = InputCounters()

    @property
    def resyncs(self) -> int:
        """Hard resyncs."""
        return self._drift.resyncs

    @property
    def dropped_samples(self) -> int:
        """Samples that came twice, or too late to be placed."""
        return self._sound.dropped

    @property
    def offset(self) -> int | None:
        """Microseconds by which the input's time is ahead of the programme's ticks; None before anything came."""
        offset = self._drift.offset
        return None if offset is None else offset * MICROSECONDS // SAMPLE_RATE

    @property
    def latency(self) -> float | None:
        """Seconds by which the newest unit of the last arrival leads what is being played; None before any."""
        if self._drift.offset is None:
            return None
        newest = max(self._sound.end, self._newest_picture or 0)
        return (newest - self._clock.samples_before(self._tick) - self._drift.offset) / SAMPLE_RATE

    def push_picture(self, picture: DecodedPicture[PictureT], tick: int) -> None:
        """A picture was found in `tick`."""
        position = picture.pts * SAMPLE_RATE // MICROSECONDS
        if self._newest_picture is not None:
            step = (position - self._newest_picture) / SAMPLE_RATE
            if step <= 0:
                if position > self._newest_picture - SAMPLE_RATE:
                    self.counters.late_pictures += 1
                    return
                # So far back it is no disorder: what waits was misplaced, and would stand before all that follows.
                self.counters.skipped_pictures += len(self._pictures)
                self._pictures.clear()
            if 0 < step < FREEZE_MOST:
                self._interval += (step - self._interval) / 8
        self._newest_picture = position
        self._pictures.append((position, picture))
        self._leads(position, tick)
        while len(self._pictures) > PICTURES:
            self._pictures.popleft()
            self.counters.skipped_pictures += 1

    def push_sound(self, sound: DecodedSound, tick: int) -> None:
        """Samples were found in `tick`."""
        self._leads(self._sound.write(sound.pts * SAMPLE_RATE // MICROSECONDS, sound.samples), tick)

    def advance(self, tick: int) -> InputHealth:
        """Move to `tick` (each one exactly once, in order), after what was found in it was pushed."""
        self._tick = tick
        position, count = self._clock.samples_before(tick), self._clock.samples_in(tick)
        if self._lead is not None:
            self._drift.arrived(position, self._lead)
            self._lead = None
        before = self._drift.offset
        if not self.settled:
            self._drift.settle(position)
            self._read_count, jumped = count, False
        else:
            offset = before
            self._read_count, jumped = self._drift.step(position, count)
            if not jumped and offset is not None:
                before = offset
        self._jumped_from = None
        if self._drift.offset is None:
            return self._health()
        if jumped and before is not None:
            self._jumped_from = position + before
            self._read_at = position + self._drift.offset
        elif self.settled and before is not None:
            self._read_at = position + before
        else:
            self._read_at = position + self._drift.offset
        self._choose()
        if self._sound.end > self._read_at:
            if self._sounded_at is None or (tick - self._sounded_at) > BROKEN * self._clock.rate:
                self._sound_from = tick
            self._sounded_at = tick
        return self._health()

    def samples(self) -> Samples:
        """The samples of this tick, (samples_in(tick), 2). To be read at most once a tick; `discard` where not wanted."""
        count = self._clock.samples_in(self._tick)
        if self._drift.offset is None:
            return np.zeros((count, 2), np.float32)
        faded = None if self._jumped_from is None else self._sound.read(self._jumped_from, CROSSFADE)
        samples = resampled(self._sound.read(self._read_at, self._read_count), count)
        if faded is not None:
            samples = samples.copy()
            ramp = np.linspace(0.0, 1.0, CROSSFADE, dtype=np.float32)[:, None]
            samples[:CROSSFADE] = samples[:CROSSFADE] * ramp + faded * (1 - ramp)
        self._sound.forget_before(self._read_at + self._read_count - EDGE)
        return samples

    def discard(self) -> None:
        """Go over this tick's samples without reading them."""
        self._sound.forget_before(self._read_at + self._read_count - EDGE)

    def _leads(self, position: int, tick: int) -> None:
        lead = position - self._clock.samples_before(tick)
        self._lead = lead if self._lead is None else min(self._lead, lead)

    def _choose(self) -> None:
        """Take the picture whose time is nearest to the tick's; never one older than what was shown."""
        at = self._read_at
        half = self._clock.samples_in(self._tick) // 2
        chosen = None
        while self._pictures and (
            self._pictures[0][0] <= at
            or (self._pictures[0][0] - at <= half and (chosen is None or self._nearer(chosen[0], at)))
        ):
            if chosen is not None:
                self.counters.skipped_pictures += 1
            chosen = self._pictures.popleft()
        if chosen is None:
            return
        self.picture = chosen[1]
        limit = self._frozen_after() * self._clock.rate
        if self._shown_at is None or self._tick - self._shown_at > limit:
            self._run_from = self._tick
        self._shown_at = self._tick

    def _nearer(self, chosen: int, at: int) -> bool:
        """Whether the next picture is nearer to `at` than the one chosen so far."""
        return abs(self._pictures[0][0] - at) < abs(chosen - at)

    def _frozen_after(self) -> float:
        return min(max(FREEZE, FREEZE_FRAMES * self._interval), FREEZE_MOST)

    def _health(self) -> InputHealth:
        def since(tick: int | None) -> float | None:
            return None if tick is None else self._clock.seconds(self._tick - tick)

        limit = self._frozen_after()
        age, sound_age = since(self._shown_at), since(self._sounded_at)
        run, sound_run = since(self._run_from), since(self._sound_from)
        return InputHealth(
            age=age,
            continuous=run if run is not None and age is not None and age < limit else 0.0,
            frozen_after=limit,
            sound_age=sound_age,
            sound_continuous=sound_run
            if sound_run is not None and sound_age is not None and sound_age < BROKEN
            else 0.0,
        )

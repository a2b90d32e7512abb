"""The mixer: per tick one picture of the canvas's size and exactly this tick's samples, whatever the inputs do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import numpy as np

from media.mix.canvas import Canvas
from media.mix.handover import MixerInput
from media.mix.loudness import crossfaded, limited
from media.mix.messages import Message
from media.mix.slate import paint_slate
from media.mix.switcher import Change, Program, Selection, Shown, SwitcherState, step
from media.mix.timeline import CROSSFADE, CUSHION, InputHealth, InputTimeline
from media.mix.units import DecodedPicture, PictureT, Samples
from media.model.channel import ChannelSpec
from media.model.time import ProgrammeTime


@dataclass(frozen=True, slots=True)
class Mixed(Generic[PictureT]):
    """The outcome of one tick."""

    tick: int
    picture: PictureT
    """Of the canvas's size. The same object comes again while the picture stands still."""
    samples: Samples
    """(samples_in(tick), 2), within ±1."""
    selection: Selection
    changes: tuple[Change, ...]


@dataclass(slots=True)
class _Input(Generic[PictureT]):
    door: MixerInput[PictureT]
    timeline: InputTimeline[PictureT]
    health: InputHealth


class Mixer(Generic[PictureT]):
    """One channel's mixer. All methods belong to the tick thread, but `put_*` of the inputs it gives out.

    `tick` makes no system call and reads no clock: tick numbers are its time.
    """

    def __init__(
        self, spec: ChannelSpec, canvas: Canvas[PictureT], *, font: Path | None = None, cushion: int = CUSHION
    ) -> None:
        self._spec, self._clock, self._canvas, self._cushion = spec, spec.clock, canvas, cushion
        self._seconds = 1 / float(spec.rate)
        self._slates = {
            message: canvas.paint(paint_slate(spec.width, spec.height, message, title=spec.name, font=font))
            for message in Message
        }
        self._inputs: dict[str, _Input[PictureT]] = {}
        self._program = Program()
        self._state = SwitcherState()
        self._fitted: tuple[DecodedPicture[PictureT], PictureT] | None = None
        self._sound: str | None = None
        self.anchor = ProgrammeTime(0)
        """Programme time of tick 0; only the burn-in needs it."""

    def attach(self, feed: str) -> MixerInput[PictureT]:
        """The input of a feed, made where there is none: decoder threads put into it."""
        if feed not in self._inputs:
            self._inputs[feed] = _Input(
                MixerInput(), InputTimeline(self._clock, cushion=self._cushion), InputHealth()
            )
        return self._inputs[feed].door

    def detach(self, feed: str) -> None:
        """Forget an input; what is put into it from now on is lost."""
        self._inputs.pop(feed, None)

    def set_program(self, program: Program) -> None:
        """What shall be on air from the next tick on, once it is there; attach its inputs too."""
        self._program = program

    @property
    def in_use(self) -> frozenset[str]:
        """Feeds that must stay attached: program, backup, and the one still on air until they appear."""
        wanted = (self._program.feed, self._program.backup, self._state.selection.feed, self._sound)
        return frozenset(feed for feed in wanted if feed)

    @property
    def health(self) -> dict[str, InputHealth]:
        """How each input fared at the last tick."""
        return {feed: item.health for feed, item in self._inputs.items()}

    def timeline(self, feed: str) -> InputTimeline[PictureT] | None:
        """An input's timeline, for its counters and latency; None where it is not attached."""
        item = self._inputs.get(feed)
        return item.timeline if item else None

    def tick(self, tick: int) -> Mixed[PictureT]:
        """Make tick number `tick` (each one exactly once, in order)."""
        health: dict[str, InputHealth] = {}
        for feed, item in self._inputs.items():
            for picture in item.door.take_pictures():
                item.timeline.push_picture(picture, tick)
            for sound in item.door.take_sounds():
                item.timeline.push_sound(sound, tick)
            health[feed] = item.health = item.timeline.advance(tick)
        self._state, selection, changes = step(self._state, health, self._program, tick, self._seconds)
        for feed, item in self._inputs.items():
            # On air an input's latency moves gently; one that was lost is placed anew, unseen, before it returns.
            on_air = feed in {selection.feed, selection.sound}
            item.timeline.settled = on_air or (item.timeline.settled and item.health.moving)
        return Mixed(
            tick, self._picture(selection, tick), self._samples(selection, tick), selection, tuple(changes)
        )

    def _picture(self, selection: Selection, tick: int) -> PictureT:
        picture = self._fit(selection)
        if self._spec.burn_in:
            return self._canvas.burn_in(picture, (self.anchor + self._clock.micros(tick)) // 1000)
        return picture

    def _fit(self, selection: Selection) -> PictureT:
        item = self._inputs.get(selection.feed or "")
        if selection.shown is Shown.SLATE:
            self._fitted = None
            return self._slates[selection.message]
        shown = item.timeline.picture if item else None
        if shown is None:
            # The feed on air was detached while its picture stood: the last fitted one stays.
            return self._fitted[1] if self._fitted else self._slates[selection.message]
        if self._fitted is None or self._fitted[0] is not shown:
            self._fitted = (shown, self._canvas.fit(shown))
        return self._fitted[1]

    def _samples(self, selection: Selection, tick: int) -> Samples:
        count = self._clock.samples_in(tick)
        former, self._sound = self._sound, selection.sound
        wanted = {former, selection.sound} - {None}
        read: dict[str | None, Samples] = {None: np.zeros((count, 2), np.float32)}
        for feed, item in self._inputs.items():
            if feed in wanted:
                read[feed] = item.timeline.samples()
            else:
                item.timeline.discard()
        now = read.get(selection.sound, read[None])
        if former != selection.sound:
            now = crossfaded(read.get(former, read[None]), now, CROSSFADE)
        return limited(now)

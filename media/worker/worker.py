"""One channel on air: puts encoders, packaging, tape and origin around the programme, and reports what viewers see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from av import VideoFrame

from media.adapters.av_encode import AudioEncoder
from media.adapters.encoders import open_encoder
from media.contracts.channels import PictureChanged, Program
from media.contracts.isos import FeedPlaced
from media.mix.mixer import Mixed, Mixer
from media.mix.switcher import Program as MixProgram
from media.mix.switcher import Shown
from media.mix.timeline import InputTimeline
from media.model.channel import ChannelSpec, ChannelState
from media.model.errors import EngineError
from media.model.time import ProgrammeTime
from media.packaging.codecs import codec_string
from media.packaging.fmp4 import init_tracks
from media.packaging.live import LiveChannel
from media.packaging.parts import AUDIO, Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.ports import Encoder
from media.record.recorder import Recorder
from media.worker.encoders import AudioThread, RungThread
from media.worker.inputs import Inputs, OpenTap
from media.worker.programme import Programme
from runtime import logs

log = logs.get("media.worker")

TEND_EVERY = 0.5
"""Seconds between looks at what can be detached."""
ERRAND_TIMEOUT = 5.0

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Encoders:
    """Opened and warm: one per rung in the ladder's order, and the audio's."""

    rungs: Sequence[Encoder[VideoFrame]]
    audio: AudioEncoder


async def open_encoders(spec: ChannelSpec) -> Encoders:
    """Open all encoders of a channel, each in a thread: opening and warming takes some 50 ms each."""

    def rung(index: int) -> Encoder[VideoFrame]:
        encoder = open_encoder(spec, spec.ladder[index])
        encoder.warm()
        return encoder

    async with asyncio.TaskGroup() as tasks:
        opened = [tasks.create_task(asyncio.to_thread(rung, index)) for index in range(len(spec.ladder))]
        audio = tasks.create_task(asyncio.to_thread(AudioEncoder, spec))
    return Encoders([task.result() for task in opened], audio.result())


@dataclass(frozen=True, slots=True)
class EpochStart:
    """Where an epoch begins: what the tape said and the database gave."""

    epoch: int
    first_epoch: int
    """The channel's oldest."""
    anchor: ProgrammeTime
    first_msn: int


class Tell(Protocol):
    """Publishes what happened; must not block."""

    def __call__(self, event: PictureChanged) -> None:
        """Publish it."""
        ...


class Worker:
    """See the module. Everything but what threads hand over runs on one event loop."""

    def __init__(
        self,
        spec: ChannelSpec,
        mixer: Mixer[VideoFrame],
        open_tap: OpenTap,
        tasks: asyncio.TaskGroup,
        publish: Tell,
    ) -> None:
        self._spec = spec
        self._mixer = mixer
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._inputs = Inputs(open_tap, tasks)
        self._programme = Programme(spec, mixer, on_mixed=self._mixed, on_failure=self._failed)
        self._program = MixProgram()
        self._changing = asyncio.Lock()
        self._live: LiveChannel | None = None
        self._rungs: list[RungThread] = []
        self._epoch = 0
        self._picture = ""
        self._reason = ""
        self._state = ChannelState.OFFLINE
        self.changed: Callable[[], None] = lambda: None
        """Called on the loop when what `report` says has changed."""

    # --- going on air ------------------------------------------------------------------------------------------------

    def preroll(self, program: Program) -> float:
        """Begin to mix off air. Returns the CLOCK_MONOTONIC second at which tick 0 is planned."""
        self._program = MixProgram(program.feed, program.backup)
        for feed in filter(None, (program.feed, program.backup)):
            self._inputs.take(feed, self._mixer.attach(feed))
        self._mixer.set_program(self._program)
        return self._programme.preroll()

    def go(self, at: EpochStart, encoders: Encoders, live: LiveChannel, recorder: Recorder) -> None:
        """Go on air with this epoch."""
        self._epoch = at.epoch
        self._live = live

        def deliver(part: Part) -> None:
            recorder.part(part)
            self._loop.call_soon_threadsafe(self._add, part)

        for encoder, rung in zip(encoders.rungs, self._spec.ladder, strict=True):
            self._introduce(rung.name, encoder.init_segment, rung.bitrate, live, recorder)
            segmenter = VideoSegmenter(
                self._spec, rung.name, epoch=at.epoch, first_msn=at.first_msn, anchor=at.anchor
            )
            self._rungs.append(RungThread(rung.name, encoder, segmenter, deliver, self._failed))
        self._introduce(AUDIO, encoders.audio.init_segment, self._spec.audio_bitrate, live, recorder)
        sound = AudioSegmenter(self._spec, epoch=at.epoch, first_msn=at.first_msn, anchor=at.anchor)
        audio = AudioThread(encoders.audio, sound, deliver, self._failed)
        self._state = ChannelState.SLATE
        self._programme.go(at.anchor, self._rungs, audio)

    async def run(self) -> None:
        """Tend the inputs until cancelled. Raises what ended a thread."""
        while True:
            done, _ = await asyncio.wait((self._failure,), timeout=TEND_EVERY)
            if done:
                self._failure.result()
            await self._tend()

    async def stop(self) -> None:
        """End all threads and inputs; once more does no harm."""
        self._inputs.close()
        if self._failure.done():
            self._failure.exception()  # retrieved: where several fail at once, `run` has raised one of them
        await asyncio.to_thread(self._programme.stop)

    # --- what others ask ---------------------------------------------------------------------------------------------

    async def set_program(self, program: Program, command: str) -> None:
        """Put another feed on program: the tick thread takes it before its next tick."""
        # Not while `_tend` looks: a feed on its way to the mixer is not in use yet, and would be detached for that.
        async with self._changing:
            self._program = MixProgram(program.feed, program.backup, command)
            for feed in filter(None, (program.feed, program.backup)):
                if feed not in self._inputs.feeds:
                    self._inputs.take(feed, await self._on_tick(partial(self._mixer.attach, feed)))
            await self._on_tick(partial(self._mixer.set_program, self._program))

    def report(self) -> dict[str, object]:
        """What the node shall know now; JSON values, keyed as `media.node.channels.OnAir`."""
        now, monotonic = self._programme.now()
        return {
            "epoch": self._epoch,
            "state": str(self._state),
            "picture": self._picture,
            "reason": self._reason,
            "ready": self._live is not None and self._live.ready,
            "speed": self._programme.pace().speed,
            "time": now,
            "monotonic": monotonic,
        }

    def placed(self) -> list[FeedPlaced]:
        """Where each feed in use is on the programme's time line, as far as that is known now."""
        found: list[FeedPlaced] = []
        anchor = self._programme.time_of(0)
        for feed in self._inputs.feeds:
            timeline, shift = self._mixer.timeline(feed), self._inputs.shift(feed)
            offset = timeline.offset if timeline else None
            if timeline is not None and offset is not None and shift is not None:
                place = anchor + shift - offset
                found.append(
                    FeedPlaced(channel=self._spec.id, feed=feed, offset=place, steady=timeline.settled)
                )
        return found

    @property
    def programme(self) -> Programme:
        """The tick, for its figures."""
        return self._programme

    @property
    def repeated(self) -> dict[str, int]:
        """Ticks that each rung's encoder was too slow for."""
        return {rung.name: rung.repeated for rung in self._rungs}

    @property
    def waiting(self) -> dict[str, int]:
        """Ticks that wait for each rung's encoder."""
        return {rung.name: rung.waiting for rung in self._rungs}

    def timeline(self, feed: str) -> InputTimeline[VideoFrame] | None:
        """An input's timeline in the mixer, for its counters alone: it belongs to the tick thread."""
        return self._mixer.timeline(feed)

    @property
    def inputs(self) -> Inputs:
        """The inputs, for their figures."""
        return self._inputs

    # --- inside ------------------------------------------------------------------------------------------------------

    def _introduce(
        self, rendition: str, init: bytes, bitrate: int, live: LiveChannel, recorder: Recorder
    ) -> None:
        track = init_tracks(init)[0]
        codecs = codec_string(track)
        live.add_init(rendition, init, codecs, track.width, track.height, bitrate, track.timescale)
        recorder.init(
            rendition,
            init,
            codecs=codecs,
            width=track.width,
            height=track.height,
            bitrate=bitrate,
            frame_rate=0 if rendition == AUDIO else round(self._spec.rate * 1000),
        )

    def _add(self, part: Part) -> None:
        try:
            if self._live is not None:
                self._live.add(part)
        except EngineError as error:
            self._fail(error)

    async def _tend(self) -> None:
        """Detach inputs that neither program nor picture needs any longer."""
        async with self._changing:
            for feed in self._inputs.feeds - self._mixer.in_use:
                self._inputs.drop(feed)
                await self._on_tick(partial(self._mixer.detach, feed))
        if self._state is ChannelState.SLATE:
            reason = self._inputs.reason(self._program.feed)
            if reason and reason != self._reason:
                self._reason = reason
                self.changed()

    async def _on_tick(self, errand: Callable[[], ResultT]) -> ResultT:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._programme.submit(errand)), ERRAND_TIMEOUT)
        except TimeoutError as error:
            raise EngineError(f"the tick stood still for {ERRAND_TIMEOUT:.0f} s") from error

    def _mixed(self, mixed: Mixed[VideoFrame]) -> None:
        """On the tick thread: what viewers see has changed."""
        self._loop.call_soon_threadsafe(self._show, mixed)

    def _show(self, mixed: Mixed[VideoFrame]) -> None:
        before = self._picture
        self._picture = mixed.selection.picture
        self._state = ChannelState.SLATE if mixed.selection.shown is Shown.SLATE else ChannelState.LIVE
        change = mixed.changes[-1] if mixed.changes else None
        self._reason = "" if self._picture == self._program.feed or change is None else change.reason
        if before != self._picture:
            # The tick thread has handed this over, and the ids that are bound to our tasks are unknown to it.
            log.info(
                "picture",
                channel=self._spec.id,
                epoch=self._epoch,
                picture=self._picture,
                reason=change.reason if change else "start",
                command=change.command if change else "",
            )
            self._publish(
                PictureChanged(
                    channel=self._spec.id,
                    epoch=self._epoch,
                    time=self._programme.time_of(mixed.tick),
                    picture=self._picture,
                    reason=change.reason if change else "start",
                    command=change.command if change else "",
                )
            )
        self.changed()

    def _failed(self, error: BaseException) -> None:
        """On any thread: what ended it ends the worker."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended already
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error if isinstance(error, Exception) else EngineError(repr(error)))

"""The worker process: claims an epoch, saves what the one before left, goes on air, and serves until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from av import VideoFrame

from media.adapters.av_canvas import AvCanvas
from media.adapters.feed_tap import SocketFeedTap
from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.channels import SqlChannelStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.channels import DateRange as DateRangeValue
from media.contracts.channels import Program
from media.contracts.tape import Gap, TapeGap
from media.mix.mixer import Mixer
from media.model.channel import ChannelSpec, Rung
from media.model.errors import FencedError, SpecError
from media.model.time import MICROSECONDS, SAMPLE_RATE, ProgrammeTime
from media.node.settings import WorkerSettings
from media.node.spec import to_date_range, to_spec
from media.node.store import ChannelRecord
from media.packaging.live import LiveChannel
from media.record.gaps import STOP_SLACK, KnownGap, ends, explain
from media.record.ranges import Range
from media.record.recorder import Recorder, RecorderLimits
from media.record.recovery import Recovered, recover_channel
from media.record.settings import TapeSettings
from media.worker.metrics import figures
from media.worker.origin import STATS, OriginStats, make_app
from media.worker.worker import EpochStart, Worker, open_encoders
from runtime import logs
from runtime.bus.announcer import Announcer
from runtime.bus.opening import open_bus
from runtime.bus.port import Bus
from runtime.database import Database
from runtime.figures import Figures, watched
from runtime.service import PermanentError
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline
from runtime.telemetry import DROPS, serve_metrics

log = logs.get("media.worker")

TARGET = "media.worker.process:main"
REPORT_EVERY = 1.0
PLACE_EVERY = 1.0
ORIGIN_TIMEOUT = 1.0
"""Seconds that answers under way have at the end; aiohttp's own 60 would keep a failed worker's place from the next."""
RECORDER_TIMEOUT = 3.0
"""Seconds that a stopping worker gives its recorder to commit what is whole; the rest is for recovery."""


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """Run the channel named by ``config["channel"]``. Raises `PermanentError` for settings that cannot work."""
    channel = str(lifeline.config["channel"])
    with logs.bound(role="worker", channel=channel):
        async with Database.of(settings) as database, open_bus(settings) as bus:
            record = await SqlChannelStore(database.engine).get(channel)
            try:
                chosen = [Rung(height, bitrate) for height, bitrate in lifeline.config.get("ladder", ())]
                spec = to_spec(channel, record.settings, chosen)
            except SpecError as error:
                raise PermanentError(f"the settings of {channel} cannot work: {error}") from error
            announcer = Announcer(bus)
            async with asyncio.TaskGroup() as tasks:
                announcing = tasks.create_task(announcer.run(), name="announcer")
                process = _Process(settings, lifeline, spec, SqlTapeIndex(database.engine), announcer, bus)
                try:
                    await process.run(record)
                finally:
                    await announcer.drain(1.0)
                    announcing.cancel()


class _Process:
    """What `main` composes, and how it begins and ends."""

    def __init__(
        self,
        settings: Settings,
        lifeline: Lifeline,
        spec: ChannelSpec,
        index: SqlTapeIndex,
        announcer: Announcer,
        bus: Bus,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._lifeline = lifeline
        self._spec = spec
        self._index = index
        self._announcer = announcer
        self._worker_settings = settings[WorkerSettings]
        tape = settings[TapeSettings]
        self._held_bytes = tape.held_bytes
        self._store = ObstoreSegmentStore.local(settings.data / "tape", fsync=tape.fsync)
        self._open_dir = settings.data / "open"
        self._report_due = asyncio.Event()

    async def run(self, record: ChannelRecord) -> None:
        """Go on air and stay there until told to stop, or until something fails."""
        font = self._worker_settings.font
        canvas = AvCanvas(self._spec.width, self._spec.height)
        mixer: Mixer[VideoFrame] = await asyncio.to_thread(
            Mixer,
            self._spec,
            canvas,
            font=Path(font) if font else None,
            cushion=self._worker_settings.input_cushion_ms * SAMPLE_RATE // 1000,
        )
        feeds = self._settings.socket("feeds")
        async with asyncio.TaskGroup() as tasks:
            worker = Worker(
                self._spec, mixer, lambda feed: SocketFeedTap(feeds, feed), tasks, self._announcer.tell
            )
            worker.changed = self._report_due.set
            try:
                # Mixing begins at once: while the program feed settles, all that follows is made ready.
                zero = worker.preroll(record.program)
                encoders = await open_encoders(self._spec)
                start, recovered = await self._claim(zero)
                live = LiveChannel(
                    self._spec,
                    start.epoch,
                    start.anchor,
                    recovered.history,
                    recovered.inits,
                    first_epoch=start.first_epoch,
                    first_msn=start.first_msn,
                    ram_segments=self._worker_settings.ram_segments,
                )
                recorder = self._recorder(live)
                with logs.bound(epoch=start.epoch):
                    async with self._origin(live) as (address, stats):
                        worker.go(start, encoders, live, recorder)
                        await self._on_air(
                            worker, live, recorder, address, figures(worker, live, recorder, stats)
                        )
            finally:
                await worker.stop()

    async def _claim(self, zero: float) -> tuple[EpochStart, Recovered]:
        """Take the next epoch: from here on an older worker of this channel can commit nothing more."""
        channel = self._spec.id
        wall = time.time_ns() // 1000 + int((zero - time.monotonic()) * MICROSECONDS)
        newest = await self._index.newest(channel)
        # Programme time never goes back, even where the machine's clock was set back.
        anchor = ProgrammeTime(max(wall, (newest or 0) + 1))
        epoch = await self._index.claim_epoch(channel, anchor)
        recovered = await recover_channel(
            channel,
            epoch,
            store=self._store,
            index=self._index,
            open_dir=self._open_dir,
            since=ProgrammeTime(anchor - self._spec.dvr_seconds * MICROSECONDS),
        )
        for trouble in recovered.troubles:
            log.warning("something of the tape could not be saved", epoch=epoch, trouble=trouble)
        if recovered.history:
            hole = Range(max(ends(segment) for segment in recovered.history), anchor)
            known = await self._index.known_gaps(channel, ProgrammeTime(hole.start - STOP_SLACK), anchor)
            for gap in explain(channel, hole, known) if hole.start < hole.end else ():
                self._tell_gap(gap)
        first = await self._index.first_epoch(channel)
        return EpochStart(epoch, first, anchor, recovered.next_msn), recovered

    def _tell_gap(self, known: KnownGap) -> None:
        gap = Gap(starts=known.starts, ends=known.ends, cause=known.cause)
        self._announcer.tell(TapeGap(channel=known.channel, gap=gap))

    def _recorder(self, live: LiveChannel) -> Recorder:
        return Recorder(
            self._spec.id,
            live.epoch,
            live.renditions,
            store=self._store,
            index=self._index,
            gap_log=self._index,
            open_dir=self._open_dir,
            stored=live.stored,
            trouble=self._announcer.tell,
            gap=self._tell_gap,
            limits=RecorderLimits(held_bytes=self._held_bytes),
        )

    @contextlib.asynccontextmanager
    async def _origin(self, live: LiveChannel) -> AsyncIterator[tuple[str, OriginStats]]:
        """Serve the channel on a socket of this epoch's own: a predecessor that still dies must not take it away."""
        path = self._settings.socket(f"origin-{self._spec.id}-{live.epoch}")
        for older in path.parent.glob(f"origin-{self._spec.id}-*.sock"):
            older.unlink(missing_ok=True)
        app = make_app(live, self._store)
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=ORIGIN_TIMEOUT,
        )
        await runner.setup()
        try:
            await web.UnixSite(runner, str(path), backlog=1024).start()
            yield f"unix:{path}", app[STATS]
        finally:
            await runner.cleanup()
            path.unlink(missing_ok=True)

    async def _on_air(
        self, worker: Worker, live: LiveChannel, recorder: Recorder, address: str, read: Figures
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(_recorded(recorder, self._spec.id), name="recorder")
            works = (
                worker.run(),
                self._report(worker, live, address),
                self._obey(worker, live),
                self._place(worker),
                self._tell_figures(live.epoch, read),
            )
            running = [tasks.create_task(work) for work in works]
            self._lifeline.ready(**self._figures(worker, live, address))
            log.info("on air", anchor=live.anchor, origin=address)
            await self._lifeline.stopping()
            for task in running:
                task.cancel()
            await worker.stop()
            recorder.finish()
            done, _ = await asyncio.wait((recording,), timeout=RECORDER_TIMEOUT)
            if not done:
                log.warning("the recorder did not finish; what is open is saved at the next start")
                recording.cancel()

    def _figures(self, worker: Worker, live: LiveChannel, address: str) -> dict[str, object]:
        return {**worker.report(), "anchor": live.anchor, "origin": address}

    async def _tell_figures(self, epoch: int, read: Figures) -> None:
        """Answer scrapes. A task of its own: a channel does not wait for the bus to go on air."""
        channel = self._spec.id
        DROPS.watch("announcer", lambda: self._announcer.dropped)
        with watched(read):
            async with serve_metrics(
                self._bus, f"worker-{channel}", {"channel": channel, "epoch": str(epoch)}
            ):
                await asyncio.Event().wait()

    async def _report(self, worker: Worker, live: LiveChannel, address: str) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._report_due.wait(), REPORT_EVERY)
            self._report_due.clear()
            self._lifeline.tell("state", **self._figures(worker, live, address))

    async def _place(self, worker: Worker) -> None:
        """Tell where feeds are on our time line: whoever records one as it comes can lay it beside the tape then."""
        while True:
            await asyncio.sleep(PLACE_EVERY)
            for placed in worker.placed():
                self._announcer.tell(placed)

    async def _obey(self, worker: Worker, live: LiveChannel) -> None:
        """What the node asks while on air."""
        async for asked in self._lifeline.asked():
            data = asked["data"]
            match asked["what"]:
                case "program":
                    program = Program(feed=data.get("feed"), backup=data.get("backup"))
                    await worker.set_program(program, str(data.get("command", "")))
                case "daterange":
                    value = DateRangeValue.model_validate(data)
                    live.daterange(to_date_range(value))
                case other:
                    log.warning("asked for something unknown", what=other)


async def _recorded(recorder: Recorder, channel: str) -> None:
    """Record until finished. To be fenced is permanent: a node starts a channel's next worker only after the one before
    has ended, so a newer epoch is another node's, and to start again would take the channel back and forth for ever.
    """
    try:
        await recorder.run()
    except FencedError as error:
        log.error("another node has taken the channel over", why=str(error))  # noqa: TRY400 - nothing of ours failed
        raise PermanentError(
            f"another node on this database has taken {channel} over; starting the channel here takes it back"
        ) from error

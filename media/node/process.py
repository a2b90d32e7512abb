"""The node process: channels, their workers, recordings, and the sweep of old tape."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from media.adapters.local_engine import LocalEngine
from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.sql.channels import SqlChannelStore
from media.adapters.sql.isos import SqlIsoStore
from media.adapters.sql.recordings import SqlRecordingStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.faults import guarded
from media.contracts.isos import IsoDeleted
from media.model.errors import SpecError, StoreError
from media.node.admission import Admission
from media.node.channels import Channels
from media.node.demand import tend
from media.node.machine import Machine, usable_cores
from media.node.metrics import SweepFigures, figures
from media.node.recordings import Recordings
from media.node.settings import ChannelsSettings, NodeSettings, WorkerSettings
from media.node.storage import Storage
from media.ports import EngineEvent
from media.record.iso.settings import IsoSettings
from media.record.retention import sweep
from media.record.settings import TapeSettings
from runtime import logs
from runtime.bus.announcer import Announcer
from runtime.bus.calls import serve
from runtime.bus.contract import Event
from runtime.bus.opening import open_bus
from runtime.bus.port import Bus
from runtime.database import Database
from runtime.figures import Figures, watched
from runtime.service import PermanentError
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline
from runtime.supervision.metrics import children
from runtime.supervision.process import Limits
from runtime.telemetry import DROPS, serve_metrics

log = logs.get("media.node")

WORKER = "media.worker.process:main"
SWEEP_EVERY = 60.0
MACHINE = "machine.json"
"""In the data folder: what this machine was measured at."""


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """The role `node`. Raises `PermanentError` where the settings cannot work."""
    section = settings[WorkerSettings]
    limits = Limits(
        ready_timeout=section.ready_timeout,
        heartbeat_timeout=section.heartbeat_timeout,
        memory=section.memory_limit_mb << 20,
    )
    async with Database.of(settings) as database, open_bus(settings) as bus:
        announcer = Announcer(bus)
        tape = SqlTapeIndex(database.engine)

        def listen(name: str, event: EngineEvent, data: dict[str, object]) -> None:
            channels.listen(name, event, data)

        async with (
            asyncio.TaskGroup() as measuring,
            LocalEngine(WORKER, listen, limits=limits, spares=section.spares) as engine,
        ):
            machine = Machine(
                settings.data / MACHINE,
                measuring,
                capacity=settings[NodeSettings].capacity,
                cores=usable_cores(),
            )
            machine.load()
            channels = Channels(
                SqlChannelStore(database.engine), engine, tape, announcer.tell, Admission(machine)
            )
            recordings = Recordings(channels, SqlRecordingStore(database.engine), tape)
            try:
                await channels.load(settings[ChannelsSettings].seed)
            except SpecError as error:
                raise PermanentError(f"channels.seed: {error.field}: {error}") from error
            storage = Storage(
                settings.data / "tape",
                tape,
                SqlRecordingStore(database.engine),
                SqlIsoStore(database.engine),
                ObstoreSegmentStore.local(settings.data / "tape", fsync=False),
                min_free=settings[TapeSettings].min_free_bytes,
            )
            handlers = guarded({**channels.handlers(), **recordings.handlers(), **storage.handlers()})
            sweeps = SweepFigures()
            async with (
                serve(bus, handlers),
                _telling(bus, figures(channels, sweeps), engine, announcer),
                asyncio.TaskGroup() as tasks,
            ):
                running = [
                    tasks.create_task(announcer.run(), name="announcer"),
                    tasks.create_task(
                        _sweep(
                            settings,
                            channels,
                            tape,
                            SqlRecordingStore(database.engine),
                            SqlIsoStore(database.engine),
                            sweeps,
                            announcer.tell,
                        ),
                        name="sweep",
                    ),
                    tasks.create_task(tend(channels, recordings), name="demand"),
                ]
                lifeline.ready(channels=len(channels.ids()))
                await lifeline.stopping()
                for task in running:
                    task.cancel()
                machine.close()


@contextlib.asynccontextmanager
async def _telling(bus: Bus, read: Figures, engine: LocalEngine, announcer: Announcer) -> AsyncIterator[None]:
    DROPS.watch("announcer", lambda: announcer.dropped)
    with watched(read, children(engine.supervisor)):
        async with serve_metrics(bus, "node"):
            yield


async def _sweep(
    settings: Settings,
    channels: Channels,
    tape: SqlTapeIndex,
    recordings: SqlRecordingStore,
    isos: SqlIsoStore,
    sweeps: SweepFigures,
    tell: Callable[[Event], None],
) -> None:
    """Let go of old tape, once a minute. Trouble is told and tried again; it never ends the node."""
    policy = replace(settings[TapeSettings].policy, iso_days=settings[IsoSettings].keep_days)
    root = settings.data / "tape"
    store = ObstoreSegmentStore.local(root, fsync=False)
    while True:
        await asyncio.sleep(SWEEP_EVERY)
        try:
            sweeps.free = await asyncio.to_thread(_free, root)
            swept = await sweep(
                policy,
                now=time.time_ns() // 1000,
                free=sweeps.free,
                windows={channel: channels.longest_dvr(channel) for channel in channels.ids()},
                index=tape,
                recordings=recordings,
                store=store,
                isos=isos,
            )
        except StoreError as error:
            sweeps.failed += 1
            log.warning("old tape could not be swept", error=str(error))
            continue
        sweeps.done += 1
        sweeps.objects += swept.objects
        sweeps.recordings += len(swept.recordings)
        for recording in swept.recordings:
            log.warning("a recording was let go", recording=recording)
        sweeps.isos += len(swept.isos)
        for iso in swept.isos:
            log.warning("a recording of a feed was let go", iso=iso)
            tell(IsoDeleted(iso=iso))
        for reason in swept.reasons:
            log.warning("tape was let go early", reason=reason)


def _free(root: Path) -> int:
    return shutil.disk_usage(root).free

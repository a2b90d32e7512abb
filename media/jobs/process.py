"""The jobs process: puts the queue, the tape, the remuxer and the pictures of feeds together and answers commands."""

from __future__ import annotations

import asyncio
import contextlib

from media.adapters.av_remux import remux
from media.adapters.av_storyboard import draw
from media.adapters.feed_tap import SocketFeedTap
from media.adapters.obstore_store import ObstoreSegmentStore
from media.adapters.picture_child import PictureChild
from media.adapters.sql.isos import SqlIsoStore
from media.adapters.sql.jobs import SqlJobStore
from media.adapters.sql.recordings import SqlRecordingStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.faults import guarded
from media.contracts.feeds import FeedView, GetFeed
from media.contracts.jobs import (
    ExportRecording,
    GetFeedPicture,
    GetJob,
    JobChanged,
    JobView,
    ListJobs,
    MakeStoryboard,
)
from media.jobs.exports import Exports
from media.jobs.isos import Isos
from media.jobs.metrics import telling
from media.jobs.pictures import Items, Pictures
from media.jobs.settings import JobsSettings
from media.jobs.storyboards import Storyboards
from media.record.iso.settings import IsoSettings
from media.record.settings import TapeSettings
from runtime.bus import open_bus
from runtime.bus.announcer import Announcer
from runtime.bus.calls import call, publish, serve
from runtime.bus.port import BusUnavailableError
from runtime.database import Database
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline

LOOK_SECONDS = 2.0
"""For ingest to say how a feed fares."""


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """The role `jobs`, until the lifeline says stop."""
    store = ObstoreSegmentStore.local(settings.data / "tape", fsync=settings[TapeSettings].fsync)
    async with open_bus(settings) as bus, Database.of(settings) as database:

        async def changed(job: JobView) -> None:
            with contextlib.suppress(BusUnavailableError):  # who missed it asks with GetJob
                await publish(bus, JobChanged(job=job))

        recordings, index = SqlRecordingStore(database.engine), SqlTapeIndex(database.engine)
        storyboards = Storyboards(recordings, index, store, draw)
        exports = Exports(
            jobs=SqlJobStore(database.engine),
            recordings=recordings,
            index=index,
            store=store,
            remux=remux,
            storyboards=storyboards,
            folder=settings.data / "exports",
            changed=changed,
            timeout=settings[JobsSettings].export_timeout,
        )
        announcer = Announcer(bus)
        feeds = settings.socket("feeds")
        isos = Isos(
            SqlIsoStore(database.engine),
            lambda feed: SocketFeedTap(feeds, feed),
            settings.data / "tape",
            settings[IsoSettings],
            announcer.tell,
        )

        async def look(feed: str) -> FeedView:
            return await call(bus, GetFeed(feed=feed, cause="jobs.picture"), timeout=LOOK_SECONDS)

        def tap(feed: str) -> Items:
            return aiter(SocketFeedTap(feeds, feed))

        child = PictureChild()
        pictures = Pictures(look, tap, child.draw)
        handlers = guarded(
            {
                **isos.handlers(),
                ExportRecording: exports.export,
                MakeStoryboard: exports.storyboard,
                GetJob: exports.get,
                ListJobs: exports.newest,
                GetFeedPicture: pictures.get,
            }
        )
        async with (
            contextlib.aclosing(child),
            contextlib.aclosing(pictures),
            serve(bus, handlers),
            telling(bus, exports, pictures, isos, announcer),
            contextlib.aclosing(storyboards),
            asyncio.TaskGroup() as tasks,
        ):
            running = [
                tasks.create_task(announcer.run(), name="announcer"),
                tasks.create_task(exports.run(), name="exports"),
                tasks.create_task(isos.run(bus), name="isos"),
            ]
            lifeline.ready()
            await lifeline.stopping()
            for task in running:
                task.cancel()

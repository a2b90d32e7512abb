"""All that the web talks to over the bus, in memory and really working: channels, feeds, recordings, jobs, shows, products."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from media.contracts import channels as ch
from media.contracts import feeds as fe
from media.contracts import jobs as jo
from media.contracts import tape as ta
from media.model.channel import ChannelSpec, ChannelState, Rung
from media.model.errors import SpecError
from media.model.feed import FeedKind, FeedPhase
from runtime.bus.calls import Handler, publish, serve
from runtime.bus.contract import Command, CommandError, Done, Event, Fault
from runtime.bus.port import Bus
from studio.contracts import shows as sh
from studio.contracts.shows import ShowState
from tests.support.bridge_owner import BridgeOwner
from tests.support.card_owner import CardOwner
from tests.support.iso_owner import IsoOwner


def now() -> int:
    return time.time_ns() // 1000


def missing(what: str) -> CommandError:
    return CommandError(Fault.NOT_FOUND, f"there is no {what}")


def conflict(why: str) -> CommandError:
    return CommandError(Fault.CONFLICT, why)


class Owners:
    """Has the state; `serving` answers for it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.channels: dict[str, ch.ChannelView] = {}
        self.feeds: dict[str, fe.FeedView] = {}
        self.recordings: dict[str, ta.RecordingView] = {}
        self._isos = IsoOwner(bus)
        self.isos = self._isos.isos
        self.bridge = BridgeOwner(bus)
        self.cards = CardOwner(bus, self.show)
        self.jobs: dict[str, jo.JobView] = {}
        self.storyboards: list[str] = []
        """Recordings that one was asked for of, in order."""
        self.pictures: dict[str, bytes] = {}
        """JPEG by feed; a feed without one is told to be idle."""
        self.shows: dict[str, sh.ShowView] = {}
        self.logs: dict[str, list[sh.LogEntry]] = {}
        self.origin = ""
        self.broken = False
        """Handlers fail with a bug."""
        self.full = False
        """No channel is admitted unless it is forced."""
        self.watched: list[str] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Owners]:
        handlers: dict[type[Command[Any]], Handler] = {
            ch.CreateChannel: self.create_channel,
            ch.UpdateChannel: self.update_channel,
            ch.StartChannel: self.start_channel,
            ch.StopChannel: self.stop_channel,
            ch.DeleteChannel: self.delete_channel,
            ch.ListChannels: self.list_channels,
            ch.GetChannel: self.get_channel,
            ch.WatchChannel: self.watch_channel,
            ch.GetCapacity: self.get_capacity,
            ch.SetProgram: self.set_program,
            fe.CreateFeed: self.create_feed,
            fe.UpdateFeed: self.update_feed,
            fe.RotateKey: self.rotate_key,
            fe.DeleteFeed: self.delete_feed,
            fe.ListFeeds: self.list_feeds,
            fe.GetFeed: self.get_feed,
            **self._isos.handlers(),
            **self.bridge.handlers(),
            **self.cards.handlers(),
            ta.ListRecordings: self.list_recordings,
            ta.GetRecording: self.get_recording,
            ta.DeleteRecording: self.delete_recording,
            ta.GetStorage: self.get_storage,
            jo.ExportRecording: self.export,
            jo.MakeStoryboard: self.storyboard,
            jo.GetFeedPicture: self.feed_picture,
            jo.GetJob: self.get_job,
            jo.ListJobs: self.list_jobs,
            sh.CreateShow: self.create_show,
            sh.UpdateShow: self.update_show,
            sh.StartShow: self.start_show,
            sh.StopShow: self.stop_show,
            sh.DeleteShow: self.delete_show,
            sh.GetShow: self.get_show,
            sh.ListShows: self.list_shows,
            sh.ReadLog: self.read_log,
            sh.AddMark: self.add_mark,
        }
        async with serve(self.bus, handlers):
            yield self

    async def tell(self, event: Event) -> None:
        await publish(self.bus, event)

    # --- channels

    async def put(self, view: ch.ChannelView) -> ch.ChannelView:
        self.channels[view.id] = view
        await self.tell(ch.ChannelChanged(channel=view))
        return view

    def channel(self, name: str) -> ch.ChannelView:
        if name not in self.channels:
            raise missing(f"channel {name}")
        return self.channels[name]

    async def move(self, name: str, origin: str) -> ch.ChannelView:
        """The next worker of a channel is on air elsewhere; an empty origin: none is."""
        view = self.channel(name)
        return await self.put(view.model_copy(update={"origin": origin, "epoch": view.epoch + bool(origin)}))

    async def create_channel(self, command: ch.CreateChannel) -> ch.ChannelView:
        if command.channel in self.channels:
            raise conflict(f"there is a channel {command.channel} already")
        self._check(command.channel, command.settings)
        if command.start:
            self._admit(force=command.force)
        view = ch.ChannelView(id=command.channel, settings=command.settings, version=1, wanted=False)
        return await self.put(self._on_air(view) if command.start else view)

    async def watch_channel(self, command: ch.WatchChannel) -> ch.ChannelView:
        self.watched.append(command.channel)
        view = self.channel(command.channel)
        return await self.put(self._on_air(view).model_copy(update={"idle": False})) if view.idle else view

    async def get_capacity(self, command: ch.GetCapacity) -> ch.CapacityView:
        return ch.CapacityView(
            cpu="a processor",
            cores=2,
            limit=1.8,
            used=[ch.CapacityUse(channel="main", cores=1.5)],
            left=0.3,
            measured=["veryfast"],
            needs=0.74 if command.channel else 0.0,
            fits=[ch.RungValue(height=360, bitrate=700_000)] if command.channel else [],
            fits_needs=0.25 if command.channel else 0.0,
        )

    def _on_air(self, view: ch.ChannelView) -> ch.ChannelView:
        return view.model_copy(
            update={
                "wanted": True,
                "state": ChannelState.SLATE,
                "epoch": view.epoch + 1,
                "origin": self.origin,
                "ready": True,
            }
        )

    @staticmethod
    def _check(name: str, settings: ch.ChannelSettings) -> None:
        try:
            ladder = tuple(Rung(rung.height, rung.bitrate) for rung in settings.ladder) or (
                Rung(64, 100_000),
            )
            ChannelSpec(name, width=settings.width, height=settings.height, ladder=ladder)
        except SpecError as error:
            raise CommandError(Fault.INVALID, str(error), field=error.field) from error

    async def update_channel(self, command: ch.UpdateChannel) -> ch.ChannelView:
        view = self.channel(command.channel)
        if command.version not in {None, view.version}:
            raise conflict("the version is stale")
        self._check(command.channel, command.settings)
        changed = {"settings": command.settings, "version": view.version + 1}
        return await self.put(view.model_copy(update=changed))

    async def start_channel(self, command: ch.StartChannel) -> ch.ChannelView:
        view = self.channel(command.channel)
        if view.wanted:
            return view
        self._admit(force=command.force)
        return await self.put(self._on_air(view))

    def _admit(self, *, force: bool) -> None:
        if self.full and not force:
            raise CommandError(Fault.CONFLICT, "main takes 1.50; 0.30 is left", field="force")

    async def stop_channel(self, command: ch.StopChannel) -> ch.ChannelView:
        view = self.channel(command.channel)
        off = {"wanted": False, "state": ChannelState.OFFLINE, "origin": "", "ready": False}
        return await self.put(view.model_copy(update=off))

    async def delete_channel(self, command: ch.DeleteChannel) -> Done:
        if self.channel(command.channel).wanted:
            raise conflict("the channel is on air")
        del self.channels[command.channel]
        await self.tell(ch.ChannelDeleted(channel=command.channel))
        return Done()

    async def list_channels(self, command: ch.ListChannels) -> ch.ChannelList:
        if self.broken and command.cause.startswith("api:"):
            raise RuntimeError("secret detail")
        return ch.ChannelList(channels=list(self.channels.values()))

    async def get_channel(self, command: ch.GetChannel) -> ch.ChannelView:
        return self.channel(command.channel)

    async def set_program(self, command: ch.SetProgram) -> ch.ChannelView:
        view = self.channel(command.channel)
        if command.version not in {None, view.version}:
            raise conflict("the version is stale")
        for field, feed in (("feed", command.feed), ("backup", command.backup)):
            if feed is not None and feed not in self.feeds:
                raise CommandError(Fault.INVALID, f"there is no feed {feed}", field=field)
        program = ch.Program(feed=command.feed, backup=command.backup)
        state = ChannelState.LIVE if command.feed else ChannelState.SLATE
        version = view.version + (program != view.program)
        return await self.put(
            view.model_copy(update={"program": program, "state": state, "version": version})
        )

    # --- feeds

    def feed(self, name: str) -> fe.FeedView:
        if name not in self.feeds:
            raise missing(f"feed {name}")
        return self.feeds[name]

    def _secret(self, view: fe.FeedView) -> fe.FeedSecret:
        self.feeds[view.id] = view
        if view.kind is not FeedKind.RTMP:
            return fe.FeedSecret(feed=view)
        key = secrets.token_urlsafe(12)
        return fe.FeedSecret(feed=view, stream_key=key, publish_url=f"{view.publish_url}/{key}")

    async def create_feed(self, command: fe.CreateFeed) -> fe.FeedSecret:
        name = command.feed or f"f-{secrets.token_hex(4)}"
        if name in self.feeds:
            raise conflict(f"there is a feed {name} already")
        return self._secret(
            fe.FeedView(
                id=name,
                kind=command.kind,
                name=command.name,
                second_publisher=command.second_publisher,
                options=command.options,
                version=1,
                publish_url="rtmp://127.0.0.1/live" if command.kind is FeedKind.RTMP else "",
            )
        )

    async def update_feed(self, command: fe.UpdateFeed) -> fe.FeedView:
        view = self.feed(command.feed)
        if command.version not in {None, view.version}:
            raise conflict("the version is stale")
        changes = command.model_dump(include={"name", "second_publisher", "options"}, exclude_none=True)
        view = view.model_copy(update={**changes, "version": view.version + 1})
        self.feeds[view.id] = view
        return view

    async def rotate_key(self, command: fe.RotateKey) -> fe.FeedSecret:
        view = self.feed(command.feed)
        return self._secret(view.model_copy(update={"version": view.version + 1}))

    async def delete_feed(self, command: fe.DeleteFeed) -> Done:
        del self.feeds[self.feed(command.feed).id]
        return Done()

    async def list_feeds(self, command: fe.ListFeeds) -> fe.FeedList:
        return fe.FeedList(feeds=list(self.feeds.values()))

    async def get_feed(self, command: fe.GetFeed) -> fe.FeedView:
        return self.feed(command.feed)

    # --- recordings and jobs

    def recording(self, name: str) -> ta.RecordingView:
        if name not in self.recordings:
            raise missing(f"recording {name}")
        return self.recordings[name]

    async def list_recordings(self, command: ta.ListRecordings) -> ta.RecordingList:
        found = [r for r in self.recordings.values() if command.channel in {None, r.channel}]
        return ta.RecordingList(recordings=sorted(found, key=lambda r: -r.started))

    async def get_recording(self, command: ta.GetRecording) -> ta.RecordingView:
        return self.recording(command.recording)

    async def delete_recording(self, command: ta.DeleteRecording) -> Done:
        if not self.recording(command.recording).ended:
            raise conflict("the recording runs")
        del self.recordings[command.recording]
        return Done()

    async def get_storage(self, command: ta.GetStorage) -> ta.StorageView:
        kept = sum(recording.size for recording in self.recordings.values())
        return ta.StorageView(total=1000, free=400, tape=kept + 50, recordings=kept, exports=7, min_free=100)

    async def export(self, command: jo.ExportRecording) -> jo.JobView:
        self.recording(command.recording)
        name = f"export-{command.recording}"
        if name not in self.jobs:
            if command.only_existing:
                raise missing("export")
            self.jobs[name] = jo.JobView(
                id=name, kind="export", recording=command.recording, state=jo.JobState.QUEUED
            )
        return self.jobs[name]

    async def storyboard(self, command: jo.MakeStoryboard) -> jo.JobView:
        self.recording(command.recording)
        self.storyboards.append(command.recording)
        return jo.JobView(id="s", kind="storyboard", recording=command.recording, state=jo.JobState.QUEUED)

    async def feed_picture(self, command: jo.GetFeedPicture) -> jo.FeedPicture:
        view = self.feed(command.feed)
        if view.phase is FeedPhase.STALLED:
            raise CommandError(Fault.UNAVAILABLE, "no keyframe came")
        if view.id not in self.pictures:
            raise conflict(f"the feed is {view.phase}")
        jpeg = base64.b64encode(self.pictures[view.id]).decode()
        return jo.FeedPicture(feed=view.id, jpeg=jpeg, fresh=3.7)

    async def list_jobs(self, command: jo.ListJobs) -> jo.JobList:
        return jo.JobList(jobs=list(self.jobs.values())[-command.limit :])

    async def get_job(self, command: jo.GetJob) -> jo.JobView:
        if command.job not in self.jobs:
            raise missing(f"job {command.job}")
        return self.jobs[command.job]

    # --- shows

    def show(self, name: str) -> sh.ShowView:
        if name not in self.shows:
            raise missing(f"show {name}")
        return self.shows[name]

    def _keep(self, view: sh.ShowView, **changes: object) -> sh.ShowView:
        view = view.model_copy(update={**changes, "version": view.version + 1})
        self.shows[view.id] = view
        return view

    def write(self, show: str, kind: str, **data: object) -> sh.LogEntry:
        log = self.logs.setdefault(show, [])
        entry = sh.LogEntry(seq=len(log) + 1, at=now(), time=now() + 1, type=kind, data=data)
        log.append(entry)
        return entry

    async def create_show(self, command: sh.CreateShow) -> sh.ShowView:
        if command.channel not in self.channels:
            raise CommandError(Fault.INVALID, f"there is no channel {command.channel}", field="channel")
        view = sh.ShowView(
            id=f"s{len(self.shows) + 1}",
            title=command.title,
            channel=command.channel,
            state=ShowState.DRAFT,
            version=1,
            created=now(),
        )
        self.shows[view.id] = view
        return view

    async def update_show(self, command: sh.UpdateShow) -> sh.ShowView:
        view = self.show(command.show)
        if command.version not in {None, view.version}:
            raise conflict("the version is stale")
        changes = command.model_dump(include={"title", "channel"}, exclude_none=True)
        return self._keep(view, **changes)

    async def start_show(self, command: sh.StartShow) -> sh.ShowView:
        view = self.show(command.show)
        if view.state is ShowState.LIVE:
            return view
        if view.state is ShowState.ENDED:
            raise conflict("the show has ended")
        recording = f"r-{view.id}"
        self.recordings[recording] = ta.RecordingView(id=recording, channel=view.channel, started=now())
        self.write(view.id, "show.started")
        return self._keep(view, state=ShowState.LIVE, started=now(), recording=recording)

    async def stop_show(self, command: sh.StopShow) -> sh.ShowView:
        view = self.show(command.show)
        if view.state is ShowState.ENDED:
            return view
        if view.state is ShowState.DRAFT:
            raise conflict("the show has not begun")
        running = self.recordings[view.recording]
        self.recordings[view.recording] = running.model_copy(update={"ended": now()})
        self.write(view.id, "show.stopped")
        return self._keep(view, state=ShowState.ENDED, ended=now())

    async def delete_show(self, command: sh.DeleteShow) -> Done:
        if self.show(command.show).state is ShowState.LIVE:
            raise conflict("the show is live")
        del self.shows[command.show]
        return Done()

    async def get_show(self, command: sh.GetShow) -> sh.ShowView:
        return self.show(command.show)

    async def list_shows(self, command: sh.ListShows) -> sh.ShowList:
        found = [
            view
            for view in reversed(self.shows.values())
            if command.state in {None, view.state} and command.channel in {None, view.channel}
        ]
        try:
            start = int(command.cursor or 0)
        except ValueError as error:
            raise CommandError(Fault.INVALID, "this is no cursor", field="cursor") from error
        page = found[start : start + command.limit]
        end = start + command.limit
        return sh.ShowList(shows=page, next=str(end) if end < len(found) else "")

    async def read_log(self, command: sh.ReadLog) -> sh.LogPage:
        self.show(command.show)
        entries = [entry for entry in self.logs.get(command.show, []) if entry.seq > command.after]
        return sh.LogPage(entries=entries[: command.limit])

    async def add_mark(self, command: sh.AddMark) -> sh.LogEntry:
        if self.show(command.show).state is not ShowState.LIVE:
            raise conflict("the show is not live")
        return self.write(command.show, "mark", label=command.label, by=command.by)

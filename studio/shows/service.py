"""What each command on a show means. Media keeps the tape, the store keeps the show, the journal keeps the log."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from media.contracts.channels import ChannelView
from runtime import logs
from runtime.bus.contract import CommandError, Done, Event, Fault
from studio.contracts.shows import (
    AddMark,
    CreateShow,
    DeleteShow,
    GetShow,
    ListShows,
    LogEntry,
    LogPage,
    ReadLog,
    ShowChanged,
    ShowDeleted,
    ShowList,
    ShowView,
    StartShow,
    StopShow,
    UpdateShow,
)
from studio.model.errors import ConflictError, InvalidError, NotFoundError, StoreError, StudioError
from studio.model.show import Show, ShowState, abandon, begin, change, draft, end, went_live
from studio.ports import ShowStore
from studio.showlog.journals import Journal, Journals
from studio.showlog.lines import to_line
from studio.showlog.programme import ProgrammeTimes
from studio.shows.following import Following
from studio.shows.locks import NamedLocks
from studio.shows.media import MediaDesk
from studio.shows.newsroom import Newsroom

log = logs.get("studio.shows")

PAGE_BYTES = 700_000
"""A page of a log fits one message of the bus with ease; the reader asks on from the last seq it got."""


def view(show: Show) -> ShowView:
    """The show as others see it: a pending start is nobody else's business."""
    begun = show.state is not ShowState.DRAFT
    return ShowView(
        id=show.id,
        title=show.title,
        channel=show.channel,
        state=show.state,
        version=show.version,
        created=show.created,
        started=show.started,
        ended=show.ended,
        recording=show.recording if begun else "",
    )


class ShowService:
    """Handlers of all commands of `studio.contracts.shows`. Raises `StudioError` and the media's `CommandError`."""

    def __init__(
        self,
        *,
        store: ShowStore,
        journals: Journals,
        newsroom: Newsroom,
        media: MediaDesk,
        times: ProgrammeTimes,
        following: Following,
        locks: NamedLocks,
        tell: Callable[[Event], None],
        now: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        """`locks`: `show/<id>` is held while a show is changed, by others too."""
        self._following = following
        self._store = store
        self._journals = journals
        self._newsroom = newsroom
        self._media = media
        self._times = times
        self._tell = tell
        self._now = now
        self._new_id = new_id
        self._locks = locks
        self._untold: dict[str, Journal] = {}
        """Live shows whose log does not say yet that the studio was restarted."""

    async def create(self, command: CreateShow) -> ShowView:
        """Plan a show. The channel need not exist yet; starting on one that does not is refused by the media."""
        show = draft(show=self._new_id(), title=command.title, channel=command.channel, created=self._now())
        await self._store.add(show)
        return self._changed(show)

    async def update(self, command: UpdateShow) -> ShowView:
        """Another title or channel; a new title of a live show is in its log."""
        async with self._locks.hold(f"show/{command.show}"):
            was = await self._store.get(command.show)
            show = change(was, version=command.version, title=command.title, channel=command.channel)
            if show == was:
                return view(was)
            await self._store.save(show, was=was)
            if show.title != was.title and (journal := self._journals.find(show.id)):
                self._note(journal, show, "show.renamed", {"title": show.title, "cause": command.cause})
            return self._changed(show)

    async def start(self, command: StartShow) -> ShowView:
        """Open tape and log. Either both are open afterwards, or the show is the draft that it was."""
        async with self._locks.hold(f"show/{command.show}"):
            show = await self._store.get(command.show)
            if show.state is ShowState.LIVE:
                return view(show)
            if show.state is ShowState.ENDED:
                raise ConflictError("the show has ended; plan a new one")
            await self._following.may_start(show)
            async with self._locks.hold(f"channel/{show.channel}"):
                return await self._start(show, command)

    async def _start(self, show: Show, command: StartShow) -> ShowView:
        others = await self._store.page(state=ShowState.LIVE, channel=show.channel, limit=1, after=None)
        if others:
            raise ConflictError(f"“{others[0].title}” is live on channel {show.channel}", field="channel")
        journal = await self._journals.open(show.id)  # reads only: its file begins with the first entry
        cause = f"start show {show.id} ({command.cause})"
        try:
            channel = await self._media.channel(show.channel)
            live = await self._record(await self._settled(show, cause), cause)
        except BaseException as error:
            await self._journals.close(show.id)
            if isinstance(error, CommandError):
                raise _not_done(error, "the show was not started") from error
            raise
        await self._media.sample_time(live.channel)
        self._opening(journal, live, channel, cause=command.cause)
        try:
            await self._following.began(live, journal)
        except StudioError as error:  # the show is live all the same, and `resume` says it again
            log.warning("a show's cards could not be taken up yet", show=live.id, error=str(error))
        return self._changed(live)

    async def _record(self, show: Show, cause: str) -> Show:
        """The show, live. When the answer does not come, or cannot be kept, the start stays pending: `resume` takes
        the recording back as soon as the media answers.
        """
        pending = begin(show)
        await self._store.save(pending, was=show)
        try:
            recording = await self._media.start_recording(show.channel, pending.recording, cause=cause)
        except CommandError as error:
            if error.fault not in {Fault.UNAVAILABLE, Fault.INTERNAL}:  # a clear no: surely nothing runs
                await self._store.save(abandon(pending), was=pending)
            raise
        live = went_live(pending, started=recording.started)
        await self._store.save(live, was=pending)
        return live

    def _opening(self, journal: Journal, show: Show, channel: ChannelView | None, *, cause: str) -> None:
        data: dict[str, object] = {
            "title": show.title,
            "channel": show.channel,
            "recording": show.recording,
            "cause": cause,
        }
        if channel is not None:
            data |= {
                "program": self._newsroom.program(channel),
                "picture": channel.picture,
                "epoch": channel.epoch,
            }
        journal.note("show.started", at=self._now(), time=show.started, data=data)
        self._newsroom.on_air(show.channel, journal, since=show.started)

    async def _settled(self, show: Show, cause: str) -> Show:
        """The draft with no start pending: what an earlier one may have left running is taken back first."""
        if not show.pending:
            return show
        await self._media.take_back(show.recording, cause=cause)
        settled = abandon(show)
        await self._store.save(settled, was=show)
        return settled

    async def stop(self, command: StopShow) -> ShowView:
        """Close tape and log, in this order: the log's last entry is where the tape ends."""
        async with self._locks.hold(f"show/{command.show}"):
            show = await self._store.get(command.show)
            if show.state is ShowState.ENDED:
                return view(show)
            if show.state is ShowState.DRAFT:
                raise ConflictError("the show has not started")
            try:
                recording = await self._media.stop_recording(
                    show.recording, cause=f"stop show {show.id} ({command.cause})"
                )
                ended = recording.ended
            except CommandError as error:
                if error.fault is not Fault.NOT_FOUND:
                    raise _not_done(error, "the show is still live") from error
                # Somebody deleted the tape under the show: it must be possible to end it all the same.
                ended = self._times.at(show.channel, self._now())
                log.warning("the recording of a live show is gone", show=show.id, recording=show.recording)
            return await self._end(show, ended=ended, cause=command.cause)

    async def _end(self, show: Show, *, ended: int, cause: str) -> ShowView:
        over = end(show, ended=ended)
        journal = await self._journals.open(show.id)
        self._newsroom.off_air(show.channel, journal)
        self._untold.pop(show.id, None)
        self._following.ended(show, time=over.ended)
        if journal.last is None or journal.last.type != "show.stopped":
            journal.note("show.stopped", at=self._now(), time=over.ended, data={"cause": cause})
        if not await self._journals.close(show.id):
            log.error("the end of a show log is not written yet: the disk does not take it", show=show.id)
        await self._store.save(over, was=show)
        return self._changed(over)

    async def delete(self, command: DeleteShow) -> Done:
        """Tape, log, show, in this order: what fails half way is found again and done by the next try."""
        async with self._locks.hold(f"show/{command.show}"):
            show = await self._store.get(command.show)
            if show.state is ShowState.LIVE:
                raise ConflictError("a live show cannot be deleted; stop it first")
            cause = f"delete show {show.id} ({command.cause})"
            try:
                show = await self._settled(show, cause)
                if show.state is ShowState.ENDED:
                    await self._media.forget(show.recording, cause=cause)
            except CommandError as error:
                raise _not_done(error, "the show was not deleted") from error
            await self._journals.delete(show.id)
            await self._following.deleted(show.id)
            await self._store.delete(show.id)
        self._tell(ShowDeleted(show=command.show))
        return Done()

    async def get(self, command: GetShow) -> ShowView:
        """One show."""
        return view(await self._store.get(command.show))

    async def list(self, command: ListShows) -> ShowList:
        """A page, newest first."""
        found = await self._store.page(
            state=command.state,
            channel=command.channel,
            limit=command.limit + 1,
            after=_place(command.cursor) if command.cursor else None,
        )
        shows = found[: command.limit]
        return ShowList(
            shows=[view(s) for s in shows], next=_cursor(shows[-1]) if len(found) > len(shows) else ""
        )

    async def read_log(self, command: ReadLog) -> LogPage:
        """A page of the log."""
        await self._store.get(command.show)
        found = await self._journals.read(command.show, after=command.after, limit=command.limit)
        entries, room = found[:1], PAGE_BYTES
        for entry in found[1:]:
            room -= len(to_line(entry))
            if room < 0:
                break
            entries.append(entry)
        return LogPage(entries=entries)

    async def mark(self, command: AddMark) -> LogEntry:
        """A mark at programme time `time`, or now. Raises `LogFullError` where the disk has stood still too long."""
        show = await self._store.get(command.show)
        journal = self._journals.find(show.id)
        if show.state is not ShowState.LIVE:
            raise ConflictError(f"marks are set while a show is live; this one is {show.state}")
        if journal is None:
            raise StoreError("the log is being opened; try again in a moment")
        at = self._now()
        here = self._times.at(show.channel, at)
        time = here if command.time is None else command.time
        if not show.started <= time <= here + 10_000_000:  # 10 s: a player's clock may be a little ahead
            raise InvalidError("a mark lies between the show's start and now", field="time")
        data = {"label": command.label, "by": command.by, "cause": command.cause}
        return journal.writer.append("mark", at=at, time=time, data=data)

    async def resume(self, *, patient: bool = False) -> None:
        """Take up what an earlier studio, or a media that did not answer, left: live shows' logs, stops and starts
        that were cut short. Cheap where there is nothing; called every few seconds.

        `patient` puts off the entry `studio.restarted` while the media does not tell what is on program: after a
        restart of everything it takes some seconds.
        """
        for found in await self._store.unsettled():
            async with self._locks.hold(f"show/{found.id}"):
                try:
                    await self._resume(await self._store.get(found.id), patient=patient)
                except NotFoundError:
                    continue  # deleted meanwhile
                except (StudioError, CommandError) as error:
                    log.warning("a show could not be taken up yet", show=found.id, error=str(error))

    async def _resume(self, show: Show, *, patient: bool) -> None:
        if show.pending:
            await self._settled(show, f"take back the unfinished start of {show.id}")
            return
        if show.state is not ShowState.LIVE:
            return
        if self._journals.find(show.id) is None:
            journal = await self._journals.open(show.id)
            if journal.last is not None and journal.last.type == "show.stopped":
                await self._end(show, ended=journal.last.time, cause="")
                return
            await self._media.sample_time(show.channel)  # what cards do from here on has a place on the tape
            self._newsroom.on_air(show.channel, journal, since=show.started)
            self._untold[show.id] = journal
        journal = await self._journals.open(show.id)
        if (
            journal.writer.seq
        ):  # before the first line there is nothing to take up, and nothing may be written
            await self._following.began(show, journal)
        if show.id in self._untold:
            await self._tell_restart(show, self._untold[show.id], patient=patient)
            await self._following.began(show, journal)

    async def _tell_restart(self, show: Show, journal: Journal, *, patient: bool) -> None:
        try:
            channel = await self._media.channel(show.channel)
            await self._media.sample_time(show.channel)
        except CommandError:
            if patient:
                raise
            channel = None
        del self._untold[show.id]
        if (
            journal.last is None
        ):  # the studio died between keeping the show as live and writing the first line
            self._opening(journal, show, channel, cause="")
        data: dict[str, object] = {"torn_bytes": journal.torn}
        if channel is not None:
            data |= {
                "program": self._newsroom.program(channel),
                "picture": channel.picture,
                "epoch": channel.epoch,
            }
        self._note(journal, show, "studio.restarted", data)

    def _note(self, journal: Journal, show: Show, type_: str, data: dict[str, object]) -> None:
        at = self._now()
        journal.note(type_, at=at, time=self._times.at(show.channel, at), data=data)

    def _changed(self, show: Show) -> ShowView:
        told = view(show)
        self._tell(ShowChanged(show=told))
        return told


def _not_done(error: CommandError, what: str) -> CommandError:
    return CommandError(error.fault, f"{what}: {error}", field=error.field)


def _cursor(show: Show) -> str:
    return base64.urlsafe_b64encode(f"{show.created}/{show.id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    # At most as many digits as a time in a database's integer has.
    if not (match := re.fullmatch(r"(\d{1,18})/(.*)", text, re.ASCII | re.DOTALL)):
        raise InvalidError("the cursor is not one that a page gave", field="cursor")
    return int(match[1]), match[2]

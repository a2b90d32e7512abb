"""Shows and their log: owned by the studio process."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Done, Event, Value
from studio.model.show import ShowState as ShowState  # noqa: PLC0414 - part of this contract: readers import it here


class ShowView(Value):
    """One show. Times are programme time in microseconds, 0 where not yet."""

    id: str
    title: str
    channel: str
    state: ShowState
    version: int
    created: int
    """Unix microseconds."""
    started: int = 0
    ended: int = 0
    recording: str = ""
    """The recording on the channel's tape; empty before the start."""


class ShowList(Value):
    """Newest first; `next` is the cursor of the following page, empty at the end."""

    shows: list[ShowView]
    next: str = ""


class CreateShow(Command[ShowView]):
    """Plan a show on a channel."""

    topic: ClassVar[str] = "studio.shows.create"
    reply = ShowView
    title: str
    channel: str


class UpdateShow(Command[ShowView]):
    """Change title or channel (the channel only while a draft); a stale `version` is a conflict."""

    topic: ClassVar[str] = "studio.shows.update"
    reply = ShowView
    show: str
    version: int | None = None
    title: str | None = None
    channel: str | None = None


class StartShow(Command[ShowView]):
    """Open tape and log. A second live show on the channel is a conflict; a live show stays as it is."""

    topic: ClassVar[str] = "studio.shows.start"
    reply = ShowView
    show: str


class StopShow(Command[ShowView]):
    """Close tape and log."""

    topic: ClassVar[str] = "studio.shows.stop"
    reply = ShowView
    show: str


class DeleteShow(Command[Done]):
    """Remove a show that is not live, with its log; its recording is given to retention."""

    topic: ClassVar[str] = "studio.shows.delete"
    reply = Done
    show: str


class GetShow(Command[ShowView]):
    """One show."""

    topic: ClassVar[str] = "studio.shows.get"
    asks = True
    reply = ShowView
    show: str


class ListShows(Command[ShowList]):
    """Shows, newest first."""

    topic: ClassVar[str] = "studio.shows.list"
    asks = True
    reply = ShowList
    state: ShowState | None = None
    channel: str | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str = ""


class LogEntry(Value):
    """One line of a show log."""

    seq: int
    """1, 2, … without a hole within a show."""
    at: int
    """Wall time, Unix microseconds."""
    time: int
    """Programme time, microseconds."""
    type: str
    """Dotted: `show.started`, `show.renamed`, `show.stopped`, `feed.<phase>` (`feed.live`, `feed.lost`, …), `picture`,
    `program`, `worker.started`, `worker.lost`, `tape.gap`, `tape.trouble`, `mark`, `click`, `studio.restarted`, `log.lost`; of
    cards `card.lineup`, `card.shown`, `card.hidden`, `card.pinned`, `card.unpinned`, `card.sold_out`, `card.back`, `card.changed`,
    `sale.started`, `sale.moved`, `sale.ended` (`commerce_bridge.cards.happenings.Kind`)."""
    data: dict[str, Any] = Field(default_factory=dict)


class LogPage(Value):
    """Entries in order."""

    entries: list[LogEntry]


class ReadLog(Command[LogPage]):
    """Entries after `after` (a seq; 0 from the start)."""

    topic: ClassVar[str] = "studio.showlog.read"
    asks = True
    reply = LogPage
    show: str
    after: int = 0
    limit: int = Field(default=500, ge=1, le=2000)


class AddMark(Command[LogEntry]):
    """The host's (or staff's) mark: something worth keeping happened now, or at `time`."""

    topic: ClassVar[str] = "studio.showlog.mark"
    reply = LogEntry
    show: str
    label: str = Field(default="", max_length=200)
    time: int | None = None
    by: str = ""


class ShowChanged(Event):
    """A show was made or changed."""

    topic: ClassVar[str] = "studio.show.changed"
    show: ShowView


class ShowDeleted(Event):
    """A show is gone."""

    topic: ClassVar[str] = "studio.show.deleted"
    show: str


class LogAppended(Event):
    """A line was written to a show's log."""

    topic: ClassVar[str] = "studio.showlog.appended"
    show: str
    entry: LogEntry

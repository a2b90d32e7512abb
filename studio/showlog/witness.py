"""What the log of a live show has to say about an event of the media. Pure: (memory, event) → (memory, notes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from media.contracts.channels import (
    ChannelChanged,
    ChannelDeleted,
    ChannelView,
    PictureChanged,
    Program,
    WorkerLost,
    WorkerStarted,
)
from media.contracts.feeds import FeedChanged, FeedDeleted, FeedView
from media.contracts.tape import TapeGap, TapeTrouble
from media.model.feed import FeedPhase
from runtime.bus.contract import Event

WATCHED: tuple[type[Event], ...] = (
    ChannelChanged,
    ChannelDeleted,
    FeedChanged,
    FeedDeleted,
    PictureChanged,
    TapeGap,
    TapeTrouble,
    WorkerLost,
    WorkerStarted,
)
"""The events that `witness` understands."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the log of the show that is live on `channel`, if one is."""

    channel: str
    type: str
    at: int
    """Wall time, Unix microseconds."""
    data: dict[str, Any]
    time: int | None = None
    """Programme time where the event has its own; otherwise it is mapped from `at`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What was last heard: phase by feed, program by channel. As many entries as there are feeds and channels."""

    phases: Mapping[str, FeedPhase] = field(default_factory=dict)
    programs: Mapping[str, Program] = field(default_factory=dict)


def program_data(memory: Memory, program: Program) -> dict[str, Any]:
    """A program as log data: the feeds, and how each fares (`unknown` where nothing was heard of it)."""
    feeds = {f: str(memory.phases.get(f, "unknown")) for f in (program.feed, program.backup) if f}
    return {"feed": program.feed, "backup": program.backup, "feeds": feeds}


def witness(memory: Memory, event: Event) -> tuple[Memory, list[Note]]:
    """What changes in the memory, and what is to be noted.

    Changes are found by comparing with the memory, not by trusting that each event arrived: the bus may drop one,
    and the figures that are sent every two seconds, or asking for everything anew, tell the same a little later.
    """
    match event:
        case FeedChanged(feed=feed):
            return _feed(memory, feed, event.at, announced=event.phase_changed)
        case FeedDeleted(feed=gone):
            return replace(memory, phases={f: p for f, p in memory.phases.items() if f != gone}), []
        case ChannelChanged(channel=channel):
            return _channel(memory, channel, event.at)
        case ChannelDeleted(channel=gone):
            return replace(memory, programs={c: p for c, p in memory.programs.items() if c != gone}), []
        case _:
            note = _told(event)
            return memory, [note] if note else []


def _told(event: Event) -> Note | None:
    """The note of an event that is news by itself."""
    note: Note | None = None
    match event:
        case PictureChanged():
            data = event.model_dump(include={"picture", "reason", "epoch", "command"})
            note = Note(event.channel, "picture", event.at, data, time=event.time)
        case WorkerStarted():
            data = {"epoch": event.epoch, "anchor": event.anchor}
            note = Note(event.channel, "worker.started", event.at, data, time=event.anchor)
        case WorkerLost():
            note = Note(
                event.channel, "worker.lost", event.at, {"epoch": event.epoch, "reason": event.reason}
            )
        case TapeGap(gap=gap):
            note = Note(event.channel, "tape.gap", event.at, gap.model_dump(), time=gap.starts)
        case TapeTrouble():
            data = event.model_dump(include={"reason", "lost_segments", "epoch"})
            note = Note(event.channel, "tape.trouble", event.at, data, time=event.time)
        case _:
            pass
    return note


def _feed(memory: Memory, feed: FeedView, at: int, *, announced: bool) -> tuple[Memory, list[Note]]:
    before = memory.phases.get(feed.id)
    if before is feed.phase:
        return memory, []
    after = replace(memory, phases={**memory.phases, feed.id: feed.phase})
    if before is None and not announced:
        return after, []  # heard of for the first time, by its figures: nothing happened now
    data: dict[str, Any] = {
        "feed": feed.id,
        "from": str(before or ""),
        "reason": feed.reason,
        "peer": feed.peer,
    }
    if feed.phase is FeedPhase.LIVE:
        data |= {
            "video": feed.video_codec,
            "audio": feed.audio_codec,
            "width": feed.width,
            "height": feed.height,
        }
    notes = [
        Note(
            channel,
            f"feed.{feed.phase}",
            at,
            {**data, "role": "program" if program.feed == feed.id else "backup"},
        )
        for channel, program in memory.programs.items()
        if feed.id in {program.feed, program.backup}
    ]
    return after, notes


def _channel(memory: Memory, channel: ChannelView, at: int) -> tuple[Memory, list[Note]]:
    before = memory.programs.get(channel.id)
    if before == channel.program:
        return memory, []
    after = replace(memory, programs={**memory.programs, channel.id: channel.program})
    if before is None:
        return after, []
    return after, [Note(channel.id, "program", at, program_data(after, channel.program))]

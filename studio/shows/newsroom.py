"""Hears what the media tells and writes it into the log of the show that is live on the channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from media.contracts.channels import ChannelChanged, ChannelView
from media.contracts.feeds import FeedChanged, FeedView
from runtime.bus.contract import Event
from studio.showlog.journals import Journal
from studio.showlog.programme import ProgrammeTimes
from studio.showlog.witness import Memory, program_data, witness


@dataclass(frozen=True, slots=True)
class Live:
    """A live show."""

    channel: str
    journal: Journal
    since: int
    """Programme time at which it began."""


class Newsroom:
    """Which journal is on air on which channel, and what was last heard. Called from one event loop; never waits."""

    def __init__(self, times: ProgrammeTimes) -> None:
        self._times = times
        self._memory = Memory()
        self._journals: dict[str, Journal] = {}
        self._since: dict[str, int] = {}
        """By channel: programme time at which its live show began."""

    def on_air(self, channel: str, journal: Journal, *, since: int) -> None:
        """Events of the channel go into this journal from now on. `since`: when its show began, programme time."""
        self._journals[channel] = journal
        self._since[channel] = since

    def off_air(self, channel: str, journal: Journal) -> None:
        """They do not any more."""
        if self._journals.get(channel) is journal:
            del self._journals[channel], self._since[channel]

    def live(self, show: str) -> Live | None:
        """Where a show is live; None where it is not."""
        for channel, journal in self._journals.items():
            if journal.show == show:
                return Live(channel, journal, self._since[channel])
        return None

    @property
    def channels(self) -> list[str]:
        """Channels with a live show."""
        return list(self._journals)

    def program(self, channel: ChannelView) -> dict[str, Any]:
        """What is on program of the channel, as log data."""
        return program_data(self._memory, channel.program)

    def compare(self, channels: list[ChannelView], feeds: list[FeedView]) -> None:
        """Everything asked for anew: what changed unheard is noted now, late but not lost."""
        for feed in feeds:
            self.hear(FeedChanged(feed=feed))
        for channel in channels:
            self.hear(ChannelChanged(channel=channel))

    def hear(self, event: Event) -> None:
        """Note what the event means for live shows."""
        self._memory, notes = witness(self._memory, event)
        for note in notes:
            if journal := self._journals.get(note.channel):
                time = self._times.at(note.channel, note.at) if note.time is None else note.time
                journal.note(note.type, at=note.at, time=time, data=note.data)

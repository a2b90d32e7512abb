"""Where a part lies in time, learned while it is recorded. Pure.

*By arrival.* Each packet came in at some wall time; the network only ever makes that later, so the earliest of a while,
seen from the packet's own time, is the best that can be known of when its moment was.

*By a channel.* A worker that uses the feed knows at each tick which moment of the feed it shows, for it steers by that.
It says how far programme time is from the sender's clock; with the part's own origin that is a placement.
"""

from __future__ import annotations

from dataclasses import replace

from media.record.iso.isos import WALL, Placement

WINDOW = 10_000_000
"""Microseconds over which the earliest arrival is sought: long enough to hold quiet moments of any network."""
ENOUGH = 2_000_000
"""The same at the end of a part."""
WALL_SLACK = 20_000
"""Microseconds that arrivals must have moved by to be told anew: less is the network's."""
SLACK = 5_000
"""Microseconds that a channel's reading must have moved by: a sixth of a picture at 30 a second."""
UNSTEADY_SLACK = 50_000
"""The same for an input that is not on air, which is placed anew at every tick."""
AWAY = 5_000_000
"""Microseconds without a word after which a channel counts as having left off."""
FIRST = 2_500_000
"""Microseconds from a part's start, or to its end, that the first and the last word are taken to hold for: workers say
it once a second.
"""
MOST = 400
"""Placements of one part; then the newest is made longer, for a file of hours must not have a list of thousands."""


class Placing:
    """Placements of one part."""

    def __init__(self) -> None:
        self._placements: list[Placement] = []
        self._newest: dict[str, int] = {}
        self._earliest: int | None = None
        self._since = 0
        self._reached = 0

    @property
    def placements(self) -> tuple[Placement, ...]:
        """All that is known, in the order in which it was learned; by arrival first."""
        known = list(self._placements)
        if self._earliest is not None:
            # The window that is not over yet counts where it is the first, or tells something new.
            found = Placement(WALL, self._since, self._reached, self._earliest)
            index = self._newest.get(WALL)
            moved = index is not None and abs(self._earliest - known[index].offset) > WALL_SLACK
            if index is None or (moved and self._reached - self._since >= ENOUGH):
                known.append(found)
        return tuple(sorted(known, key=lambda each: each.channel != WALL))

    @property
    def started(self) -> int | None:
        """Wall time of the part's time 0; None before anything arrived."""
        first = self._newest.get(WALL)
        if first is None:
            return self._earliest
        return next(each.offset for each in self._placements if each.channel == WALL)

    def arrived(self, at: int, wall: int) -> None:
        """What stands at part time `at` came in at a wall time."""
        lead = wall - at
        self._reached = max(self._reached, at)
        if self._earliest is None or lead < self._earliest:
            self._earliest = lead
        if at - self._since >= WINDOW:
            self._add(WALL, Placement(WALL, self._since, at, self._earliest), WALL_SLACK)
            self._earliest, self._since = lead, at

    def tell(self, channel: str, at: int, offset: int, *, steady: bool = True) -> None:
        """At part time `at` the channel's time is `offset` ahead of the part's; `steady` while it is on air there."""
        first = channel not in self._newest and at <= FIRST
        found = Placement(channel, 0 if first else at, at, offset)
        self._add(channel, found, SLACK if steady else UNSTEADY_SLACK)

    def close(self, reached: int) -> None:
        """The part ends: what was said a moment ago holds until there."""
        for index, last in enumerate(self._placements):
            fresh = self._newest[last.channel] == index and reached - last.ends <= (
                WINDOW if last.channel == WALL else FIRST
            )
            if fresh and reached > last.ends:
                self._placements[index] = replace(last, ends=reached)

    def _add(self, channel: str, found: Placement, slack: int) -> None:
        index = self._newest.get(channel)
        full = len(self._placements) >= MOST
        if index is not None:
            last = self._placements[index]
            joined = channel == WALL or found.starts - last.ends <= AWAY
            same = joined and abs(found.offset - last.offset) <= slack
            if joined or full:  # where it moved, it did so by then: in between either is as good
                self._placements[index] = replace(
                    last, ends=max(last.ends, found.ends if same else found.starts)
                )
            if same:
                return
        if not full:
            self._newest[channel] = len(self._placements)
            self._placements.append(found)

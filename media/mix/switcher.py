"""What viewers see: program, its backup, a frozen picture, or the slate. Pure: state and health in, selection out.

::

    program moves ──────────────► program
      │ frozen 0.3 s                 ▲ moves again for 1 s (0.3 s if it never was lost)
      ├─ backup moves ──────────► backup
      ├─ else ──────────────────► freeze (its last picture; at once back when it moves within 2 s)
      └─ nothing new for 2 s ───► slate with a message, and the input's sound where it has any
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from media.mix.messages import Message
from media.mix.timeline import InputHealth

APPEARS = 0.3
"""Seconds of continuous pictures (or sound) an input must show before it is first taken."""
RETURNS = 1.0
"""The same after it was lost."""
SLATE = 2.0
"""Seconds without a new picture after which the slate is shown."""


class Shown(StrEnum):
    """What kind of picture is on air."""

    FEED = "feed"
    FREEZE = "freeze"
    SLATE = "slate"


@dataclass(frozen=True, slots=True)
class Program:
    """What shall be on air."""

    feed: str | None = None
    backup: str | None = None
    command: str = ""
    """Id of the command that set it; carried by the changes it causes."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is on air in a tick."""

    shown: Shown = Shown.SLATE
    feed: str | None = None
    """Whose picture (`FEED`, `FREEZE`)."""
    sound: str | None = None
    """Whose sound; None is silence."""
    message: Message = Message.SOON
    """What the slate says."""

    @property
    def picture(self) -> str:
        """A feed's id, `freeze` or `slate`, as events name it."""
        return self.feed if self.shown is Shown.FEED and self.feed else str(self.shown)


@dataclass(frozen=True, slots=True)
class Change:
    """What viewers see changed in this tick."""

    tick: int
    picture: str
    """A feed's id, `freeze` or `slate`."""
    reason: str
    """`command`, `appeared`, `frozen`, `lost`, `returned`, `backup`, `sound only`, `waiting`, `off`."""
    command: str = ""
    """Id of the command, where one caused it."""


@dataclass(frozen=True, slots=True)
class SwitcherState:
    """What the switcher remembers between ticks."""

    program: Program = Program()
    selection: Selection = Selection()
    lost: frozenset[str] = frozenset()
    """Inputs that froze on air and have not been continuous for `RETURNS` since."""
    since: int = 0
    """Tick at which the present program was set."""
    pending: bool = False
    """Its feed has not been on air since: what changes until then was caused by the command."""


NOTHING = InputHealth()


def step(
    state: SwitcherState, health: Mapping[str, InputHealth], program: Program, tick: int, seconds: float
) -> tuple[SwitcherState, Selection, list[Change]]:
    """One tick. `health` is that of every input there is; `seconds` is the length of a tick."""
    commanded = program != state.program
    since = tick if commanded else state.since
    pending = commanded or state.pending
    before = state.selection
    lost = _losses(state, health)
    ready = [feed for feed in (program.feed, program.backup) if feed and _ready(feed, before, lost, health)]
    waited = (tick - since) * seconds
    if pending and program.feed not in ready and _holds(before, health, program, waited, lost):
        after = before
    elif ready:
        after = Selection(Shown.FEED, ready[0], _sound(ready[0], before, health), before.message)
    else:
        after = _without_picture(before, health, program, waited, lost)
    changes = []
    if (after.shown, after.feed) != (before.shown, before.feed) or (
        after.shown is Shown.SLATE and after.message != before.message
    ):
        reason = _reason(before, after, program, state, lost)
        changes.append(Change(tick, after.picture, reason, program.command if pending else ""))
    arrived = after.shown is Shown.FEED and after.feed == program.feed
    pending = pending and not arrived and program.feed is not None
    return SwitcherState(program, after, lost, since, pending), after, changes


def _losses(state: SwitcherState, health: Mapping[str, InputHealth]) -> frozenset[str]:
    lost = {feed for feed in state.lost if feed in health and health[feed].continuous < RETURNS}
    wanted = {state.program.feed, state.program.backup, state.selection.feed} - {None}
    for feed in wanted:
        seen = health.get(feed or "", NOTHING)
        if feed and seen.age is not None and not seen.moving:
            lost.add(feed)
    return frozenset(lost)


def _ready(feed: str, before: Selection, lost: frozenset[str], health: Mapping[str, InputHealth]) -> bool:
    seen = health.get(feed, NOTHING)
    if not seen.moving:
        return False
    if before.feed == feed and before.shown in {Shown.FEED, Shown.FREEZE}:
        return True  # on air, or frozen for less than two seconds: it simply goes on
    return seen.continuous >= (RETURNS if feed in lost else APPEARS)


def _holds(
    before: Selection,
    health: Mapping[str, InputHealth],
    program: Program,
    waited: float,
    lost: frozenset[str],
) -> bool:
    """The feed asked for is not there yet, the former one is: it stays for the blink that takes, rather than that the
    backup, which is for a feed that is lost, flashes up between the two.
    """
    if before.shown is not Shown.FEED or before.feed in {program.feed, program.backup}:
        return False
    if program.feed is None or program.feed in lost or waited >= SLATE:
        return False
    return health.get(before.feed or "", NOTHING).moving


def _sound(feed: str | None, before: Selection, health: Mapping[str, InputHealth]) -> str | None:
    """An input's sound goes with its picture; gaps inside it are its own silence."""
    seen = health.get(feed or "", NOTHING)
    return feed if feed and (before.sound == feed or seen.sound_age is not None) else None


def _without_picture(
    before: Selection,
    health: Mapping[str, InputHealth],
    program: Program,
    waited: float,
    lost: frozenset[str],
) -> Selection:
    """Neither program nor backup moves: hold what is on air for a while, then the slate."""
    if before.feed and before.shown in {Shown.FEED, Shown.FREEZE} and program.feed is not None:
        seen = health.get(before.feed, NOTHING)
        if before.feed in {program.feed, program.backup}:
            if seen.age is not None and seen.age < SLATE:
                return replace(before, shown=Shown.FREEZE)
        elif waited < SLATE and seen.age is not None and seen.age < SLATE:
            # The feed asked for is not there yet: the former one stays for the blink that takes.
            return replace(before, shown=Shown.FEED if seen.moving else Shown.FREEZE)
    heard = [feed for feed in (program.feed, program.backup) if feed and _heard(feed, before, health)]
    if heard:
        return Selection(Shown.SLATE, None, heard[0], Message.SOUND_ONLY)
    if program.feed is None:
        # A channel that never had a program is about to begin; one whose program was taken off is on a break.
        return before if before == Selection() else Selection(Shown.SLATE, None, None, Message.BREAK)
    interrupted = before.shown is not Shown.SLATE or before.message in {Message.TROUBLE, Message.SOUND_ONLY}
    if (interrupted and waited > 0) or lost & {program.feed, program.backup}:
        return Selection(Shown.SLATE, None, None, Message.TROUBLE)
    return Selection(Shown.SLATE, None, None, Message.SOON)


def _heard(feed: str, before: Selection, health: Mapping[str, InputHealth]) -> bool:
    """It is heard and not about to be seen."""
    seen = health.get(feed, NOTHING)
    if not seen.sounding or seen.continuous > 0:
        return False
    return before.sound == feed or seen.sound_continuous >= RETURNS


def _reason(
    before: Selection, after: Selection, program: Program, state: SwitcherState, lost: frozenset[str]
) -> str:
    if after.shown is Shown.FREEZE:
        return "frozen"
    if after.shown is Shown.SLATE:
        return _slate_reason(before, after, program, lost)
    if before.feed == after.feed or (after.feed == program.feed and after.feed in state.lost):
        return "returned"
    if after.feed != program.feed:
        return "backup"
    return "appeared" if before.shown is Shown.SLATE else "command"


def _slate_reason(before: Selection, after: Selection, program: Program, lost: frozenset[str]) -> str:
    if program.feed is None:
        return "off"
    if after.message is Message.SOUND_ONLY:
        return "sound only"
    return "waiting" if after.message is Message.SOON or before.feed not in lost else "lost"

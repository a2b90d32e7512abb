"""A show and its life, as a pure state machine::

    draft ──begin──▶ draft, start pending ──went_live──▶ live ──end──▶ ended
                              │
                              └──abandon──▶ draft

`begin` is written down *before* media is asked for a recording, so that a studio that dies in between knows on its
return which recording to take back: nothing is ever half started for longer than a restart takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from studio.model.errors import ConflictError, InvalidError

TITLE_LIMIT = 200
"""Characters."""
CHANNEL_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class ShowState(StrEnum):
    """`draft` → `live` → `ended`."""

    DRAFT = "draft"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Show:
    """One show. `created` is Unix microseconds, `started` and `ended` are programme time; 0 where not yet."""

    id: str
    title: str
    channel: str
    created: int
    state: ShowState = ShowState.DRAFT
    version: int = 1
    """Rises by one with each change that others see."""
    started: int = 0
    ended: int = 0
    attempt: int = 0
    """How many times a start was tried; each has a recording name of its own."""
    pending: bool = False
    """A start was tried and its outcome is not known: the recording may run."""

    @property
    def recording(self) -> str:
        """Name of the newest attempt's recording on the channel's tape; empty before the first."""
        return f"{self.id}-{self.attempt}" if self.attempt else ""


def checked_title(title: str) -> str:
    """The title without blanks around it. Raises `InvalidError` where nothing, or too much, is left."""
    title = title.strip()
    if not title:
        raise InvalidError("a show needs a title", field="title")
    if len(title) > TITLE_LIMIT:
        raise InvalidError(f"a title has at most {TITLE_LIMIT} characters", field="title")
    return title


def checked_channel(channel: str) -> str:
    """The channel id as it is. Raises `InvalidError` where it cannot be one."""
    if not CHANNEL_ID.fullmatch(channel):
        raise InvalidError(
            "a channel id is lower-case letters, digits and dashes, at most 40", field="channel"
        )
    return channel


def draft(*, show: str, title: str, channel: str, created: int) -> Show:
    """A new show. Raises `InvalidError`."""
    return Show(id=show, title=checked_title(title), channel=checked_channel(channel), created=created)


def change(show: Show, *, version: int | None, title: str | None, channel: str | None) -> Show:
    """The show with another title or channel; None leaves a value. Unchanged values do not raise the version.

    Raises `ConflictError` for a stale version, and for another channel once the show has begun.
    """
    if version is not None and version != show.version:
        raise ConflictError(f"the show was changed meanwhile (version {show.version})", field="version")
    changed = show
    if title is not None:
        changed = replace(changed, title=checked_title(title))
    if channel is not None and channel != show.channel:
        if show.state is not ShowState.DRAFT or show.pending:
            raise ConflictError("the channel can be changed only before the show starts", field="channel")
        changed = replace(changed, channel=checked_channel(channel))
    return changed if changed == show else replace(changed, version=show.version + 1)


def begin(show: Show) -> Show:
    """Note that a recording is about to be asked for. Raises `ConflictError` unless it is a settled draft."""
    if show.state is not ShowState.DRAFT or show.pending:
        raise ConflictError(f"a show that is {show.state} cannot be started")
    return replace(show, attempt=show.attempt + 1, pending=True)


def abandon(show: Show) -> Show:
    """The pending start came to nothing, and its recording is surely gone."""
    return replace(show, pending=False)


def went_live(show: Show, *, started: int) -> Show:
    """The pending start's recording runs since the programme time `started`."""
    if not show.pending:
        raise ConflictError("no start is pending")
    return replace(show, state=ShowState.LIVE, pending=False, started=started, version=show.version + 1)


def end(show: Show, *, ended: int) -> Show:
    """The recording ended at the programme time `ended`. Raises `ConflictError` unless live."""
    if show.state is not ShowState.LIVE:
        raise ConflictError(f"a show that is {show.state} cannot be stopped")
    # A worker's new epoch is anchored to wall time, which may lie a hair before the old one's programme time.
    return replace(show, state=ShowState.ENDED, ended=max(ended, show.started), version=show.version + 1)

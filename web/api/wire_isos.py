"""What goes over the wire of recordings of feeds."""

from __future__ import annotations

from pydantic import Field

from media.contracts.isos import IsoState
from web.api.wire import Gap, PageQuery, Slug, Time, Wire


class IsoCreate(Wire):
    """Record a feed from now on."""

    feed: Slug


class IsoPlacement(Wire):
    """A stretch of a part on another clock: what stands `s` seconds after `starts` in the file was at `time` + `s`."""

    channel: str | None = Field(
        description="The channel whose programme time it is; null for wall time, by when it arrived here."
    )
    starts: float = Field(description="Seconds of the part's own time.")
    ends: float = Field(description="Seconds of the part's own time.")
    time: Time = Field(description="The clock's time at `starts`.")


class IsoPart(Wire):
    """One file (Matroska)."""

    number: int
    cause: str = Field(
        description="Why it was begun: `start`, `feed` (the sender was away), `format`, `disk`, `restart`."
    )
    name: str
    url: str = Field(description="Where it is downloaded, also while it grows; ranges are served.")
    started: Time = Field(description="Wall time at which what stands at its time 0 arrived.")
    duration: float = Field(description="Seconds.")
    size: int = Field(description="Bytes.")
    closed: bool = Field(description="It grows no more.")
    video: str
    width: int
    height: int
    audio: str
    sample_rate: int
    channels: int
    placements: list[IsoPlacement] = Field(description="How it lies beside the programme, and in wall time.")


class Iso(Wire):
    """A recording of a feed as it came (ISO)."""

    id: str
    feed: str
    started: Time
    ended: Time | None
    state: IsoState
    reason: str = Field(description="Why nothing is recorded now, where something should be.")
    size: int = Field(description="Bytes of all parts.")
    duration: float = Field(description="Seconds of all parts together.")
    part_count: int
    parts: list[IsoPart] | None = Field(description="Null in lists: ask for one recording.")
    gaps: list[Gap] | None = Field(description="Wall time that is not recorded. Null in lists.")


class IsoQuery(PageQuery):
    """Query of the list of recordings of feeds."""

    feed: str | None = Field(default=None, max_length=40)


class IsoPage(Wire):
    """Newest first."""

    items: list[Iso]
    next: str | None

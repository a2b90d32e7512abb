"""What players send of themselves: the keys of CMCD (CTA-5004 and its second version), in JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from web.api.wire import Time, Wire

MOST_MS = 600_000
"""Ten minutes: a value beyond says nothing of a player but that its clock jumped."""

Milliseconds = Annotated[int, Field(ge=0, le=MOST_MS)]


class QoeReport(Wire):
    """One player since its last report. Times are milliseconds."""

    sid: str = Field(pattern=r"^[A-Za-z0-9-]{8,64}$", description="The playback's id, made by the player.")
    cid: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$", description="Channel, or show of a replay.")
    st: Literal["l", "v"] = Field(description="Live, or a replay (video on demand).")
    msd: Milliseconds | None = Field(
        default=None, description="Media start delay: from opening to the first moving picture; told once."
    )
    ltc: Milliseconds | None = Field(default=None, description="Latency behind the end of the playlist.")
    br: int | None = Field(default=None, ge=0, le=100_000, description="Bit rate of the rung in kb/s.")
    bsd: list[Milliseconds] = Field(
        default=[], max_length=100, description="How long each stall was that ended since the last report."
    )
    ec: list[Literal["network", "media", "other"]] = Field(
        default=[], max_length=100, description="Failures since the last report."
    )
    played: Milliseconds = Field(default=0, description="How long the picture moved since the last report.")
    lines: int = Field(
        default=0, ge=0, le=8192, description="Lines of the rung that plays; 0 where that is unknown."
    )


class QoeBatch(Wire):
    """What one page sends at once: it may have several players."""

    reports: list[QoeReport] = Field(min_length=1, max_length=8)


# --- what staff are told of them ---------------------------------------------------------------------------------------


class ViewingQuery(Wire):
    """How far back."""

    minutes: int = Field(default=60, ge=5, le=60, description="Whole minutes, the present one among them.")


class ViewingMinute(Wire):
    """A minute in which players reported."""

    at: Time = Field(description="When it began.")
    viewers: int = Field(description="Players at once, at most.")
    played: float = Field(description="Seconds that pictures moved, of all viewers together.")
    stalled: float = Field(description="Seconds that pictures stood unwanted.")
    stalls: int
    latency: float | None = Field(
        description="Half of the viewers were less far behind the playlist's end, seconds."
    )


class ViewingRung(Wire):
    """A rung, and how long it was watched."""

    lines: int | None = Field(description="Null where the player did not know; 0 is sound alone.")
    seconds: float


class ViewingChannel(Wire):
    """How the viewers of one channel fared. Counts of `startup` and `latency` belong to `bounds`, one more to what lies above."""

    channel: str = Field(description="The channel's id; `replay` for all replays together.")
    watching: int = Field(description="Players that reported in the last 75 seconds.")
    reports: int
    minutes: list[ViewingMinute] = Field(description="Oldest first, without those in which nobody reported.")
    startup: list[int]
    latency: list[int]
    rungs: list[ViewingRung] = Field(description="Highest first.")
    errors: dict[str, int] = Field(description="Failures of players by cause: `network`, `media`, `other`.")


class Viewing(Wire):
    """How viewers fared, by what their players tell. Of others' players nothing is known."""

    since: Time
    until: Time
    bounds: list[float] = Field(description="Upper bounds of the counts, seconds.")
    channels: list[ViewingChannel] = Field(description="By id, replays last.")

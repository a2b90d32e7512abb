"""What players send of themselves: the keys of CMCD (CTA-5004 and its second version), in JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from web.api.wire import Wire

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

"""Settings of recordings of feeds: section `iso`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.settings import Section


class IsoSettings(Section):
    """Feeds recorded as they came (ISO)."""

    section: ClassVar[str] = "iso"

    keep_days: float = Field(
        default=0.0, ge=0, description="Days after which an ended recording of a feed is deleted; 0: never."
    )
    min_free_bytes: int = Field(
        default=1_000_000_000,
        ge=0,
        description="Free bytes on the disk below which feeds are not recorded: what is left is for the tape. "
        "Keep it below `tape.min_free_bytes`, at which old recordings of feeds are let go.",
    )
    held_bytes: int = Field(
        default=32 << 20,
        ge=1 << 20,
        description="Bytes that a recorded feed may hold in memory while the disk does not keep up.",
    )
    max_running: int = Field(default=16, ge=1, description="Feeds that may be recorded at once.")

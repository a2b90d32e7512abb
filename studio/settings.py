"""Settings of the studio: section `studio`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.settings import Section


class StudioSettings(Section):
    """Shows and their logs."""

    section: ClassVar[str] = "studio"

    media_timeout: float = Field(
        default=3.0,
        ge=0.1,
        le=60,
        description="Seconds the media has to answer; then the command fails, nothing done.",
    )
    upkeep_interval: float = Field(
        default=5.0, ge=0.05, le=300, description="Seconds between looks for unfinished starts and stops."
    )
    log_buffer: int = Field(
        default=4 << 20,
        ge=4096,
        description="Bytes of log entries per show that wait while the disk takes nothing.",
    )

"""Settings of the tape: section `tape`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from media.record.retention import Policy
from runtime.settings import Section


class TapeSettings(Section):
    """What is kept of the tape, and for how long. A recording that stands keeps its stretch whatever its age."""

    section: ClassVar[str] = "tape"

    keep_days: float = Field(
        default=0.0,
        ge=0,
        description="Days for which tape outside recordings is kept; 0: the seek-back window alone.",
    )
    recording_days: float = Field(
        default=0.0, ge=0, description="Days after which an ended recording is deleted; 0: never."
    )
    max_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes above which tape outside recordings goes early, oldest first; 0: no limit.",
    )
    min_free_bytes: int = Field(
        default=2_000_000_000,
        ge=0,
        description="Free bytes on the disk below which tape outside recordings is let go, then recordings older than "
        "`recording_safe_days`, oldest first.",
    )
    recording_safe_days: float = Field(
        default=30.0,
        ge=0,
        description="Days after its end for which a recording is kept even on a nearly full disk.",
    )
    fsync: bool = Field(default=True, description="Whether each finished segment is synced to the disk.")
    held_bytes: int = Field(
        default=64 << 20,
        ge=1 << 20,
        description="Bytes that a channel may hold in memory while the disk does not keep up.",
    )

    @property
    def policy(self) -> Policy:
        """The part that retention decides by."""
        return Policy(
            self.keep_days,
            self.max_bytes,
            self.min_free_bytes,
            self.recording_days,
            self.recording_safe_days,
        )

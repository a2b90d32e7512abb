"""Recordings: named ranges of a channel's tape that retention keeps, and the port of where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from media.model.time import ProgrammeTime
from media.record.ranges import Range

FOREVER = 1 << 62
"""The end of a range that is still open; fits a signed 64-bit column."""


NOT_YET = ProgrammeTime(0)


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording. `ended` is 0 while it runs, `deleted` 0 while it stands (then wall time, microseconds)."""

    id: str
    channel: str
    started: ProgrammeTime
    ended: ProgrammeTime = NOT_YET
    deleted: int = 0
    size: int = 0
    """Bytes on tape, once it was measured after its end; 0 before."""

    @property
    def running(self) -> bool:
        """It was not stopped yet."""
        return self.ended == 0

    @property
    def range(self) -> Range:
        """Its stretch of the tape; a running one has no end yet."""
        return Range(self.started, self.ended or FOREVER)


class RecordingStore(Protocol):
    """Kept recordings. Every method raises `StoreError` when the database cannot be used."""

    async def start(self, recording: str, channel: str, at: ProgrammeTime) -> Recording:
        """Begin one. The running one with that id is returned as it is; an ended one or another channel's is a
        `ConflictError`.
        """
        ...

    async def stop(self, recording: str, at: ProgrammeTime) -> Recording:
        """End one; an ended one is returned as it is. `NotFoundError` where there is none."""
        ...

    async def get(self, recording: str) -> Recording:
        """One that stands; `NotFoundError` otherwise."""
        ...

    async def list(self, channel: str | None = None) -> Sequence[Recording]:
        """Those that stand, newest first."""
        ...

    async def delete(self, recording: str, at: int) -> None:
        """Mark it deleted: its tape is no longer kept. `ConflictError` while it runs, `NotFoundError` where none is."""
        ...

    async def measured(self, recording: str, size: int) -> None:
        """Keep the size of an ended one."""
        ...

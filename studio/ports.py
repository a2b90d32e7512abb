"""What the studio's domain needs from the outside. Adapters are in `studio.adapters`; one contract suite per port
runs on every adapter (tests/contract).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from commerce_bridge.cards.state import Lineup
from studio.contracts.shows import LogEntry
from studio.model.show import Show, ShowState


class ShowStore(Protocol):
    """Shows at rest. Every method raises `StoreError` when the database cannot be used."""

    async def add(self, show: Show) -> None:
        """Keep a new show. Raises `ConflictError` where the id is taken."""
        ...

    async def get(self, show: str) -> Show:
        """One show. Raises `NotFoundError`."""
        ...

    async def save(self, show: Show, *, was: Show) -> None:
        """Replace `was` by `show`. Raises `ConflictError` where the stored one is not `was` any more, or where
        another show is live on the channel.
        """
        ...

    async def delete(self, show: str) -> None:
        """Remove; no error where there is none."""
        ...

    async def page(
        self, *, state: ShowState | None, channel: str | None, limit: int, after: tuple[int, str] | None
    ) -> Sequence[Show]:
        """At most `limit` shows, newest first; `after` is (created, id) of the last one seen."""
        ...

    async def unsettled(self) -> Sequence[Show]:
        """All shows that are live or have a pending start."""
        ...


class LineupStore(Protocol):
    """What shows that did not start yet are to sell; from its start on a show's log says it. Every method raises
    `StoreError` when the database cannot be used.
    """

    async def get(self, show: str) -> Lineup:
        """The lineup of a show; an empty one of version 0 where there is none."""
        ...

    async def put(self, show: str, lineup: Lineup, *, was: int) -> None:
        """Keep it. Raises `ConflictError` where the stored one is not of version `was` any more."""
        ...

    async def delete(self, show: str) -> None:
        """Remove; no error where there is none."""
        ...


class ShowLogFile(Protocol):
    """One show's log, open for writing by this one owner. Every method may block on the disk: call them off the
    event loop, one at a time.
    """

    @property
    def last(self) -> LogEntry | None:
        """The newest entry that was sound when the log was opened."""
        ...

    @property
    def torn(self) -> int:
        """Bytes after it that a crash had left unfinished, cut off by the opening."""
        ...

    def append(self, lines: bytes) -> None:
        """Write whole lines behind what is there. After a `StoreError` none of them counts as written, whatever the
        disk holds: the next call writes over it.
        """
        ...

    def sync(self) -> None:
        """Make everything appended durable. After a `StoreError` everything since the last good `sync` counts as
        not written (Linux drops dirty pages whose writing failed): append it again.
        """
        ...

    def close(self) -> None:
        """Give the log up; another owner may open it."""
        ...


class ShowLogStore(Protocol):
    """The logs of all shows. Every method may block on the disk: call them off the event loop.

    Every method raises `StoreError` when the disk cannot be used.
    """

    def open(self, show: str) -> ShowLogFile:
        """Open for writing, mending a torn end. Nothing is created before the first entry.

        Raises `ConflictError` where another owner has it open.
        """
        ...

    def read(self, show: str, *, after: int, limit: int) -> list[LogEntry]:
        """Written entries with a seq above `after`, in order; none where there is no log."""
        ...

    def delete(self, show: str) -> None:
        """Remove the log; no error where there is none."""
        ...

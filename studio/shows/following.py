"""What goes with a show's life beside its tape and log, as the service of shows calls it."""

from __future__ import annotations

from typing import Protocol

from studio.model.show import Show
from studio.showlog.journals import Journal


class Following(Protocol):
    """Called while the show's lock is held."""

    async def may_start(self, show: Show) -> None:
        """Raises `ConflictError` with a sentence where the show cannot start as it is."""
        ...

    async def began(self, show: Show, journal: Journal) -> None:
        """The show is live and its journal open: just started, or taken up by a new studio. Said again and again while it is live.
        Raises `StoreError` where it could not be followed yet: then it is said once more some seconds later.
        """
        ...

    def ended(self, show: Show, *, time: int) -> None:
        """The tape ended at the programme time `time`; the journal is open still, and this is before its last entry."""
        ...

    async def deleted(self, show: str) -> None:
        """The show is being deleted. Raises `StoreError`."""
        ...

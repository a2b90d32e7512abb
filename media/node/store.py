"""Where channels are kept between starts: the node's own port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from media.contracts.channels import ChannelSettings, Program


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel as kept in the database. `version` rises by one with each change of `settings` or `program`."""

    id: str
    settings: ChannelSettings
    version: int
    wanted: bool
    program: Program


class ChannelStore(Protocol):
    """Kept channels. Every method raises `StoreError` when the database cannot be used."""

    async def all(self) -> Sequence[ChannelRecord]:
        """All channels, by id."""
        ...

    async def get(self, channel: str) -> ChannelRecord:
        """One channel; `NotFoundError` where there is none."""
        ...

    async def add(self, record: ChannelRecord) -> None:
        """Add one; `ConflictError` where the id is taken."""
        ...

    async def save(self, record: ChannelRecord) -> None:
        """Replace one; `NotFoundError` where it is gone."""
        ...

    async def remove(self, channel: str) -> None:
        """Remove one; no error where it is gone."""
        ...

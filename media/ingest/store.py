"""Where feeds are kept between starts: the registry's own port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from media.model.errors import ConflictError, NotFoundError
from media.model.feed import FeedSpec


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """A feed as kept in the database. `version` rises by one with each change."""

    spec: FeedSpec
    key_hash: str | None
    """SHA-256 of the stream key in hexadecimal; None for kinds that nobody pushes to."""
    version: int = 1
    created_at: int = 0
    """Unix microseconds."""


class FeedStore(Protocol):
    """Kept feeds. Every method raises `StoreError` when the database cannot be used."""

    async def all(self) -> Sequence[FeedRecord]:
        """All feeds, by id."""
        ...

    async def add(self, record: FeedRecord) -> None:
        """Add one; `ConflictError` where the id or the key is taken."""
        ...

    async def save(self, record: FeedRecord, *, expected: int) -> None:
        """Replace one whose kept version is `expected`.

        Raises `ConflictError` where another version is kept or the key is taken, `NotFoundError` where it is gone.
        """
        ...

    async def remove(self, feed: str) -> None:
        """Remove one; no error where it is gone."""
        ...


class MemoryFeedStore:
    """Feeds for as long as the process lives: for tests, and for a try without a database."""

    def __init__(self) -> None:
        self._records: dict[str, FeedRecord] = {}

    async def all(self) -> Sequence[FeedRecord]:
        """All feeds, by id."""
        return [self._records[each] for each in sorted(self._records)]

    async def add(self, record: FeedRecord) -> None:
        """Add one."""
        if record.spec.id in self._records:
            raise taken(record.spec.id)
        self._check_key(record)
        self._records[record.spec.id] = record

    async def save(self, record: FeedRecord, *, expected: int) -> None:
        """Replace one."""
        kept = self._records.get(record.spec.id)
        if kept is None:
            raise missing(record.spec.id)
        if kept.version != expected:
            raise stale(kept.version)
        self._check_key(record)
        self._records[record.spec.id] = record

    async def remove(self, feed: str) -> None:
        """Remove one."""
        self._records.pop(feed, None)

    def _check_key(self, record: FeedRecord) -> None:
        for other in self._records.values():
            if (
                record.key_hash is not None
                and other.key_hash == record.key_hash
                and other.spec.id != record.spec.id
            ):
                raise key_taken()


def missing(feed: str) -> NotFoundError:
    """There is no such feed."""
    return NotFoundError(f"there is no feed {feed!r}", field="feed")


def taken(feed: str) -> ConflictError:
    """The id is another's."""
    return ConflictError(f"there is a feed {feed!r} already", field="feed")


def key_taken() -> ConflictError:
    """The key is another's."""
    return ConflictError("another feed has this stream key", field="stream_key")


def stale(version: int) -> ConflictError:
    """Somebody else changed the feed in between."""
    return ConflictError(f"the feed was changed in between: it is at version {version}", field="version")

"""Where recordings of feeds are kept, and one that lives in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from media.model.errors import ConflictError, NotFoundError
from media.record.iso.isos import Iso, IsoPart


class IsoStore(Protocol):
    """Kept recordings of feeds and their parts. Every method raises `StoreError` when the database cannot be used."""

    async def start(self, iso: str, feed: str, at: int) -> Iso:
        """Begin one. The running one with that id is returned as it is, an ended one's id is a `ConflictError`."""
        ...

    async def stop(self, iso: str, at: int) -> Iso:
        """End one; an ended one is returned as it is. `NotFoundError` where none stands."""
        ...

    async def get(self, iso: str) -> Iso:
        """One that stands, with the sums of its parts; `NotFoundError` otherwise."""
        ...

    async def list(self, feed: str | None = None) -> Sequence[Iso]:
        """Those that stand with the sums of their parts, newest first."""
        ...

    async def delete(self, iso: str, at: int) -> None:
        """Mark it deleted. `ConflictError` while it runs, `NotFoundError` where none stands."""
        ...

    async def put_part(self, part: IsoPart) -> None:
        """Keep a part as it is now, a new one or one that is kept."""
        ...

    async def parts(self, iso: str) -> Sequence[IsoPart]:
        """All parts of one, by number."""
        ...

    async def open_parts(self) -> Sequence[IsoPart]:
        """Parts that were never closed, of recordings that stand."""
        ...


class MemoryIsoStore:
    """Recordings for as long as the process lives: for tests, and for a try without a database."""

    def __init__(self) -> None:
        self._isos: dict[str, Iso] = {}
        self._parts: dict[tuple[str, int], IsoPart] = {}

    async def start(self, iso: str, feed: str, at: int) -> Iso:
        """Begin one, or find it running."""
        found = self._isos.setdefault(iso, Iso(iso, feed, at))
        check_start(found, feed)
        return self._summed(found)

    async def stop(self, iso: str, at: int) -> Iso:
        """End one; never before its start."""
        found = self._standing(iso)
        if found.running:
            found = self._isos[iso] = replace(found, ended=max(at, found.started + 1))
        return self._summed(found)

    async def get(self, iso: str) -> Iso:
        """One that stands."""
        return self._summed(self._standing(iso))

    async def list(self, feed: str | None = None) -> Sequence[Iso]:
        """Those that stand."""
        found = [each for each in self._isos.values() if not each.deleted and feed in {None, each.feed}]
        return [self._summed(each) for each in sorted(found, key=lambda each: (-each.started, each.id))]

    async def delete(self, iso: str, at: int) -> None:
        """Mark it deleted."""
        found = self._standing(iso)
        if found.running:
            raise running(iso)
        self._isos[iso] = replace(found, deleted=at)

    async def put_part(self, part: IsoPart) -> None:
        """Keep a part as it is now."""
        self._parts[part.iso, part.number] = part

    async def parts(self, iso: str) -> Sequence[IsoPart]:
        """All parts of one."""
        return [self._parts[key] for key in sorted(self._parts) if key[0] == iso]

    async def open_parts(self) -> Sequence[IsoPart]:
        """Parts that were never closed."""
        standing = {each.id for each in self._isos.values() if not each.deleted}
        return [
            self._parts[key]
            for key in sorted(self._parts)
            if key[0] in standing and not self._parts[key].closed
        ]

    def _standing(self, iso: str) -> Iso:
        found = self._isos.get(iso)
        if found is None or found.deleted:
            raise missing(iso)
        return found

    def _summed(self, iso: Iso) -> Iso:
        mine = [part for part in self._parts.values() if part.iso == iso.id]
        size, duration = sum(part.size for part in mine), sum(part.duration for part in mine)
        return replace(iso, parts=sum(part.size > 0 for part in mine), size=size, duration=duration)


def check_start(found: Iso, feed: str) -> None:
    """Raise `ConflictError` where what is kept under this id is not the running recording of this feed."""
    if found.deleted or not found.running or found.feed != feed:
        raise ConflictError(f"the id {found.id!r} was used for another recording", field="iso")


def missing(iso: str) -> NotFoundError:
    """There is no such recording."""
    return NotFoundError(f"there is no recording {iso!r} of a feed", field="iso")


def running(iso: str) -> ConflictError:
    """It has to be stopped first."""
    return ConflictError(f"the recording {iso!r} is running", field="iso")

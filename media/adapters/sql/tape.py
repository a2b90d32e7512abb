"""The index of the tape in SQL: adapter of `media.ports.TapeIndex` and of `media.record.gaps.GapLog`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from media.adapters.sql.edge import reading, transaction, upsert
from media.adapters.sql.tables import channel_epochs, epochs, tape_gaps, tape_inits, tape_segments
from media.model.time import MICROSECONDS, ProgrammeTime
from media.ports import TapeInit, TapeSegment
from media.record.gaps import KnownGap, ends
from media.record.ranges import Range, subtract
from media.record.retention import Slice

_S = tape_segments.c
_SLICE = 60 * MICROSECONDS
_ROWS = 500
"""Rows in one statement: SQLite's default limit of bound values is 32,766, an entry binds 12."""
_LONGEST = 600 * MICROSECONDS
"""No segment is longer. Rows are found by their ends: without an upper bound of those all newer ones of the channel are read."""
_BIRTH = 1_767_225_600 * MICROSECONDS
"""2026-01-01T00:00:00Z: a channel's first epoch is the number of seconds since."""


class SqlTapeIndex:
    """The tape's index in the tables `epochs` and `tape_*`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def claim_epoch(self, channel: str, anchor: ProgrammeTime) -> int:
        """Take the next epoch. One statement counts, so two claimants can never get the same number.

        The first one is told by the clock, not 1: names carry the epoch and are cached for a year, so a database that was made
        anew must not give them again.
        """
        first = max(1, (anchor - _BIRTH) // MICROSECONDS)
        async with transaction(self._engine, "claiming an epoch") as connection:
            count = (
                upsert(connection, channel_epochs)
                .values(channel=channel, epoch=first)
                .on_conflict_do_update(
                    index_elements=[channel_epochs.c.channel], set_={"epoch": channel_epochs.c.epoch + 1}
                )
                .returning(channel_epochs.c.epoch)
            )
            epoch: int = (await connection.execute(count)).scalar_one()
            await connection.execute(
                insert(epochs).values(
                    channel=channel, epoch=epoch, anchor=anchor, claimed_at=time.time_ns() // 1000
                )
            )
        return epoch

    async def current_epoch(self, channel: str) -> int:
        """The newest claimed epoch; 0 before the first."""
        async with reading(self._engine, "reading the epoch") as connection:
            query = select(channel_epochs.c.epoch).where(channel_epochs.c.channel == channel)
            return (await connection.execute(query)).scalar() or 0

    async def first_epoch(self, channel: str) -> int:
        """The oldest epoch of the channel; 0 before it."""
        async with reading(self._engine, "reading the first epoch") as connection:
            query = select(func.min(epochs.c.epoch)).where(epochs.c.channel == channel)
            return (await connection.execute(query)).scalar() or 0

    async def anchors(self, channel: str) -> dict[int, ProgrammeTime]:
        """The anchor of each epoch of the channel."""
        async with reading(self._engine, "reading the epochs") as connection:
            query = select(epochs.c.epoch, epochs.c.anchor).where(epochs.c.channel == channel)
            return {epoch: ProgrammeTime(anchor) for epoch, anchor in await connection.execute(query)}

    async def add_init(self, init: TapeInit) -> None:
        """Record an init segment; the same one again is no error."""
        async with transaction(self._engine, "adding an init segment") as connection:
            await connection.execute(
                upsert(connection, tape_inits)
                .values(
                    channel=init.channel,
                    epoch=init.epoch,
                    rendition=init.rendition,
                    key=init.key,
                    codecs=init.codecs,
                    width=init.width,
                    height=init.height,
                    bitrate=init.bitrate,
                    frame_rate=init.frame_rate,
                )
                .on_conflict_do_nothing()
            )

    async def add(self, segments: Sequence[TapeSegment]) -> None:
        """Commit finished segments in one transaction."""
        if not segments:
            return
        async with transaction(self._engine, "adding segments") as connection:
            for i in range(0, len(segments), _ROWS):
                # Not as VALUES of many rows, which SQLAlchemy compiles anew each time.
                await connection.execute(
                    upsert(connection, tape_segments).on_conflict_do_nothing(),
                    [_values(segment) for segment in segments[i : i + _ROWS]],
                )

    async def inits(self, channel: str) -> Sequence[TapeInit]:
        """All init segments of the channel that still have segments or belong to the newest epoch."""
        i = tape_inits.c
        newest = select(channel_epochs.c.epoch).where(channel_epochs.c.channel == channel).scalar_subquery()
        used = exists().where(_S.channel == i.channel, _S.epoch == i.epoch, _S.rendition == i.rendition)
        query = (
            select(tape_inits)
            .where(i.channel == channel, or_(i.epoch == newest, used))
            .order_by(i.epoch, i.rendition)
        )
        async with reading(self._engine, "reading init segments") as connection:
            return [TapeInit(**row) for row in (await connection.execute(query)).mappings()]

    async def between(
        self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None
    ) -> Sequence[TapeSegment]:
        """Segments of all renditions that overlap [start, end), ordered by msn, then rendition."""
        query = select(tape_segments).where(_S.channel == channel, _S.ends > start)
        if end is not None:
            query = query.where(_S.starts < end, _S.ends < end + _LONGEST)
        async with reading(self._engine, "reading segments") as connection:
            rows = await connection.execute(query.order_by(_S.msn, _S.epoch, _S.rendition))
            return [_segment(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it

    async def last_msn(self, channel: str) -> int | None:
        """The highest media sequence number on the channel's tape, None on an empty one."""
        # By the index on (channel, ends): the highest number is among the newest, and max(msn) would read them all.
        query = select(_S.msn).where(_S.channel == channel).order_by(_S.ends.desc()).limit(64)
        async with reading(self._engine, "reading the last segment") as connection:
            return max((await connection.execute(query)).scalars(), default=None)

    async def newest(self, channel: str) -> ProgrammeTime | None:
        """Where the channel's tape ends, None on an empty one."""
        async with reading(self._engine, "reading the tape's end") as connection:
            end = (await connection.execute(select(func.max(_S.ends)).where(_S.channel == channel))).scalar()
        return None if end is None else ProgrammeTime(end)

    async def size(self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None) -> int:
        """Bytes of all segments that overlap [start, end)."""
        query = select(func.coalesce(func.sum(_S.size), 0)).where(_S.channel == channel, _S.ends > start)
        if end is not None:
            query = query.where(_S.starts < end, _S.ends < end + _LONGEST)
        async with reading(self._engine, "summing segments") as connection:
            return int((await connection.execute(query)).scalar_one())

    async def channels(self) -> Sequence[str]:
        """Channels that have a tape."""
        async with reading(self._engine, "reading channels of the tape") as connection:
            return list(
                (await connection.execute(select(epochs.c.channel).distinct().order_by("channel"))).scalars()
            )

    async def slices(self, channel: str, within: Sequence[Range]) -> Sequence[Slice]:
        """Sizes of about a minute each of what lies wholly inside the ranges, oldest first."""
        found: list[Slice] = []
        async with reading(self._engine, "measuring the tape") as connection:
            for one in within:
                query = (
                    select(func.min(_S.starts), func.max(_S.ends), func.sum(_S.size))
                    .where(_inside(channel, one))
                    .group_by(_S.starts // _SLICE)
                )
                for starts, ends, size in await connection.execute(query):
                    found.append(Slice(channel, Range(starts, ends), int(size)))
        return sorted(found, key=lambda s: s.range.start)

    async def forget_before(
        self, channel: str, before: ProgrammeTime, keep: Sequence[tuple[int, int]]
    ) -> Sequence[str]:
        """Drop entries that end before `before` and overlap none of the `keep` ranges; returns their keys.

        Asks for each stretch between the kept ranges by itself: the index answers an empty stretch at once, while
        a condition over all rows would read a year of recordings each minute.
        """
        keys: list[str] = []
        async with transaction(self._engine, "forgetting segments") as connection:
            for hole in subtract(Range(0, before), [Range(a, b) for a, b in keep]):
                found = (
                    (await connection.execute(select(_S.key).where(_inside(channel, hole)))).scalars().all()
                )
                if found:
                    await connection.execute(delete(tape_segments).where(_inside(channel, hole)))
                    keys += found
                gap = and_(
                    tape_gaps.c.channel == channel,
                    tape_gaps.c.starts >= hole.start,
                    tape_gaps.c.ends <= hole.end,
                )
                await connection.execute(delete(tape_gaps).where(gap))
            if keys:
                keys += await _forget_inits(connection, channel)
        return keys

    async def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Which of the keys have an entry, as a segment or as an init segment."""
        known: set[str] = set()
        async with reading(self._engine, "looking for keys") as connection:
            for i in range(0, len(keys), _ROWS):
                some = keys[i : i + _ROWS]
                known.update((await connection.execute(select(_S.key).where(_S.key.in_(some)))).scalars())
                inits = select(tape_inits.c.key).where(tape_inits.c.key.in_(some))
                known.update((await connection.execute(inits)).scalars())
        return known

    async def add_gap(self, gap: KnownGap) -> None:
        """Record a known gap; one that begins at the same time is made as long as the longer of both."""
        async with transaction(self._engine, "adding a gap") as connection:
            put = upsert(connection, tape_gaps).values(
                channel=gap.channel, starts=gap.starts, ends=gap.ends, cause=gap.cause
            )
            later = put.excluded.ends > tape_gaps.c.ends
            await connection.execute(
                put.on_conflict_do_update(
                    index_elements=[tape_gaps.c.channel, tape_gaps.c.starts],
                    set_={"ends": put.excluded.ends, "cause": put.excluded.cause},
                    where=later,
                )
            )

    async def known_gaps(self, channel: str, start: ProgrammeTime, end: ProgrammeTime) -> Sequence[KnownGap]:
        """Known gaps that overlap [start, end), oldest first."""
        g = tape_gaps.c
        query = (
            select(tape_gaps).where(g.channel == channel, g.ends > start, g.starts < end).order_by(g.starts)
        )
        async with reading(self._engine, "reading gaps") as connection:
            return [KnownGap(**row) for row in (await connection.execute(query)).mappings()]


async def _forget_inits(connection: AsyncConnection, channel: str) -> list[str]:
    """Drop init segments that no segment of theirs needs any more, but those of the newest epoch."""
    i = tape_inits.c
    newest = select(channel_epochs.c.epoch).where(channel_epochs.c.channel == channel).scalar_subquery()
    used = exists().where(_S.channel == i.channel, _S.epoch == i.epoch, _S.rendition == i.rendition)
    unused = and_(i.channel == channel, i.epoch < newest, ~used)
    keys = (await connection.execute(select(i.key).where(unused))).scalars().all()
    if keys:
        await connection.execute(delete(tape_inits).where(i.channel == channel, i.key.in_(keys)))
    return list(keys)


def _inside(channel: str, within: Range) -> ColumnElement[bool]:
    """Segments of the channel that lie wholly inside; `starts < end` bounds the walk along the index."""
    return and_(
        _S.channel == channel, _S.starts >= within.start, _S.starts < within.end, _S.ends <= within.end
    )


def _values(segment: TapeSegment) -> dict[str, object]:
    return {**asdict(segment), "ends": ends(segment)}


def _segment(row: RowMapping) -> TapeSegment:
    return TapeSegment(**{name: value for name, value in row.items() if name != "ends"})

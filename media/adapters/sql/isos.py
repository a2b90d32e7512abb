"""Recordings of feeds in SQL: the adapter of `media.record.iso.store.IsoStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from sqlalchemy import RowMapping, Select, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from media.adapters.sql.edge import reading, transaction, upsert
from media.adapters.sql.tables import iso_parts, isos
from media.record.iso.isos import Hole, Iso, IsoPart, PartCause, Placement
from media.record.iso.store import check_start, missing, running

_I, _P = isos.c, iso_parts.c


class SqlIsoStore:
    """Tables `isos` and `iso_parts`. A deleted one leaves its row, so that its id is never used again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def start(self, iso: str, feed: str, at: int) -> Iso:
        """Begin one, or find it running."""
        async with transaction(self._engine, "starting to record a feed") as connection:
            await connection.execute(
                upsert(connection, isos)
                .values(id=iso, feed=feed, started=at, ended=0, deleted=0)
                .on_conflict_do_nothing()
            )
            found = await _read(connection, iso)
        assert found is not None
        check_start(found, feed)
        return found

    async def stop(self, iso: str, at: int) -> Iso:
        """End one; never before its start."""
        async with transaction(self._engine, "ending the recording of a feed") as connection:
            found = await _standing(connection, iso)
            if not found.running:
                return found
            end = max(at, found.started + 1)
            await connection.execute(update(isos).where(_I.id == iso, _I.ended == 0).values(ended=end))
            return await _standing(connection, iso)

    async def get(self, iso: str) -> Iso:
        """One that stands."""
        async with reading(self._engine, "reading the recording of a feed") as connection:
            return await _standing(connection, iso)

    async def list(self, feed: str | None = None) -> Sequence[Iso]:
        """Those that stand, newest first."""
        query = _summed().where(_I.deleted == 0).order_by(_I.started.desc(), _I.id)
        if feed is not None:
            query = query.where(_I.feed == feed)
        async with reading(self._engine, "listing recordings of feeds") as connection:
            return [_iso(row) for row in (await connection.execute(query)).mappings()]

    async def delete(self, iso: str, at: int) -> None:
        """Mark one deleted."""
        async with transaction(self._engine, "deleting the recording of a feed") as connection:
            found = await _standing(connection, iso)
            if found.running:
                raise running(iso)
            await connection.execute(update(isos).where(_I.id == iso).values(deleted=at))

    async def put_part(self, part: IsoPart) -> None:
        """Keep a part as it is now."""
        values = _values(part)
        fresh = {name: value for name, value in values.items() if name not in {"iso", "number"}}
        async with transaction(self._engine, "keeping a part of a recording") as connection:
            await connection.execute(
                upsert(connection, iso_parts)
                .values(**values)
                .on_conflict_do_update(index_elements=[_P.iso, _P.number], set_=fresh)
            )

    async def parts(self, iso: str) -> Sequence[IsoPart]:
        """All parts of one."""
        return await self._parts(select(iso_parts).where(_P.iso == iso))

    async def open_parts(self) -> Sequence[IsoPart]:
        """Parts that were never closed."""
        standing = select(iso_parts).join(isos, _I.id == _P.iso).where(_I.deleted == 0)
        return await self._parts(standing.where(_P.closed.is_(False)))

    async def _parts(self, query: Select[Any]) -> Sequence[IsoPart]:
        async with reading(self._engine, "reading the parts of a recording") as connection:
            rows = (await connection.execute(query.order_by(_P.iso, _P.number))).mappings()
            return [_part(row) for row in rows]


def _summed() -> Select[Any]:
    """Recordings with the sums of their parts."""
    sums = (
        select(
            _P.iso,
            func.sum(case((_P.size > 0, 1), else_=0)).label("parts"),
            func.sum(_P.size).label("size"),
            func.sum(_P.duration).label("duration"),
        )
        .group_by(_P.iso)
        .subquery()
    )
    return select(isos, sums.c.parts, sums.c.size, sums.c.duration).outerjoin(sums, sums.c.iso == _I.id)


async def _read(connection: AsyncConnection, iso: str) -> Iso | None:
    row = (await connection.execute(_summed().where(_I.id == iso))).mappings().first()
    return None if row is None else _iso(row)


async def _standing(connection: AsyncConnection, iso: str) -> Iso:
    found = await _read(connection, iso)
    if found is None or found.deleted:
        raise missing(iso)
    return found


def _iso(row: RowMapping) -> Iso:
    # Sums of big integers are decimals on PostgreSQL.
    sums = {name: int(row[name] or 0) for name in ("parts", "size", "duration")}
    return Iso(row["id"], row["feed"], row["started"], row["ended"], row["deleted"], **sums)


def _values(part: IsoPart) -> Mapping[str, object]:
    plain = {column.name: getattr(part, column.name) for column in iso_parts.columns}
    return plain | {
        "cause": part.cause.value,
        "placements": [list(astuple(each)) for each in part.placements],
        "holes": [list(astuple(each)) for each in part.holes],
    }


def _part(row: RowMapping) -> IsoPart:
    values = dict(row) | {
        "cause": PartCause(row["cause"]),
        "placements": tuple(Placement(*each) for each in row["placements"]),
        "holes": tuple(Hole(*each) for each in row["holes"]),
    }
    return IsoPart(**values)

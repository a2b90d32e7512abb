"""`TriesStore` and `AuditStore` in SQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from web.adapters.tables import SqlStore, audit, tries
from web.auth.ports import AuditFilter, AuditRecord, Tries

_EMPTY = asdict(Tries())


class SqlTriesStore(SqlStore):
    """Failed log-ins in the table `web_tries`."""

    async def step(
        self, keys: Sequence[str], change: Callable[[Mapping[str, Tries]], Mapping[str, Tries | None]]
    ) -> None:
        """See `TriesStore`."""
        wanted = sorted(set(keys))
        make = sqlite_insert if self._database.is_sqlite else postgresql_insert
        async with self._writing() as session:
            # Rows first, so that there is something to lock; in one order, so that two steps never wait for each other.
            empty = make(tries).values([{"key": key, **_EMPTY} for key in wanted])
            await session.execute(empty.on_conflict_do_nothing())
            query = select(tries).where(tries.c.key.in_(wanted)).order_by(tries.c.key).with_for_update()
            rows = {row["key"]: _tries(row) for row in (await session.execute(query)).mappings()}
            kept = change(rows)
            for key in wanted:
                new = kept.get(key, rows[key])
                if new is None or new == Tries():
                    await session.execute(delete(tries).where(tries.c.key == key))
                elif new != rows[key]:
                    await session.execute(update(tries).where(tries.c.key == key).values(**asdict(new)))

    async def forget(self, now: int) -> int:
        """See `TriesStore`."""
        async with self._writing() as session:
            gone = delete(tries).where(tries.c.expires <= now).returning(tries.c.key)
            return len((await session.execute(gone)).scalars().all())


class SqlAuditStore(SqlStore):
    """The audit log in the table `web_audit`."""

    async def append(self, record: AuditRecord) -> int:
        """See `AuditStore`."""
        values = _values(record)
        del values["id"]
        async with self._writing() as session:
            made = await session.execute(insert(audit).values(**values).returning(audit.c.id))
            return int(made.scalar_one())

    async def amend(self, record: AuditRecord) -> None:
        """See `AuditStore`."""
        async with self._writing() as session:
            await session.execute(update(audit).where(audit.c.id == record.id).values(**_values(record)))

    async def lines(self, wanted: AuditFilter, limit: int) -> Sequence[AuditRecord]:
        """See `AuditStore`."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if wanted.actor:
            query = query.where(or_(audit.c.actor == wanted.actor, audit.c.user == wanted.actor))
        if wanted.operation:
            query = query.where(audit.c.operation == wanted.operation)
        if wanted.named:
            query = query.where(audit.c.named == wanted.named)
        if wanted.since:
            query = query.where(audit.c.at >= wanted.since)
        if wanted.until:
            query = query.where(audit.c.at < wanted.until)
        if wanted.before:
            query = query.where(audit.c.id < wanted.before)
        async with self._reading() as session:
            return [_line(row) for row in (await session.execute(query)).mappings()]

    async def prune(self, before: int) -> int:
        """See `AuditStore`."""
        async with self._writing() as session:
            gone = delete(audit).where(audit.c.at < before).returning(audit.c.id)
            return len((await session.execute(gone)).scalars().all())


def _tries(row: Mapping[Any, Any]) -> Tries:
    return Tries(row["failures"], row["last"], row["until"], row["expires"])


def _values(record: AuditRecord) -> dict[str, Any]:
    return {**asdict(record), "changed": json.dumps(dict(record.changed), ensure_ascii=False)}


def _line(row: Mapping[Any, Any]) -> AuditRecord:
    values = {str(key): value for key, value in row.items()}
    return AuditRecord(**{**values, "changed": json.loads(values["changed"])})

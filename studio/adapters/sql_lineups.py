"""`LineupStore` in SQL, on SQLite and PostgreSQL alike. SQLAlchemy's errors stop here."""

from __future__ import annotations

import json
from dataclasses import asdict

from sqlalchemy import Column, Integer, String, Table, Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from commerce_bridge.cards.state import Item, Lineup
from runtime.database import DatabaseStore
from studio.adapters.sql import METADATA
from studio.model.errors import ConflictError, StoreError

lineups = Table(
    "show_lineups",
    METADATA,
    Column("show", String(80), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("items", Text, nullable=False),  # JSON: read and written as a whole, and never searched
)


class SqlLineupStore(DatabaseStore):
    """Lineups in the table `show_lineups`."""

    def _unusable(self, reason: str) -> StoreError:
        return StoreError(reason)

    async def get(self, show: str) -> Lineup:
        """See `LineupStore`."""
        async with self._reading() as session:
            row = (await session.execute(select(lineups).where(lineups.c.show == show))).mappings().first()
        if row is None:
            return Lineup()
        return Lineup(tuple(Item(**each) for each in json.loads(row["items"])), row["version"])

    async def put(self, show: str, lineup: Lineup, *, was: int) -> None:
        """See `LineupStore`."""
        items = json.dumps([asdict(item) for item in lineup.items], ensure_ascii=False)
        values = {"version": lineup.version, "items": items}
        try:
            async with self._writing() as session:
                change = (
                    update(lineups)
                    .where(lineups.c.show == show, lineups.c.version == was)
                    .values(**values)
                    .returning(lineups.c.show)
                )
                found = (await session.execute(change)).first()
                if found is None and not was:
                    await session.execute(insert(lineups).values(show=show, **values))
                    return
        except IntegrityError as error:
            raise ConflictError("the lineup was changed meanwhile", field="version") from error
        if found is None:
            raise ConflictError("the lineup was changed meanwhile", field="version")

    async def delete(self, show: str) -> None:
        """See `LineupStore`."""
        async with self._writing() as session:
            await session.execute(delete(lineups).where(lineups.c.show == show))

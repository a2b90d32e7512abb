"""The edge to SQLAlchemy: a transaction whose failures are ours, and the insert that both databases know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from media.model.errors import StoreError
from runtime.database import READS, DatabaseUnavailableError, said

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


@asynccontextmanager
async def transaction(engine: AsyncEngine, doing: str) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that may write. `doing` goes into the message of the `StoreError`."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, DatabaseUnavailableError, OSError) as error:
        raise StoreError(f"the database failed while {doing}: {said(error)}") from error


def reading(engine: AsyncEngine, doing: str) -> AbstractAsyncContextManager[AsyncConnection]:
    """The same for reading alone: it never waits for a writer."""
    return transaction(engine.execution_options(**{READS: True}), doing)


def upsert(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, which SQLite (from 3.24) and PostgreSQL spell alike."""
    if connection.dialect.name == "postgresql":
        # Not above: on SQLite it would cost each worker's start a tenth of a second for nothing.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)

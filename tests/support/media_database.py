"""Databases with media's tables, on each kind that `databases` can make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from media.adapters.migrations import METADATA, SCRIPTS
from runtime.database import Database
from runtime.migrations import Branch, upgrade
from tests.support import databases

BRANCH = Branch("media", METADATA, SCRIPTS)


@asynccontextmanager
async def fresh(kind: str, folder: Path, *, busy_timeout: float = 5.0) -> AsyncIterator[Database]:
    """An open database with media's tables and nothing in them."""
    async with databases.fresh(kind, folder, busy_timeout=busy_timeout) as database:
        await upgrade(database, [BRANCH])
        yield database

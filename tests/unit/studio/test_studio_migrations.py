from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from runtime.migrations import upgrade
from studio.adapters.migrations import BRANCH, METADATA
from tests.support import databases


@pytest.mark.parametrize("kind", databases.KINDS)
async def test_the_steps_lead_to_the_tables_that_are_written_down(kind: str, tmp_path: Path) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_name": lambda name, what, _: what != "table" or name in METADATA.tables}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))

    async with databases.fresh(kind, tmp_path) as database:
        await upgrade(database, [BRANCH])
        async with database.engine.connect() as connection:
            assert await connection.run_sync(differences) == []

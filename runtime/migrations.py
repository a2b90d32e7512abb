"""Bringing the database up to date. Each package has its own line of Alembic revisions and its own version table, so
that packages are migrated, and could be split off, without knowing of each other.

A package registers a module under the entry point group `gachi.migrations`, by the package's name. The module has
`METADATA` (its tables) and `SCRIPTS` (the folder that holds `versions/`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from runtime.database import Database


@dataclass(frozen=True, slots=True)
class Branch:
    """One package's revisions."""

    package: str
    metadata: MetaData
    scripts: Path
    """The folder that holds `versions/`."""

    @property
    def version_table(self) -> str:
        """Where the branch's current revision is kept."""
        return f"alembic_{self.package}"

    @property
    def script(self) -> ScriptDirectory:
        """Alembic's view of the scripts; no env.py is needed, `upgrade` plays its part."""
        return ScriptDirectory(str(self.scripts), version_locations=[str(self.scripts / "versions")])


def discover() -> list[Branch]:
    """The branches of all installed packages, by package name."""
    branches = []
    for entry in sorted(entry_points(group="gachi.migrations"), key=lambda entry: entry.name):
        module = entry.load()
        branches.append(Branch(entry.name, module.METADATA, Path(module.SCRIPTS)))
    return branches


async def upgrade(database: Database, branches: Sequence[Branch] | None = None) -> dict[str, tuple[str, str]]:
    """Bring every branch to its head; returns package → (revision before, after), empty where there was none.

    One transaction per branch, under a lock: of several processes that start at once, one migrates, the others wait.
    Raises `DatabaseUnavailableError` or what the failing revision raised; that branch is then as it was.
    """
    done = {}
    for branch in discover() if branches is None else branches:
        async with database.session() as session:
            connection = await session.connection()
            if not database.is_sqlite:  # SQLite's session holds the write lock already
                key = zlib.crc32(b"gachi." + branch.package.encode())
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            done[branch.package] = await connection.run_sync(_upgrade_branch, branch)
    return done


async def pending(database: Database, branches: Sequence[Branch] | None = None) -> list[str]:
    """Packages whose database is not at their head."""
    behind = []
    for branch in discover() if branches is None else branches:
        async with database.reading() as session:
            current = await (await session.connection()).run_sync(_current, branch)
        if current != (branch.script.get_current_head() or ""):
            behind.append(branch.package)
    return behind


async def differences(database: Database, branch: Branch) -> list[Any]:
    """How the database differs from the branch's metadata (Alembic's diff tuples); empty is right. For tests."""

    def compare(connection: Connection) -> list[Any]:
        def include(_object: object, name: str | None, kind: str, *_: object) -> bool:
            return not (kind == "table" and name is not None and name.startswith("alembic_"))

        options = {"version_table": branch.version_table, "compare_type": True, "include_object": include}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), branch.metadata))

    async with database.reading() as session:
        return await (await session.connection()).run_sync(compare)


def _current(connection: Connection, branch: Branch) -> str:
    context = MigrationContext.configure(connection, opts={"version_table": branch.version_table})
    return context.get_current_revision() or ""


def _upgrade_branch(connection: Connection, branch: Branch) -> tuple[str, str]:
    before = _current(connection, branch)
    script = branch.script

    def steps(revision: str, _context: MigrationContext) -> Any:  # noqa: ANN401  Alembic's own type is private
        return script._upgrade_revs("head", revision)  # noqa: SLF001  what alembic.command.upgrade calls too

    with EnvironmentContext(Config(), script, fn=steps, destination_rev="head") as environment:
        environment.configure(
            connection=connection, target_metadata=branch.metadata, version_table=branch.version_table
        )
        environment.run_migrations()
    return before, _current(connection, branch)

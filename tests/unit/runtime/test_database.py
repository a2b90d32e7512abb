from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from runtime.database import ERRORS, Database, DatabaseBusyError, DatabaseStore, DatabaseUnavailableError
from runtime.migrations import Branch, differences, pending, upgrade
from tests.support import databases

METADATA = sa.MetaData()
CRATES = sa.Table("crates", METADATA, sa.Column("id", sa.Integer, primary_key=True))
APPLES = sa.Table(
    "apples",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("crate", sa.ForeignKey("crates.id"), nullable=False),
)
BRANCH = Branch("support", METADATA, Path(databases.__file__).parent / "migrations")


@pytest.fixture(params=databases.KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with databases.fresh(request.param, tmp_path, busy_timeout=0.3) as database:
        yield database


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    async with databases.fresh("sqlite", tmp_path, busy_timeout=0.3) as database:
        await upgrade(database, [BRANCH])
        yield database


async def count(database: Database, table: sa.Table) -> int:
    async with database.reading() as session:
        return int((await session.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


async def test_an_upgrade_makes_what_the_metadata_says_and_the_next_has_nothing_to_do(
    database: Database,
) -> None:
    assert await pending(database, [BRANCH]) == ["support"]
    assert await upgrade(database, [BRANCH]) == {"support": ("", "support_0002")}
    assert await pending(database, [BRANCH]) == []
    assert await differences(database, BRANCH) == []
    assert await upgrade(database, [BRANCH]) == {"support": ("support_0002", "support_0002")}


async def test_a_difference_is_found(database: Database) -> None:
    await upgrade(database, [BRANCH])
    other = sa.MetaData()
    sa.Table(
        "crates", other, sa.Column("id", sa.Integer, primary_key=True), sa.Column("colour", sa.String(9))
    )
    found = await differences(database, replace(BRANCH, metadata=other))
    assert {entry[0] for entry in found} == {"add_column", "remove_table"}


async def test_branches_do_not_know_of_each_other(database: Database) -> None:
    await upgrade(database, [BRANCH])
    async with database.session() as session:
        await session.execute(sa.text("DROP TABLE apples"))
        await session.execute(sa.text("DROP TABLE crates"))
    assert await upgrade(database, [replace(BRANCH, package="twin")]) == {"twin": ("", "support_0002")}
    assert await pending(database, [BRANCH]) == []


async def test_processes_that_start_at_once_upgrade_once(database: Database) -> None:
    async with Database(database.engine.url.render_as_string(hide_password=False)) as other:
        done = await asyncio.gather(upgrade(database, [BRANCH]), upgrade(other, [BRANCH]))
    assert sorted(each["support"][0] for each in done) == ["", "support_0002"]


async def test_a_failing_revision_leaves_the_branch_as_it_was(database: Database, tmp_path: Path) -> None:
    versions = tmp_path / "broken" / "versions"
    versions.mkdir(parents=True)
    (versions / "one.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = 'one'\ndown_revision = None\n"
        "def upgrade():\n"
        "    op.create_table('half', sa.Column('id', sa.Integer, primary_key=True))\n"
        "    raise RuntimeError('half way')\n"
    )
    broken = Branch("broken", sa.MetaData(), versions.parent)
    with pytest.raises(RuntimeError, match="half way"):
        await upgrade(database, [broken])
    assert await pending(database, [broken]) == ["broken"]
    async with database.engine.connect() as connection:
        assert "half" not in await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())


async def test_a_session_is_kept_whole_or_not_at_all(database: Database) -> None:
    await upgrade(database, [BRANCH])

    async def fail_half_way() -> None:
        async with database.session() as session:
            await session.execute(sa.insert(CRATES).values(id=1))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_half_way()
    assert await count(database, CRATES) == 0
    async with database.session() as session:
        await session.execute(sa.insert(CRATES).values(id=1))
    assert await count(database, CRATES) == 1


async def test_foreign_keys_hold(database: Database) -> None:
    await upgrade(database, [BRANCH])
    with pytest.raises(IntegrityError):
        async with database.session() as session:
            await session.execute(sa.insert(APPLES).values(id=1, crate=7))


async def test_read_then_write_from_many_tasks_loses_nothing(database: Database) -> None:
    await upgrade(database, [BRANCH])

    async def add(number: int) -> None:
        async with database.session() as session:
            if not database.is_sqlite:
                await session.execute(sa.text("LOCK TABLE crates IN EXCLUSIVE MODE"))
            highest = (await session.execute(sa.select(sa.func.max(CRATES.c.id)))).scalar() or 0
            await session.execute(sa.insert(CRATES).values(id=highest + 1))

    await asyncio.gather(*(add(number) for number in range(5)))
    assert await count(database, CRATES) == 5


async def test_sqlite_is_set_up_as_promised(sqlite: Database) -> None:
    async with sqlite.reading() as session:
        for pragma, value in [
            ("journal_mode", "wal"),
            ("synchronous", 1),
            ("foreign_keys", 1),
            ("busy_timeout", 300),
        ]:
            assert (await session.execute(sa.text(f"PRAGMA {pragma}"))).scalar_one() == value


async def test_a_locked_database_is_a_busy_error_and_readers_do_not_wait(sqlite: Database) -> None:
    async with sqlite.session() as holder:
        await holder.execute(sa.insert(CRATES).values(id=1))
        assert await count(sqlite, CRATES) == 0
        before = ERRORS.labels("busy")._value.get()
        with pytest.raises(DatabaseBusyError):
            async with sqlite.session() as second:
                await second.execute(sa.insert(CRATES).values(id=2))
        assert ERRORS.labels("busy")._value.get() == before + 1
    assert await count(sqlite, CRATES) == 1


async def test_a_wrong_statement_is_not_called_unavailable(sqlite: Database) -> None:
    with pytest.raises(sa.exc.OperationalError, match="no such table"):
        async with sqlite.session() as session:
            await session.execute(sa.text("SELECT * FROM nowhere"))


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for url in (f"sqlite:///{tmp_path / 'folder'}", "postgresql://nobody@127.0.0.1:1/none"):
        async with Database(url) as database:
            with pytest.raises(DatabaseUnavailableError):
                async with database.session() as session:
                    await session.execute(sa.text("SELECT 1"))


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="not supported"):
        Database("mysql://localhost/x")


class Crates(DatabaseStore):
    def _unusable(self, reason: str) -> Exception:
        return LookupError(reason)

    async def add(self, crate: int) -> None:
        async with self._writing() as session:
            await session.execute(sa.insert(CRATES).values(id=crate))

    async def count(self) -> int:
        async with self._reading() as session:
            return len((await session.execute(sa.select(CRATES))).all())


async def test_a_store_tells_its_own_error_in_a_line_and_lets_constraints_pass(database: Database) -> None:
    store = Crates(database)
    for doing in (store.add(123_456), store.count()):
        with pytest.raises(LookupError, match="the database cannot be used now: ") as failed:
            await doing
        assert "crates" in str(failed.value)
        assert "\n" not in str(failed.value)
        assert "123456" not in str(failed.value)
    await upgrade(database, [BRANCH])
    await store.add(1)
    with pytest.raises(IntegrityError):
        await store.add(1)
    assert await store.count() == 1

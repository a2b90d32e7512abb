from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from runtime.bus.contract import CommandError, Fault
from runtime.database import Database
from runtime.migrations import upgrade
from tests.support import databases
from web.adapters.migrations import BRANCH, METADATA
from web.adapters.sql import stores
from web.auth.ports import AuditFilter, AuditRecord, SessionRecord, Tries, UserRecord
from web.auth.roles import Role
from web.ports import Stores


@pytest.fixture(params=databases.KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with databases.fresh(request.param, tmp_path) as made:
        await upgrade(made, [BRANCH])
        yield made


@pytest.fixture
def kept(database: Database) -> Stores:
    return stores(database)


def user(name: str, role: Role = Role.HOST, **more: Any) -> UserRecord:
    return UserRecord(
        **{"id": f"id-{name}", "name": f"이름 {name}", "login": name, "role": role, "password": "hash",
           "created": 1, "changed": 1, **more}
    )  # fmt: skip


def session(name: str, owner: str, **more: Any) -> SessionRecord:
    return SessionRecord(
        **{"id": name, "digest": "d" * 64, "created": 1, "seen": 5, "expires": 100, "user": owner, **more}
    )


def line(operation: str, at: int, **more: Any) -> AuditRecord:
    fields = {"id": 0, "at": at, "kind": "user", "actor": "a", "name": "앤", "role": "host", "user": "a",
              "address": "192.0.2.1", "method": "POST", "operation": operation, "named": "x", **more}  # fmt: skip
    return AuditRecord(**fields)


async def test_the_steps_lead_to_the_tables_that_are_written_down(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_name": lambda name, what, _: what != "table" or name in METADATA.tables}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_users_live_their_life(kept: Stores) -> None:
    ann = user("ann", Role.ADMIN)
    await kept.users.add(user("bob"))
    await kept.users.add(ann)
    assert await kept.users.find("id-ann") == ann
    assert await kept.users.by_login("ann") == ann
    assert await kept.users.by_login("Ann") is None
    assert [each.login for each in await kept.users.users()] == ["ann", "bob"]
    with pytest.raises(CommandError) as taken:
        await kept.users.add(user("bob", id="other"))
    assert (taken.value.fault, taken.value.field) == (Fault.CONFLICT, "login")
    newer = replace(ann, name="Ann", version=2)
    assert await kept.users.save(newer, was=1)
    assert not await kept.users.save(replace(newer, name="late", version=2), was=1)
    with pytest.raises(CommandError):
        await kept.users.save(replace(newer, login="bob", version=3), was=2)
    await kept.users.rehash("id-ann", "newer", was="other")
    assert (await kept.users.find("id-ann")) == newer
    await kept.users.rehash("id-ann", "newer", was="hash")
    assert (await kept.users.find("id-ann")) == replace(newer, password="newer")
    assert not await kept.users.remove("id-bob", was=7)
    assert await kept.users.remove("id-bob", was=1)
    assert not await kept.users.remove("id-bob")


async def test_the_last_administrator_stays_one(kept: Stores) -> None:
    await kept.users.add(user("ann", Role.ADMIN))
    await kept.users.add(user("old", Role.ADMIN, disabled=True))
    for change in ({"role": Role.STAFF}, {"disabled": True}):
        with pytest.raises(CommandError) as refused:
            await kept.users.save(replace(user("ann", Role.ADMIN), version=2, **change), was=1)
        assert refused.value.fault is Fault.CONFLICT
    with pytest.raises(CommandError):
        await kept.users.remove("id-ann")
    await kept.users.add(user("bob", Role.ADMIN))

    async def leave(name: str) -> bool:
        try:
            return await kept.users.save(user(name, Role.STAFF, version=2), was=1)
        except CommandError:
            return False

    assert sorted(await asyncio.gather(leave("ann"), leave("bob"))) == [False, True], (
        "of two at once one stays"
    )


async def test_sessions_end_with_what_they_stand_on(kept: Stores) -> None:
    await kept.users.add(user("ann"))
    for name in ("s1", "s2"):
        await kept.sessions.open(session(name, "id-ann"))
    await kept.sessions.open(session("t1", "", token="settings:abc"))
    assert await kept.sessions.session("s1") == (session("s1", "id-ann"), user("ann"))
    assert await kept.sessions.session("t1") == (session("t1", "", token="settings:abc"), None)
    await kept.sessions.seen("s1", 9)
    found = await kept.sessions.session("s1")
    assert found is not None
    assert found[0].seen == 9
    assert await kept.sessions.end("s1")
    assert not await kept.sessions.end("s1")
    assert await kept.sessions.end_all() == 0, "nobody's is nobody's"
    assert await kept.users.save(replace(user("ann"), version=2), was=1, end_sessions=True)
    assert await kept.sessions.session("s2") is None
    assert await kept.sessions.end_all(token="settings:abc") == 1
    await kept.sessions.open(session("s3", "id-ann"))
    await kept.users.remove("id-ann")
    assert await kept.sessions.session("s3") is None


async def test_sessions_that_ended_by_themselves_are_swept(kept: Stores) -> None:
    for name, seen, expires in (("idle", 10, 100), ("over", 50, 20), ("good", 50, 100)):
        await kept.sessions.open(session(name, "u", seen=seen, expires=expires))
    assert await kept.sessions.sweep_sessions(expired=20, idle=10) == 2
    assert await kept.sessions.session("good") is not None


async def test_tries_are_read_and_kept_in_one_step(kept: Stores) -> None:
    def add(rows: Any) -> dict[str, Tries | None]:
        return {key: replace(row, failures=row.failures + 1, expires=9) for key, row in rows.items()}

    await asyncio.gather(*(kept.tries.step(["a", "b"], add) for _ in range(20)))
    seen: list[Any] = []

    def look(rows: Any, **kept: None) -> dict[str, Tries | None]:
        seen.append(dict(rows))
        return {**kept}

    await kept.tries.step(["a", "c"], lambda rows: look(rows, a=None))
    assert seen == [{"a": Tries(20, expires=9), "c": Tries()}]
    await kept.tries.step(["a", "b"], look)
    assert seen[1] == {"a": Tries(), "b": Tries(20, expires=9)}
    assert await kept.tries.forget(9) == 1


async def test_the_audit_log_is_read_newest_first_and_filtered(kept: Stores) -> None:
    ids = [
        await kept.audit.append(each)
        for each in (
            line("create_show", 10, changed={"title": "가을", "role": "host"}),
            line("start_show", 20, actor="t", user="a", named="s1"),
            line("patch_user", 30, actor="b", user="b", named="u"),
        )
    ]
    assert ids == sorted(set(ids))
    await kept.audit.amend(
        line("start_show", 20, id=ids[1], actor="t", user="a", named="s1", status=409, problem="conflict")
    )

    async def found(**wanted: Any) -> list[str]:
        return [each.operation for each in await kept.audit.lines(AuditFilter(**wanted), 10)]

    assert await found() == ["patch_user", "start_show", "create_show"]
    assert await found(actor="a") == ["start_show", "create_show"], "what its tokens did too"
    assert await found(actor="t") == ["start_show"]
    assert await found(operation="patch_user", named="u") == ["patch_user"]
    assert await found(since=20, until=30) == ["start_show"]
    assert await found(before=ids[1]) == ["create_show"]
    assert [each.status for each in await kept.audit.lines(AuditFilter(actor="t"), 10)] == [409]
    assert (await kept.audit.lines(AuditFilter(before=ids[1]), 1))[0].changed == {
        "title": "가을",
        "role": "host",
    }
    assert await kept.audit.prune(20) == 1
    assert await found() == ["patch_user", "start_show"]

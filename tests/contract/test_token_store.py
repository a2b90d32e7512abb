from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.bus.contract import CommandError, Fault
from runtime.migrations import upgrade
from tests.support import databases
from tests.support.sites import MemoryTokens
from web.adapters.migrations import BRANCH
from web.adapters.sql import SqlTokenStore
from web.auth.roles import Role
from web.auth.tokens import Tokens
from web.ports import TokenRecord, TokenStore


@pytest.fixture(params=["memory", *databases.KINDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TokenStore]:
    if request.param == "memory":
        yield MemoryTokens()
        return
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [BRANCH])
        yield SqlTokenStore(database)


def record(name: str, created: int, **more: int | str) -> TokenRecord:
    fields = {"id": name, "name": f"이름 {name}", "digest": "d" * 64, "created": created, **more}
    return TokenRecord(role=Role.STAFF, **fields)  # type: ignore[arg-type]  # the mixture is the test's own


async def test_what_is_kept_comes_back(store: TokenStore) -> None:
    one = record("a", 5, expires=9)
    await store.add(one)
    assert await store.find("a") == one
    assert await store.find("b") is None
    await store.touch("a", 7)
    found = await store.find("a")
    assert found is not None
    assert found.used == 7


async def test_tokens_are_listed_oldest_first_without_sessions(store: TokenStore) -> None:
    await store.add(record("b", 2))
    await store.add(record("a", 1))
    await store.add(record("s", 3, parent="a"))
    assert [each.id for each in await store.tokens()] == ["a", "b"]


async def test_revoking_ends_the_sessions_too(store: TokenStore) -> None:
    await store.add(record("a", 1))
    await store.add(record("s", 2, parent="a"))
    await store.add(record("b", 3))
    assert await store.revoke("a")
    assert not await store.revoke("a")
    assert await store.find("s") is None
    assert await store.find("b") is not None


async def test_sweeping_takes_the_expired_alone(store: TokenStore) -> None:
    await store.add(record("old", 1, expires=10))
    await store.add(record("young", 1, expires=11))
    await store.add(record("ever", 1))
    assert await store.sweep(10) == 1
    assert await store.find("old") is None
    assert await store.find("young") is not None
    assert await store.find("ever") is not None


async def test_tokens_over_the_store(store: TokenStore) -> None:
    now = [1_000_000]
    tokens = Tokens(store, "admin-text", wall=lambda: now[0])
    made, text = await tokens.create("edge", Role.HOST, expires=2_000_000)
    assert text not in made.digest
    identity = await tokens.verify(text)
    assert identity is not None
    assert (identity.id, identity.role) == (made.id, Role.HOST)
    for wrong in [
        "",
        text + "x",
        text[:-1],
        f"gl_{made.id}_x",
        "gl__",
        "admin-tex",
        "x" * 5000,
        "gl_\ud800_x",
    ]:
        assert await tokens.verify(wrong) is None
    admin = await tokens.verify("admin-text")
    assert admin is not None
    assert admin.role is Role.ADMIN
    session = await tokens.open_session(identity)
    assert await tokens.verify(session) is not None
    now[0] = 2_000_000
    assert await Tokens(store, wall=lambda: now[0]).verify(text) is None, "expired"
    await tokens.revoke(made.id)
    assert await tokens.verify(session) is None
    assert await Tokens(store).verify("") is None, "no admin token set: an empty one opens nothing"


async def test_an_error_says_what_the_database_said(tmp_path: Path) -> None:
    # "OperationalError" alone hid for a day that the table had never been made.
    async with databases.fresh("sqlite", tmp_path) as database:
        with pytest.raises(CommandError) as failed:
            await SqlTokenStore(database).sweep(1)
    assert failed.value.fault is Fault.UNAVAILABLE
    assert str(failed.value).endswith("no such table: web_tokens")

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.bus.contract import CommandError, Fault
from runtime.migrations import upgrade
from tests.support import databases
from web.adapters.migrations import BRANCH
from web.adapters.sql import SqlTokenStore, stores
from web.auth.ports import SessionRecord, UserRecord
from web.auth.roles import Role
from web.auth.tokens import Identity, Tokens
from web.ports import Stores, TokenRecord


@pytest.fixture(params=databases.KINDS)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [BRANCH])
        yield stores(database)


def record(name: str, created: int, **more: int | str) -> TokenRecord:
    fields = {"id": name, "name": f"이름 {name}", "digest": "d" * 64, "created": created, **more}
    return TokenRecord(role=Role.STAFF, **fields)  # type: ignore[arg-type]  # the mixture is the test's own


def user(name: str, role: Role, **more: int | bool) -> UserRecord:
    return UserRecord(name, name, name, role, "hash", created=1, changed=1, **more)  # type: ignore[arg-type]  # as above


async def test_what_is_kept_comes_back(kept: Stores) -> None:
    one = record("a", 5, expires=9)
    await kept.tokens.add(one)
    assert await kept.tokens.find("a") == one
    assert await kept.tokens.find("b") is None
    await kept.tokens.touch("a", 7)
    found = await kept.tokens.find("a")
    assert found is not None
    assert found.used == 7


async def test_tokens_are_listed_oldest_first(kept: Stores) -> None:
    await kept.tokens.add(record("b", 2))
    await kept.tokens.add(record("a", 1))
    await kept.tokens.add(record("c", 3, parent="a"))
    assert [each.id for each in await kept.tokens.tokens()] == ["a", "b", "c"]


async def test_revoking_ends_what_was_made_with_it_and_the_sessions(kept: Stores) -> None:
    await kept.tokens.add(record("a", 1))
    await kept.tokens.add(record("c", 2, parent="a"))
    await kept.tokens.add(record("d", 2, parent="c"))
    await kept.tokens.add(record("b", 3))
    for token in ("a", "d", "b"):
        await kept.sessions.open(SessionRecord(f"s-{token}", "x", 1, 1, 9, token=token))
    assert await kept.tokens.revoke("a")
    assert not await kept.tokens.revoke("a")
    assert [each.id for each in await kept.tokens.tokens()] == ["b"]
    assert await kept.sessions.session("s-a") is None
    assert await kept.sessions.session("s-d") is None
    assert await kept.sessions.session("s-b") is not None


async def test_sweeping_takes_the_expired_alone(kept: Stores) -> None:
    await kept.tokens.add(record("old", 1, expires=10))
    await kept.tokens.add(record("young", 1, expires=11))
    await kept.tokens.add(record("ever", 1))
    assert await kept.tokens.sweep(10) == 1
    assert await kept.tokens.find("old") is None
    assert await kept.tokens.find("young") is not None
    assert await kept.tokens.find("ever") is not None


async def test_tokens_over_the_store(kept: Stores) -> None:
    now = [1_000_000]
    tokens = Tokens(kept.tokens, "admin-text", users=kept.users, wall=lambda: now[0])
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
    now[0] = 2_000_000
    assert await Tokens(kept.tokens, users=kept.users, wall=lambda: now[0]).verify(text) is None, "expired"
    none = Tokens(kept.tokens, users=kept.users)
    assert await none.verify("") is None, "no admin token set: an empty one opens nothing"


async def test_a_token_does_no_more_than_its_owner(kept: Stores) -> None:
    await kept.users.add(user("u", Role.STAFF))
    tokens = Tokens(kept.tokens, users=kept.users)
    owner = Identity("u", "u", Role.STAFF, user="u")
    made, text = await tokens.create("edge", Role.STAFF, maker=owner)
    assert made.owner == "u"
    holder = await tokens.verify(text)
    assert holder is not None
    assert (holder.role, holder.user, holder.token) == (Role.STAFF, "u", made.id)
    child, _ = await tokens.create("child", Role.HOST, maker=holder)
    assert (child.parent, child.owner) == (made.id, "u")
    await kept.users.save(user("u", Role.VIEWER, version=2), was=1)
    tokens.forget()
    lower = await tokens.verify(text)
    assert lower is not None
    assert lower.role is Role.VIEWER
    await kept.users.save(user("u", Role.STAFF, version=3, disabled=True), was=2)
    tokens.forget()
    assert await tokens.verify(text) is None
    assert await kept.users.remove("u")
    assert await kept.tokens.tokens() == []


async def test_an_error_says_what_the_database_said(tmp_path: Path) -> None:
    # "OperationalError" alone hid for a day that the table had never been made.
    async with databases.fresh("sqlite", tmp_path) as database:
        with pytest.raises(CommandError) as failed:
            await SqlTokenStore(database).sweep(1)
    assert failed.value.fault is Fault.UNAVAILABLE
    assert str(failed.value).endswith("no such table: web_tokens")

from __future__ import annotations

import io
from pathlib import Path

import pytest

from runtime.cli import main
from runtime.database import Database
from web import commands
from web.adapters.sql import stores
from web.auth.passwords import Passwords
from web.auth.ports import AuditFilter
from web.auth.roles import Role


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GACHI_DATA", str(tmp_path))
    return tmp_path


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


async def test_roles_are_the_ones_there_are() -> None:
    assert list(commands.ROLES) == [role.value for role in Role]


def test_the_first_administrator_is_made_by_command(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "a long password\n")
    assert main(["user", "add", "Ann", "--role", "admin", "--password-stdin"]) == 0
    type_in(monkeypatch, "a long password\n")
    assert main(["user", "add", "ann", "--password-stdin"]) == 1
    assert "already" in capsys.readouterr().err
    assert main(["user", "add", "bob", "--generate", "--name", "밥"]) == 0
    assert "bob is a user with the role host; the password is " in capsys.readouterr().out
    assert main(["user", "password", "nobody", "--generate"]) == 1
    assert main(["user", "password", "ANN", "--generate"]) == 0
    made = capsys.readouterr().out.split()[-1]
    assert main(["user", "list"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["ann", "admin"],
        ["bob", "host"],
    ]

    async def look() -> None:
        async with Database(f"sqlite:///{data / 'gachi.db'}") as database:
            kept = stores(database)
            ann = await kept.users.by_login("ann")
            assert ann is not None
            assert await Passwords().verify(ann.password, made)
            lines = await kept.audit.lines(AuditFilter(), 10)
            assert [(each.kind, each.operation) for each in lines] == [
                ("command", "gachi user password"),
                ("command", "gachi user add"),
                ("command", "gachi user add"),
            ]
            assert made not in repr(lines)

    import asyncio

    asyncio.run(look())


def test_typed_passwords_must_be_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["one password", "another password"])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    assert main(["user", "add", "ann"]) == 1
    assert "differ" in capsys.readouterr().err

"""How the shop's process is looked after, on programs that behave like Node and npm as far as this goes."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from commerce_bridge.demoshop import install, keys, node, process
from commerce_bridge.demoshop.settings import DemoShopSettings, ShopKind
from runtime.service import RestartPolicy
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline
from tests.support.product import free_ports

DEADLINE = 20.0
SERVER = """
import http.server, json, os, pathlib
life = pathlib.Path(os.environ["SHOP_DATABASE"]).parent / "lives"
with life.open("a") as file:
    print(os.getpid(), file=file)
print(json.dumps({"event": "the shop is open", "secrets": sorted(json.load(open(os.environ["SHOP_SECRETS"])))}), flush=True)
class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ill = (life.parent / "ill").exists()
        self.send_response(503 if ill else 200)
        self.end_headers()
        if not ill:
            (life.parent / "well").touch()
    def log_message(self, *_):
        pass
http.server.HTTPServer((os.environ["SHOP_HOST"], int(os.environ["SHOP_PORT"])), Shop).serve_forever()
"""
NPM = """
import os, pathlib, sys, time
assert sys.argv[1:3] == ["ci", "--ignore-scripts"]
if not pathlib.Path("package-lock.json").exists() or "SECRET_OF_OURS" in os.environ:
    sys.exit("npm error no lock here")
print("npm http fetch GET 200 https://registry.example/a/-/a-1.0.0.tgz 12ms (cache hit)", flush=True)
if os.environ.get("npm_config_fail"):
    print("npm error 404 Not Found", flush=True)
    sys.exit(1)
time.sleep(0.3)
pathlib.Path("node_modules").mkdir(exist_ok=True)
"""


def program(folder: Path, name: str, text: str) -> str:
    script = folder / f"{name}.py"
    script.write_text(text, encoding="utf-8")
    file = folder / name
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{script}" "$@"\n', encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> node.Node:
    found = node.Node(program(tmp_path, "node", SERVER), (program(tmp_path, "npm", NPM),))
    monkeypatch.setattr(node, "find", lambda: found)
    monkeypatch.setattr(process, "POLICY", RestartPolicy(first=0.05, limit=0.1))
    monkeypatch.setattr(process, "ASK_EVERY", 0.05)
    return found


@asynccontextmanager
async def role(folder: Path, **section: Any) -> AsyncIterator[Path]:
    """The role, until the end of the context; gives the shop's folder."""
    settings = Settings(
        {"demoshop": DemoShopSettings(port=free_ports(1)[0], **section)}, data=folder / "data"
    )
    settings.data.mkdir(exist_ok=True)
    lifeline = Lifeline()
    running = asyncio.create_task(process.main(settings, lifeline))
    try:
        yield settings.data / "demoshop"
    finally:
        lifeline.stop()
        async with asyncio.timeout(DEADLINE):
            await running


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to this"
        await asyncio.sleep(0.02)


def lives(folder: Path) -> list[int]:
    file = folder / "lives"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


async def test_it_is_installed_started_and_stopped(
    fake: node.Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    async with role(tmp_path) as folder:
        await until(lambda: len(lives(folder)) == 1)
        assert install.installed(folder / "app")
        (pid,) = lives(folder)
        assert stat.S_IMODE((folder / "secrets.json").stat().st_mode) == 0o600
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_without_its_passwords_a_shop_begins_anew(fake: node.Node, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "demoshop"
    folder.mkdir(parents=True)
    (folder / process.DATABASE).touch()
    async with role(tmp_path):
        await until(lambda: len(lives(folder)) == 1)
        assert not (folder / process.DATABASE).exists()


async def test_a_shop_that_ends_is_started_anew(fake: node.Node, tmp_path: Path) -> None:
    async with role(tmp_path) as folder:
        await until(lambda: len(lives(folder)) == 1)
        os.kill(lives(folder)[0], 9)
        await until(lambda: len(lives(folder)) == 2)


async def test_a_shop_that_does_not_answer_is_started_anew(fake: node.Node, tmp_path: Path) -> None:
    async with role(tmp_path) as folder:
        await until((folder / "well").exists)
        (folder / "ill").touch()
        await until(lambda: len(lives(folder)) == 2)


async def test_a_registry_that_fails_is_asked_again(
    fake: node.Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_fail", "1")
    async with role(tmp_path) as folder:
        await until((folder / "app" / "server.mjs").exists)
        await asyncio.sleep(0.5)
        assert not lives(folder)
        monkeypatch.delenv("npm_config_fail")
        await until(lambda: len(lives(folder)) == 1)


async def test_without_node_the_role_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "find", lambda: None)
    async with role(tmp_path) as folder:
        await asyncio.sleep(0.2)
        assert not lives(folder)


async def test_as_a_feed_it_needs_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "find", lambda: pytest.fail("nobody needs it"))
    async with role(tmp_path, kind=ShopKind.FEED, public_url="http://shop.example") as folder:
        await until((folder / "feed.csv").exists)
        assert "http://shop.example/store/p/apple-busa" in (folder / "feed.csv").read_text(encoding="utf-8")


async def test_npm_says_how_far_it_is_and_why_not(
    fake: node.Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "PROGRESS", 0.05)
    told: list[tuple[int, int]] = []
    install.place(tmp_path / "app")
    await install.install(fake, tmp_path / "app", lambda came, of: told.append((came, of)))
    assert told[-1][0] == 1
    assert told[-1][1] > 400
    monkeypatch.setenv("npm_config_fail", "1")
    with pytest.raises(install.InstallError, match="404 Not Found"):
        await install.install(fake, tmp_path / "app", lambda _came, _of: None)
    assert not install.installed(tmp_path / "app")


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert keys.make(tmp_path / "secrets.json")
    first = (tmp_path / "secrets.json").read_bytes()
    assert not keys.make(tmp_path / "secrets.json")
    assert (tmp_path / "secrets.json").read_bytes() == first
    told = json.loads(first)
    assert told.keys() == {"admin_password", "username", "password", "webhook_secret"}
    assert len(set(told.values())) == 4


@pytest.mark.parametrize(
    ("version", "new_enough"),
    [("v18.20.1", False), ("v20.18.9", False), ("v20.19.0", True), ("v24.1.0", True), ("what", False)],
)
def test_node_must_be_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, *, new_enough: bool
) -> None:
    for name in ("node", "npm"):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\necho {version}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert (node.find() is not None) is new_enough


def test_what_the_lock_says_is_exact() -> None:
    """Every package is named by its content, and no platform's is left out of the lock (see tests/architecture)."""
    locked = json.loads((install.SOURCE / "package-lock.json").read_bytes())["packages"]
    named = json.loads((install.SOURCE / "package.json").read_bytes())
    assert all(entry.get("integrity") for name, entry in locked.items() if name)
    for name, version in named["dependencies"].items():
        assert locked[f"node_modules/{name}"]["version"] == version
    missing = [
        dependency
        for name, entry in locked.items()
        for dependency in entry.get("optionalDependencies", {})
        if f"node_modules/{dependency}" not in locked and f"{name}/node_modules/{dependency}" not in locked
    ]
    assert not missing

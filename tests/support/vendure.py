"""Brings up the demo's shop for tests: a real Vendure, on a port of its own. Its packages are installed once, into the user's cache.

with DemoShop(tmp_path, seed=NOTHING) as shop:
    shop.options()          # of its connector
    shop.ask(shop.admin(), "{ products { totalItems } }")
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from commerce_bridge.demoshop import install, keys, node
from commerce_bridge.demoshop.process import PROGRAM, SCRIPT, SECRETS, variables
from commerce_bridge.demoshop.seed import SEED
from commerce_bridge.demoshop.settings import DemoShopSettings
from runtime.supervision import tether
from tests.support.product import free_ports

WITHOUT = "Vendure: no connector is tested on a real shop, and the demo's shop is not"
OPENS_WITHIN, ANSWERS_WITHIN, ENDS_WITHIN = 120.0, 30.0, 15.0
NOTHING = '{"sellers": [], "products": []}'
"""A seed of a shop that sells nothing yet."""


def program() -> Path:
    """Where the shop's program is installed, with all its packages. Raises `RuntimeError` where it cannot be had."""
    found = node.find()
    if found is None:
        raise RuntimeError("no Node with npm is new enough here")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gachi-live" / "demoshop"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        install.place(cache)
        if not install.installed(cache):
            try:
                asyncio.run(install.install(found, cache, lambda _came, _of: None))
            except (install.InstallError, OSError) as error:
                raise RuntimeError(f"npm could not install it: {error}") from error
    return cache


@functools.cache
def _program() -> Path | str:
    try:
        return program()
    except RuntimeError as error:
        return str(error)


def installed() -> Path:
    """As `program`; skips the test, loudly, where it cannot be had."""
    found = _program()
    if isinstance(found, str):
        pytest.skip(f"Vendure is not tested: {found}")
    return found


def data_folder(folder: Path) -> Path:
    """A folder as the role has it below its data folder, with the program in it already."""
    shop = folder / "demoshop"
    shop.mkdir(parents=True)
    (shop / PROGRAM).symlink_to(installed(), target_is_directory=True)
    return shop


class DemoShop:
    """A shop in a process of its own; use it as a context manager. It dies with the test run."""

    def __init__(self, folder: Path, *, seed: str | None = None, webhook_url: str = "") -> None:
        self.section = DemoShopSettings(port=free_ports(1)[0], webhook_url=webhook_url)
        self._folder = data_folder(folder)
        self._seed = SEED
        if seed is not None:
            self._seed = self._folder / "seed.json"
            self._seed.write_text(seed, encoding="utf-8")
        keys.make(self._folder / SECRETS)
        self.keys: dict[str, str] = json.loads((self._folder / SECRETS).read_bytes())
        self.api = f"http://127.0.0.1:{self.section.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        found = node.find()
        assert found is not None
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                (*(sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid())), found.node, SCRIPT),
                cwd=self._folder / PROGRAM,
                env=variables(self.section, self._folder, seed=self._seed),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + OPENS_WITHIN
        while not self._open():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                pytest.fail(
                    f"the shop does not open: {(self._folder / 'log').read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(ENDS_WITHIN)

    def options(self, **more: str) -> dict[str, str]:
        """Of its connector."""
        return {
            "url": f"{self.api}/admin-api",
            "store": self.section.pages,
            "secrets": str(self._folder / SECRETS),
            **more,
        }

    def ask(self, session: dict[str, str], query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The data of an answer; `session` has its path and, once there is one, its token."""
        request = urllib.request.Request(
            self.api + session["path"],
            json.dumps({"query": query, "variables": variables or {}}).encode(),
            {"content-type": "application/json"},
        )
        if token := session.get("token"):
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=ANSWERS_WITHIN) as answer:
                told, headers = json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.status}: {error.read().decode(errors='replace')[:1000]}")
        session["token"] = headers.get("vendure-auth-token") or token or ""
        assert "errors" not in told, told["errors"]
        return told["data"]

    def admin(self) -> dict[str, str]:
        """A session of the shop's owner."""
        session = {"path": "/admin-api"}
        names = {"name": "superadmin", "password": self.keys["admin_password"]}
        told = self.ask(
            session,
            "mutation ($name: String!, $password: String!) { login(username: $name, password: $password) { __typename } }",
            names,
        )
        assert told["login"]["__typename"] == "CurrentUser"
        return session

    def buyer(self) -> dict[str, str]:
        """A session of somebody who buys."""
        return {"path": "/shop-api"}

    def _open(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/store/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

"""Installs the shop's program by npm, from its lock, below the data folder: once, and again when the lock changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from commerce_bridge.demoshop.child import running
from commerce_bridge.demoshop.node import Node

SOURCE = Path(__file__).parent / "shop"
TIMEOUT = 900.0
"""Seconds; on a good line it takes one minute, and 170 MB."""
PROGRESS = 5.0
"""Seconds between words of how far it is."""
_STAMP = ".installed"
_FETCHED = re.compile(r"http (?:fetch GET 200|cache) \S+\.tgz")
# What npm is told of: how to reach its registry, never what may be a secret of ours.
_ENVIRONMENT = re.compile(
    r"PATH|HOME|LANG|TZ|(https?|no)_proxy|npm_config_\w+|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)",
    re.IGNORECASE,
)


class InstallError(Exception):
    """It could not be installed; trying again may help."""


def files() -> list[Path]:
    """What of the shop is ours, relative to `SOURCE`."""
    return sorted(
        path.relative_to(SOURCE)
        for path in SOURCE.rglob("*")
        if path.is_file() and "node_modules" not in path.parts
    )


def place(folder: Path) -> None:
    """Put our files into `folder`, where Node finds the packages beside them; those that are there stay. Raises OSError."""
    for path in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / path).exists() or (folder / path).read_bytes() != (SOURCE / path).read_bytes():
            shutil.copyfile(SOURCE / path, folder / path)


def installed(folder: Path) -> bool:
    """Whether what the lock names is there."""
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text(encoding="ascii") == _digest()


async def install(node: Node, folder: Path, on_progress: Callable[[int, int], None]) -> None:
    """Have npm fetch what the lock names; `on_progress` gets how many packages of how many came by now.

    No package's own script is run. Raises `InstallError`, OSError.
    """
    (folder / _STAMP).unlink(missing_ok=True)
    packages = len(json.loads((SOURCE / "package-lock.json").read_bytes())["packages"]) - 1
    came, words = 0, ""

    def hear(line: str) -> None:
        nonlocal came, words
        if _FETCHED.search(line):
            came += 1
        elif "npm error" in line:
            words = f"{words} {line.removeprefix('npm error').strip()}"[:500]

    arguments = (
        *(*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"),
        *("--loglevel=http", "--no-progress"),
    )
    environment = {name: value for name, value in os.environ.items() if _ENVIRONMENT.fullmatch(name)}
    # npm is a script of the Node beside it.
    environment["PATH"] = f"{Path(node.node).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    try:
        async with asyncio.timeout(TIMEOUT):
            async with running(arguments, folder=folder, environment=environment, on_line=hear) as process:
                waiting = asyncio.ensure_future(process.wait())
                while not (await asyncio.wait([waiting], timeout=PROGRESS))[0]:
                    on_progress(min(came, packages), packages)
                status = await waiting
    except TimeoutError as error:
        raise InstallError(f"npm did not come to its end within {TIMEOUT:.0f} s") from error
    if status != 0:
        raise InstallError(f"npm ended with status {status}:{words or ' it does not say why'}")
    (folder / _STAMP).write_text(_digest(), encoding="ascii")


def _digest() -> str:
    return hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()

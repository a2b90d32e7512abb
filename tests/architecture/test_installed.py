"""What `make run` installs is enough: every role starts its imports without anything that the tools alone bring along."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, entry_points, packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# SQLAlchemy looks for it by a name that no import statement of ours has.
_IMPORTS = """
import importlib, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r} where only what we depend on is installed", name=name)
sys.meta_path.insert(0, Missing())
for module in sys.argv[2].split(","):
    importlib.import_module(module)
import sqlalchemy.ext.asyncio
"""


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Distributions that an installation of `name` brings, with their extras' own."""
    found: set[tuple[str, frozenset[str]]] = set()
    left = [(canonicalize_name(name), extras)]
    while left:
        each = left.pop()
        if each in found:
            continue
        found.add(each)
        for text in distribution(each[0]).requires or []:
            wanted = Requirement(text)
            chosen = ({"extra": extra} for extra in (each[1] or {""}))
            if wanted.marker is None or any(wanted.marker.evaluate(extra) for extra in chosen):
                left.append((canonicalize_name(wanted.name), frozenset(wanted.extras)))
    return {name for name, _ in found}


def test_every_role_imports_with_its_own_dependencies_alone() -> None:
    ours = closure("gachi-live")
    foreign = {
        module
        for module, owners in packages_distributions().items()
        if not any(canonicalize_name(owner) in ours for owner in owners)
    }
    assert "pytest" in foreign
    groups = ("gachi.roles", "gachi.settings", "gachi.doctor")
    wanted = {entry.module for group in groups for entry in entry_points(group=group)}
    command = [sys.executable, "-c", _IMPORTS, ",".join(foreign), ",".join(sorted(wanted))]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 0, told.stderr[-2000:]

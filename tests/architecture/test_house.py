"""The house stands as it is drawn: see docs/architecture.md."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runtime.bus.contract import Command, Event

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("media", "commerce_bridge", "studio", "web", "runtime")
LINES = 450
LONGER: dict[str, str] = {}
"""Files that may be longer, each with the reason."""
ADAPTER_LIBRARIES = {"av", "aiortc", "redis", "sqlalchemy", "obstore", "alembic", "asyncpg", "aiosqlite"}
ADAPTERS = (
    "media/adapters/",
    "studio/adapters/",
    "web/adapters/",
    "commerce_bridge/adapters/",
    "runtime/",  # plumbing: its bus and database are adapters themselves
    "media/worker/",  # a process above the adapters: it hands their frames and packets from thread to thread
)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def sources() -> list[Path]:
    found = [
        p for package in PACKAGES for p in (ROOT / package).rglob("*.py") if "node_modules" not in p.parts
    ]
    assert len(found) > 50
    return found


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_imported_from_this_checkout(package: str) -> None:
    """The names are common ones: another distribution's `media` or `web` must not be what is tested."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / package / "__init__.py"


def test_no_file_holds_two_ideas() -> None:
    tests = list((ROOT / "tests").rglob("*.py"))
    long = {
        shown(p): n
        for p in sources() + tests
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > LINES
    }
    assert long.keys() == LONGER.keys(), f"split these, or say why not in LONGER: {long}"


def test_only_adapters_import_vendor_libraries() -> None:
    offenders = []
    for path in sources():
        if shown(path).startswith(ADAPTERS):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            offenders += [f"{shown(path)}: {n}" for n in names if n.split(".")[0] in ADAPTER_LIBRARIES]
    assert not offenders


def test_every_process_is_a_role_and_every_role_a_process() -> None:
    roles = PROJECT["entry-points"]["gachi.roles"]
    registered = {target.partition(":")[0].replace(".", "/") + ".py" for target in roles.values()}
    mains = {shown(p) for p in sources() if p.name == "__main__.py"}
    # A worker is a process too, but the node's: it is started with a channel, never by name.
    assert mains - {"media/worker/__main__.py", "runtime/__main__.py"} == registered
    for target in roles.values():
        module, _, function = target.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), function)).parameters
        assert list(parameters) == ["settings", "lifeline"], target


@pytest.mark.parametrize("group", sorted(PROJECT["entry-points"]))
def test_what_is_registered_is_there(group: str) -> None:
    for name, target in PROJECT["entry-points"][group].items():
        module, _, attribute = target.partition(":")
        loaded = importlib.import_module(module)
        assert not attribute or hasattr(loaded, attribute), f"{group}: {name} = {target}"


def messages() -> list[type[Any]]:
    found: list[type[Any]] = []
    for package in ("media.contracts", "commerce_bridge.contracts", "studio.contracts"):
        path = importlib.import_module(package).__path__
        for info in pkgutil.iter_modules(path, f"{package}."):
            module = importlib.import_module(info.name)
            found += [
                c
                for _, c in inspect.getmembers(module, inspect.isclass)
                if issubclass(c, Command | Event) and "topic" in vars(c) and c.__module__ == info.name
            ]
    assert len(found) > 30
    return found


def test_topics_are_unique_and_named_after_their_owner() -> None:
    topics = Counter(message.topic for message in messages())
    assert [topic for topic, count in topics.items() if count > 1] == []
    for message in messages():
        owner = message.__module__.split(".")[0].removeprefix("commerce_")  # whose process is the bridge
        assert message.topic.split(".")[0] == owner, message


def test_every_command_names_its_reply_twice_alike() -> None:
    """As a type for the checker and as a value for the bus; a difference would show only at run time."""
    for message in messages():
        if issubclass(message, Command):
            metadata = (base.__dict__.get("__pydantic_generic_metadata__", {}) for base in message.__mro__)
            (declared,) = next(found["args"] for found in metadata if found.get("args"))
            declared = getattr(
                declared, "__forward_arg__", declared
            )  # a reply that is written below its command
            name = declared if isinstance(declared, str) else declared.__name__
            assert message.reply.__name__ == name, message


def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    spec.loader.exec_module(module)
    return module


def test_references_are_as_the_code_says() -> None:
    """Every settings key, command and metric is documented, because the pages are made from them."""
    stale = [
        shown(path)
        for path, content in reference().pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    assert not stale, "run `make docs`"


def test_every_metric_is_named_and_explained() -> None:
    metrics = reference().metrics()
    assert len(metrics) > 10
    for name, (kind, text) in metrics.items():
        assert kind, f"{name}: made by something that docs/reference.py does not know"
        assert text.endswith("."), f"{name}: its help is no sentence"


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs/decisions/dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"].values()
    for requirement in [*project["project"]["dependencies"], *(r for group in groups for r in group)]:
        name = requirement.split(">")[0].split("=")[0].split("[")[0].strip()
        assert name in text, f"docs/decisions/dependencies.md has no line for {name}"


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda p: p.name
)
def test_links_in_the_docs_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{shown(page)} → {link}"


def test_the_front_ends_lock_knows_the_packages_of_every_platform() -> None:
    """A registry that does not serve some platform's optional package makes npm leave it out of the lock, and then
    `npm ci` refuses the lock on every machine ("Missing: … from lock file").
    """
    locked = json.loads((ROOT / "web/frontend/package-lock.json").read_text(encoding="utf-8"))["packages"]
    missing = [
        dependency
        for name, entry in locked.items()
        for dependency in entry.get("optionalDependencies", {})
        if f"node_modules/{dependency}" not in locked and f"{name}/node_modules/{dependency}" not in locked
    ]
    assert not missing


def test_no_test_lies_where_make_test_does_not_look() -> None:
    text = (
        (ROOT / "Makefile")
        .read_text(encoding="utf-8")
        .replace("$(filter-out %/product,$(wildcard tests/integration/*))", "")
    )
    looked = {
        name
        for names in re.findall(r"^(?:SMALL|LARGE)_TESTS := (.*)$", text, re.MULTILINE)
        for name in names.split()
    }
    folders = {f"tests/{p.relative_to(ROOT / 'tests').parts[0]}" for p in (ROOT / "tests").rglob("test_*.py")}
    assert folders - {"tests/integration"} == looked - {"tests/integration/product"}

"""Settings: frozen, typed sections, each owned by its package and found by entry point.

Layers, each over the former: the sections' own defaults, `configs/default.toml`, a chosen file, then variables
``GACHI_SECTION__KEY[__SUBKEY]``. Tables are merged, lists and values are replaced. What nobody declared is refused
with its dotted path and the file or variable it came from, so that a misspelt setting never passes silently.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema
from pydantic_core import ErrorDetails

PREFIX = "GACHI_"
DATA = "GACHI_DATA"
CONFIG = "GACHI_CONFIG"
"""Names the chosen file where no command line does (children of `gachi serve`)."""
DEFAULTS = Path(__file__).resolve().parent.parent / "configs" / "default.toml"
SOCKET_PATH_LIMIT = 107
"""Bytes that Linux takes in `sockaddr_un` (unix(7))."""
SOCKET_NAME_LIMIT = 58
"""Bytes of a socket's name: a channel's id of 40, a number of ten digits, and what they are."""


class Section(BaseModel):
    """Base of settings sections. Subclasses set `section`; `aliases` maps variables to keys of the section."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    section: ClassVar[str]
    aliases: ClassVar[Mapping[str, str]] = MappingProxyType({})


SectionT = TypeVar("SectionT", bound=Section)


@dataclass(frozen=True, slots=True)
class Problem:
    """One refused setting: dotted path, what is wrong, and the file or variable it came from."""

    path: str
    message: str
    origin: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message} (from {self.origin})"


class SettingsError(Exception):
    """The settings cannot be used. `problems` lists every one that was found; `path` is the first one's."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    @property
    def path(self) -> str:
        """Dotted path of the first problem."""
        return self.problems[0].path


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: tables are merged key by key, everything else is replaced. Neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        former = merged.get(key)
        merged[key] = (
            merge(former, value) if isinstance(former, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def leaves(table: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a table that is no table itself (or is an empty one), with its path."""
    for key, value in table.items():
        path = (*prefix, key)
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def parse_value(text: str) -> object:
    """A variable's value: TOML where it is TOML (`8080`, `true`, `["a"]`), the text itself where it is not."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A value with a line break could have smuggled in a second key: then it was meant as text.
    value: object = parsed["value"]
    return value if parsed.keys() == {"value"} else text


def discover() -> dict[str, type[Section]]:
    """All sections that installed packages register under `gachi.settings`, by section name."""
    found: dict[str, type[Section]] = {}
    for entry in sorted(entry_points(group="gachi.settings"), key=lambda entry: entry.name):
        loaded = entry.load()
        if not (isinstance(loaded, type) and issubclass(loaded, Section)) or loaded.section != entry.name:
            raise TypeError(f"entry point gachi.settings:{entry.name} is not the Section class of that name")
        found[entry.name] = loaded
    return found


@dataclass(slots=True)
class _Layers:
    """The merged values with, for each leaf, where it came from and (for variables) its raw text."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)
    raw: dict[tuple[str, ...], str] = field(default_factory=dict)

    def add(self, values: Mapping[str, Any], origin: str) -> None:
        for path, _ in leaves(values):
            for known in [
                known for known in self.origins if known[: len(path)] == path or path[: len(known)] == known
            ]:
                del self.origins[known]
                self.raw.pop(known, None)
            self.origins[path] = origin
        self.values = merge(self.values, values)

    def origin(self, path: tuple[str, ...]) -> str:
        """Where the value at `path` came from: its own entry, one above it, or one below it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        below = [origin for known, origin in self.origins.items() if known[: len(path)] == path]
        return below[0] if below else "the built-in default"


def _nested(path: Sequence[str], value: object) -> dict[str, Any]:
    table: Any = value
    for key in reversed(path):
        table = {key: table}
    return dict(table)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError([Problem("(file)", "does not exist", str(path))]) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([Problem("(file)", f"cannot be read: {error}", str(path))]) from error


class Settings:
    """All sections, checked. ``settings[WebSettings]`` is the typed section."""

    def __init__(
        self,
        sections: Mapping[str, Section],
        *,
        data: Path,
        environment: Mapping[str, str] | None = None,
        layers: _Layers | None = None,
    ) -> None:
        self._sections = dict(sections)
        self._layers = layers or _Layers()
        self.data = data.absolute()
        """The folder that holds all state."""
        self.environment: Mapping[str, str] = MappingProxyType(dict(environment or {}))
        """The variables that make a child process load these same settings."""

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        env: Mapping[str, str] | None = None,
        *,
        sections: Iterable[type[Section]] | None = None,
        defaults: Path | None = DEFAULTS,
    ) -> Settings:
        """Read, merge and check everything; raises `SettingsError` with all problems at once.

        `env` is the process environment by default; without `path` its `GACHI_CONFIG` may name the file.
        `sections` (for tests) replaces what entry points register.
        """
        env = os.environ if env is None else env
        if path is None and env.get(CONFIG):
            path = Path(env[CONFIG])
        classes = discover() if sections is None else {each.section: each for each in sections}
        layers = _Layers()
        # An installed wheel has no configs folder; the sections' own defaults say the same.
        if defaults is not None and defaults.exists():
            layers.add(_read(defaults), _shown(defaults))
        if path is not None:
            layers.add(_read(path), _shown(path))
        problems = _add_variables(layers, classes, env)
        checked: dict[str, Section] = {}
        for name in layers.values.keys() - classes.keys():
            problems.append(Problem(name, "there is no such section", layers.origin((name,))))
        for name, section in classes.items():
            try:
                checked[name] = _check(section, layers)
            except SettingsError as error:
                problems.extend(error.problems)
        if problems:
            raise SettingsError(sorted(problems, key=lambda problem: problem.path))
        data = Path(env.get(DATA) or "var").absolute()
        environment = {key: value for key, value in env.items() if key.startswith(PREFIX)} | {DATA: str(data)}
        if path is not None:
            environment[CONFIG] = str(path.absolute())
        return cls(checked, data=data, environment=environment, layers=layers)

    def __getitem__(self, section: type[SectionT]) -> SectionT:
        """The section of this class; its defaults where it is not a registered one."""
        found = self._sections.get(section.section)
        if found is None:
            return section()
        if not isinstance(found, section):
            raise TypeError(
                f"section {section.section} is a {type(found).__name__}, not a {section.__name__}"
            )
        return found

    def sections(self) -> Mapping[str, Section]:
        """All sections by name."""
        return MappingProxyType(self._sections)

    def origin(self, *path: str) -> str:
        """The file or variable that the value at a path came from."""
        return self._layers.origin(path)

    def socket(self, name: str) -> Path:
        """Path of the Unix socket `name` (at most `SOCKET_NAME_LIMIT` bytes) in the data folder or, where a name of that length
        would be too long for the kernel there, in a private temporary one. All sockets of a data folder are in one place.
        """
        folder = self.data / "run"
        if len(os.fsencode(folder)) + 1 + SOCKET_NAME_LIMIT + len(".sock") > SOCKET_PATH_LIMIT:
            digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"gachi-{os.getuid()}-{digest}"
        return folder / f"{name}.sock"

    def create_folders(self) -> None:
        """Make the data folder and the folders for sockets, for this user only."""
        self.data.mkdir(parents=True, exist_ok=True)
        for folder in (self.data / "run", self.socket("x").parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to somebody else")


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _add_variables(
    layers: _Layers, classes: Mapping[str, type[Section]], env: Mapping[str, str]
) -> list[Problem]:
    aliases = {
        variable: (section.section, *key.split("."))
        for section in classes.values()
        for variable, key in section.aliases.items()
    }
    problems: list[Problem] = []
    for variable, text in sorted(env.items()):
        if not variable.startswith(PREFIX) or variable in {DATA, CONFIG}:
            continue
        path = aliases.get(variable) or tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if len(path) < 2 or not all(path):
            problems.append(
                Problem(variable, "is no setting; settings are GACHI_SECTION__KEY", "the environment")
            )
            continue
        layers.add(_nested(path, parse_value(text)), f"variable {variable}")
        layers.raw[path] = text
    return problems


def _check(section: type[SectionT], layers: _Layers) -> SectionT:
    """Validate one section. A variable whose TOML reading does not fit is tried once more as the text it is:
    a password of digits is still a password.
    """
    name = section.section
    table = layers.values.get(name, {})
    try:
        return section.model_validate(table)
    except ValidationError as error:
        first = error
    retried = False
    for path, text in layers.raw.items():
        inner = path[1:]
        if path[0] == name and any(_path(each)[: len(inner)] == inner for each in first.errors()):
            table = merge(table, _nested(inner, text))
            retried = True
    try:
        if retried:
            return section.model_validate(table)
    except ValidationError as error:
        first = error
    problems = []
    for each in first.errors():
        path = (name, *_path(each))
        unknown = each["type"] == "extra_forbidden"
        message = "there is no such setting" if unknown else each["msg"]
        problems.append(Problem(".".join(path), message, layers.origin(path)))
    raise SettingsError(problems) from first


def _path(error: ErrorDetails) -> tuple[str, ...]:
    return tuple(str(part) for part in error["loc"])


def schema(sections: Mapping[str, type[Section]] | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of a whole settings file."""
    classes = discover() if sections is None else sections
    references, definitions = models_json_schema(
        [(each, "validation") for _, each in sorted(classes.items())], ref_template="#/$defs/{model}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of Gachi Live",
        "type": "object",
        "additionalProperties": False,
        "properties": {each.section: references[each, "validation"] for _, each in sorted(classes.items())},
        **definitions,
    }

"""The command `gachi`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from runtime import serving
from runtime.database import DatabaseUnavailableError
from runtime.settings import Settings, SettingsError, schema
from runtime.supervision.hosting import run

USAGE = 2
"""Exit status for settings that are wrong, as argparse's for arguments that are."""
DISTRIBUTION = "gachi-live"
HIDDEN = "********"
URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^/\s]+@")
"""What stands between a user's name and the host in a URL (RFC 3986 §3.2.1)."""

Finding = tuple[str, str, str]
"""Of `gachi doctor`: what was looked at, `ok` | `warn` | `fail`, a sentence."""
Checks = Callable[[Settings], list[Finding]]
"""Registered under `gachi.doctor`. Under `gachi.commands` are functions that add commands of their own to the parser."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and turn what people can mend into a sentence. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return USAGE
    except (serving.ServeError, DatabaseUnavailableError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gachi", description="Live streaming media server and broadcast studio controller."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command(commands, "serve", "run everything on this machine under one supervisor", _serve)
    for role in sorted(serving.roles()):
        command(commands, role, f"run the role {role} alone, in the foreground", _role).set_defaults(
            role=role
        )
    config = commands.add_parser("config", help="look at the settings")
    parts = config.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command(parts, "check", "say what is wrong with the settings, with path and origin", _config_check)
    command(parts, "show", "print what is in force and where it came from, secrets hidden", _config_show)
    schema_parser = parts.add_parser("schema", help="print the JSON Schema of a settings file")
    schema_parser.set_defaults(run=_config_schema)
    command(commands, "doctor", "say what this machine can do and what is wrong with it", _doctor)
    for entry in sorted(entry_points(group="gachi.commands"), key=lambda entry: entry.name):
        entry.load()(commands)
    return parser


def command(
    commands: Any,  # noqa: ANN401 - argparse does not export the type of its subparsers
    name: str,
    text: str,
    function: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Add a command that reads settings, to ``gachi`` or to a command of it; `function` gives the exit status."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings that go over configs/default.toml"
    )
    parser.set_defaults(run=function)
    return parser


def _serve(options: argparse.Namespace) -> int:
    settings = Settings.load(options.config)
    serving.prepare(settings, "serve")
    with serving.only_one(settings):
        return run(serving.serve(settings))


def _role(options: argparse.Namespace) -> int:
    settings = Settings.load(options.config)
    serving.prepare(settings, options.role)
    return run(serving.run_role(settings, options.role))


def _config_check(options: argparse.Namespace) -> int:
    settings = Settings.load(options.config)
    print(f"the settings are sound; data is in {settings.data}")
    return 0


def _config_show(options: argparse.Namespace) -> int:
    settings = Settings.load(options.config)
    for name, section in settings.sections().items():
        print(f"[{name}]")
        for key in type(section).model_fields:
            value = toml_value(_plain(getattr(section, key)))
            print(f"{key} = {value}  # {settings.origin(name, key)}")
        print()
    return 0


def _config_schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    settings = Settings.load(options.config)
    found = [
        finding
        for entry in sorted(entry_points(group="gachi.doctor"), key=lambda entry: entry.name)
        for finding in entry.load()(settings)
    ]
    width = max((len(name) for name, _, _ in found), default=0)
    signs = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
    for name, status, sentence in found:
        print(f"{signs[status]}  {name:<{width}}  {sentence}")
    return 1 if any(status == "fail" for _, status, _ in found) else 0


def _plain(value: object) -> object:
    """A setting as JSON-like values, secrets hidden."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, BaseModel):
        return {key: _plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return URL_PASSWORD.sub(rf"\1{HIDDEN}@", value)
    return value


def toml_value(value: object) -> str:
    """A value as TOML writes it; what TOML has no word for (None) is an empty string."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{key} = {toml_value(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(toml_value(each) for each in value) + "]"
        case _:
            return json.dumps("" if value is None else str(value), ensure_ascii=False)

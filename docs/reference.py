"""Writes what is made from the code: docs/settings.md, docs/metrics.md, docs/cli.md, configs/schema.json and default.toml.

`make docs` writes them, ``--check`` (in `make check`) fails where one is not as the code says.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from runtime.cli import toml_value
from runtime.settings import discover, schema

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("media", "commerce_bridge", "studio", "web", "runtime")
MADE = "<!-- made by `make docs`; change the code, not this file -->\n"
FAMILIES = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "HistogramMetricFamily": "histogram",
    "Summary": "summary",
    "Enum": "gauge",
    "Info": "gauge",
    "counter": "counter",  # the families of `runtime.figures`
    "gauge": "gauge",
}


def metrics() -> dict[str, tuple[str, str]]:
    """Every metric that the code makes, by its name as scraped: (kind, help). Found by reading the source."""
    found: dict[str, tuple[str, str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and (metric := _metric(call)):
                    name, kind, text = metric
                    found[name] = (kind, text)
    return dict(sorted(found.items()))


def _metric(call: ast.Call) -> tuple[str, str, str] | None:
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    texts = [
        a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in call.args[:2]
    ]
    if len(texts) < 2 or texts[0] is None or texts[1] is None or not texts[0].startswith("gachi_"):
        return None
    # A factory of our own that is not in FAMILIES makes counters: their names end so.
    kind = FAMILIES.get(called) or ("counter" if texts[0].endswith("_total") else "")
    name = texts[0] + ("_total" if kind == "counter" and not texts[0].endswith("_total") else "")
    return name, kind, texts[1]


def _settings_page() -> str:
    lines = [
        MADE,
        "# Settings",
        "",
        "A setting is looked for in `configs/default.toml`, then in the file given with `--config`, then in the",
        "environment as `GACHI_SECTION__KEY` (`GACHI_HTTP__PORT=9000`); the last one wins. `GACHI_DATA` is the folder",
        "for all state (default `./var`). `gachi config check` tells what is wrong, with the dotted path, the file or",
        "the variable; `gachi config show` prints what is in force and where it came from, secrets hidden.",
    ]
    for name, section in sorted(discover().items()):
        lines += ["", f"## `[{name}]`", "", str(section.__doc__ or "").strip(), ""]
        lines += list(_table(section))
        if section.aliases:
            lines.append("")
            lines += [f"`{variable}` sets `{name}.{key}`." for variable, key in section.aliases.items()]
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    if not prefix:
        yield "| key | type | default | |"
        yield "|---|---|---|---|"
    for key, field in model.model_fields.items():
        yield f"| `{prefix}{key}` | {_type(field.annotation)} | {_default(field)} | {_cell(field.description or '')} |"
        for inner in _models(field.annotation):
            suffix = "[]" if "list" in str(field.annotation) else ""
            yield from _table(inner, f"{prefix}{key}{suffix}.")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _models(argument)]


def _type(annotation: Any) -> str:
    if annotation is SecretStr:
        return "secret"
    name = (
        annotation.__name__
        if isinstance(annotation, type) and not hasattr(annotation, "__args__")
        else str(annotation)
    )
    return f"`{name.split('.')[-1] if '[' not in name else _cell(name).replace('typing.', '')}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or isinstance(value, SecretStr | BaseModel):
        return ""
    if isinstance(value, list | tuple) and any(isinstance(each, BaseModel) for each in value):
        return "see below"
    return f"`{_cell(json.dumps(value, default=str, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _defaults_file() -> str:
    """Every setting as TOML with its default; those that have none are there as comments."""
    lines = [
        "# Every setting with its default; made by `make docs`: change the code, not this file. A file of your own",
        "# (`gachi serve --config FILE`) goes over this one, and variables GACHI_SECTION__KEY over both. `gachi config show`",
        "# prints what is in force and where it came from.",
    ]
    for name, section in sorted(discover().items()):
        lines += ["", *_comment(str(section.__doc__ or "")), f"[{name}]"]
        values = section().model_dump(mode="json")
        for key, field in section.model_fields.items():
            unset = values[key] is None or field.annotation is SecretStr
            lines += _comment(field.description or "")
            lines.append(f"# {key} =" if unset else f"{key} = {toml_value(values[key])}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), 116)]


def _metrics_page() -> str:
    lines = [
        MADE,
        "# Metrics",
        "",
        "`GET /metrics` of the web process gives the figures of all processes in the Prometheus text format. It is open",
        "on loopback, but not through a proxy; else it takes a token of staff. Every sample has the label `process` (`web`,",
        "`ingest`, `node`, `studio`, `jobs`, `bridge`, `serve`, `worker-<channel>`), and those of a worker have `channel` and `epoch` too.",
        "Python's own figures (`process_*`, `python_*`) come from each process as well.",
        "",
        "| name | kind | |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {kind} | {_cell(text)} |" for name, (kind, text) in metrics().items()]
    return "\n".join(lines) + "\n"


def _help(*words: str) -> str:
    started = "import sys; sys.argv[0] = 'gachi'; from runtime.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", started, *words, "--help"],
        cwd=ROOT,
        env={"COLUMNS": "100", "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.rstrip()


def _commands(*words: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The help of a command and of those below it, which argparse's usage lists in braces."""
    text = _help(*words)
    yield words, text
    usage = text.partition("\n\n")[0]
    if below := re.search(r"\{([a-z,-]+)\}\s*\.\.\.", usage):
        for word in below[1].split(","):
            yield from _commands(*words, word)


def _cli_page() -> str:
    lines = [MADE, "# Commands"]
    for words, text in _commands():
        lines += ["", f"## `{' '.join(('gachi', *words))}`", "", "```", text, "```"]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every made file with its content."""
    return {
        ROOT / "docs/settings.md": _settings_page(),
        ROOT / "docs/metrics.md": _metrics_page(),
        ROOT / "docs/cli.md": _cli_page(),
        ROOT / "configs/default.toml": _defaults_file(),
        ROOT / "configs/schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
    }


def main() -> int:
    """Write, or with ``--check`` compare; 1 where something is not current."""
    parser = argparse.ArgumentParser(description="Write the references that are made from the code.")
    parser.add_argument("--check", action="store_true", help="only compare; fail where one is not current")
    check = parser.parse_args().check
    stale = 0
    for path, content in pages().items():
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale += 1
        shown = path.relative_to(ROOT)
        if check:
            print(f"{shown} is not as the code says; run `make docs`", file=sys.stderr)
        else:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {shown}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

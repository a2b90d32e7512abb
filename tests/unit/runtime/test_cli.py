from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runtime import cli
from runtime.settings import DEFAULTS, Settings, schema

CONFIGS = DEFAULTS.parent


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GACHI_DATA", str(tmp_path))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for command in ("serve", "web", "ingest", "node", "studio", "jobs", "bridge", "config", "doctor"):
        assert f"    {command} " in text


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    project = tomllib.loads((CONFIGS.parent / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"gachi {project['version']}\n"


def test_a_wrong_setting_is_told_with_its_path_and_the_status_of_misuse(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('[log]\nlevel = "loud"\ncolour = true\n')
    assert cli.main(["config", "check", "--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert "log.level: " in told
    assert "log.colour: there is no such setting" in told
    assert str(file) in told


def test_what_is_in_force_is_shown_as_toml_with_its_origin_and_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GACHI_ADMIN_TOKEN", "open-sesame-open-sesame-open-sesame")
    monkeypatch.setenv("GACHI_DATABASE__URL", "postgresql://gachi:p:ss@word@db.local/gachi")
    monkeypatch.setenv("GACHI_BUS__PUBLISH_TIMEOUT", "3.5")
    assert cli.main(["config", "show"]) == 0
    text = capsys.readouterr().out
    shown = tomllib.loads(text)
    assert "sesame" not in text
    assert "word" not in shown["database"]["url"]
    assert shown["database"]["url"].startswith("postgresql://gachi:")
    assert shown["auth"]["admin_token"] == cli.HIDDEN
    assert shown["bus"]["publish_timeout"] == 3.5
    assert "publish_timeout = 3.5  # variable GACHI_BUS__PUBLISH_TIMEOUT" in text
    assert shown.keys() == Settings.load().sections().keys()


def test_the_written_schema_is_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == schema()
    assert json.loads((CONFIGS / "schema.json").read_text()) == printed, "run `make docs`"


@pytest.mark.parametrize("name", ["demo.toml", "production.toml"])
def test_the_configurations_that_come_along_are_sound(name: str) -> None:
    assert cli.main(["config", "check", "--config", str(CONFIGS / name)]) == 0


def test_the_doctor_looks_at_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.main(["doctor"])
    text = capsys.readouterr().out
    for thing in ("python", "memory", "disk", "files", "database"):
        assert thing in text
    monkeypatch.setenv("GACHI_DATABASE__URL", "postgresql://nobody@127.0.0.1:1/none")
    assert cli.main(["doctor"]) == 1
    assert "FAIL  database" in capsys.readouterr().out


def test_as_many_files_as_the_system_allows_are_used() -> None:
    look = "from runtime.serving import raise_file_limit as r; import resource as s; print(r(), s.getrlimit(s.RLIMIT_NOFILE))"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512)); {look}"
    done = subprocess.run(
        [sys.executable, "-c", limited], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "512 (512, 512)\n"


def test_a_data_folder_that_cannot_be_made_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GACHI_DATA", "/proc/nope")
    assert cli.main(["serve"]) == 1
    said = capsys.readouterr().err
    assert "/proc/nope" in said
    assert "GACHI_DATA" in said

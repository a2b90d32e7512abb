from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runtime.settings import Settings
from web import doctor
from web.settings import AuthSettings, HttpSettings


def look(data: Path, **more: str) -> dict[str, tuple[str, str]]:
    settings = Settings.load(
        env={"GACHI_DATA": str(data), "GACHI_HTTP__HOST": "127.0.0.1", "GACHI_HTTP__PORT": "0", **more},
        sections=[AuthSettings, HttpSettings],
        defaults=None,
    )
    return {name: (status, sentence) for name, status, sentence in doctor.checks(settings)}


def test_what_is_missing_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "STATIC", tmp_path)
    found = look(tmp_path, GACHI_HTTP__HOST="0.0.0.0")
    assert found["pages"] == ("fail", "the pages are not built: run `make run` once, which builds them")
    assert found["public URL"][0] == "warn"
    assert "GACHI_ADMIN_TOKEN" in found["administrator"][1]
    (tmp_path / "index.html").touch()
    assert look(tmp_path)["pages"][0] == "ok"


def test_no_secret_is_told(tmp_path: Path) -> None:
    found = look(tmp_path, GACHI_ADMIN_TOKEN="very-secret", GACHI_HTTP__PUBLIC_URL="https://live.example")
    assert found["administrator"][0] == "ok"
    assert found["public URL"][0] == "warn"
    assert "http.trusted_proxies" in found["public URL"][1]
    known = {
        "GACHI_HTTP__PUBLIC_URL": "https://live.example",
        "GACHI_HTTP__TRUSTED_PROXIES": '["10.0.0.0/8"]',
    }
    assert look(tmp_path, **known)["public URL"] == ("ok", "viewers come by https://live.example")
    assert "very-secret" not in str(found)


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = look(tmp_path, GACHI_HTTP__PORT=str(taken.getsockname()[1]))
    assert found["http port"][0] == "warn"
    assert "in use by process" in found["http port"][1]

from __future__ import annotations

import time
from pathlib import Path

import pytest

from media import doctor
from media.ingest.settings import IngestSettings
from media.node.settings import WorkerSettings
from runtime.settings import Settings


def settings(data: Path, **more: str) -> Settings:
    return Settings.load(
        env={"GACHI_DATA": str(data), "GACHI_INGEST__RTMP_PORT": "0", **more},
        sections=[IngestSettings, WorkerSettings],
        defaults=None,
    )


def test_a_machine_that_can_run_the_product_is_told_what_it_carries(tmp_path: Path) -> None:
    began = time.process_time()
    found = {name: (status, sentence) for name, status, sentence in doctor.checks(settings(tmp_path))}
    assert time.process_time() - began < 8  # of processor time: what else the machine does is not ours
    assert found["codecs"][0] == "ok"
    assert found["hardware"][0] == "ok"
    assert "h264_nvenc" in found["hardware"][1]
    assert "libx264" in found["hardware"][1]
    assert found["rtmp port"][0] == "ok"
    assert found["tape"][0] in {"ok", "warn"}
    assert "MB/s" in found["tape"][1]
    assert "720p channel with three rungs takes" in found["encoding"][1]
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing behind


def test_what_is_missing_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CODECS", (("libx264", "w"), ("no_such_codec", "r")))
    monkeypatch.setattr(doctor, "korean_font", lambda _: None)
    monkeypatch.setattr(doctor, "_speed", lambda: ("encoding", "ok", ""))
    monkeypatch.setattr(doctor, "_written_per_second", lambda _: 1e6)
    found = {name: (status, sentence) for name, status, sentence in doctor.checks(settings(tmp_path))}
    assert found["codecs"][0] == "fail"
    assert "lacks no_such_codec (decoder): install" in found["codecs"][1]
    assert found["font"][0] == "warn"
    assert "install fonts-nanum or set worker.font" in found["font"][1]
    assert found["tape"][0] == "warn"


def test_a_tape_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> float:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "_speed", lambda: ("encoding", "ok", ""))
    monkeypatch.setattr(doctor, "_written_per_second", refuse)
    found = {name: (status, sentence) for name, status, sentence in doctor.checks(settings(tmp_path))}
    assert found["tape"][0] == "fail"
    assert "set GACHI_DATA" in found["tape"][1]


def test_a_port_in_use_names_its_holder(tmp_path: Path) -> None:
    import os
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made = settings(tmp_path, GACHI_INGEST__HOST="127.0.0.1", GACHI_INGEST__RTMP_PORT=str(port))
        name, status, sentence = doctor._rtmp(made)
    assert (name, status) == ("rtmp port", "warn")
    assert f"port {port} is in use by process {os.getpid()} (" in sentence
    assert doctor._rtmp(made)[1] == "ok"

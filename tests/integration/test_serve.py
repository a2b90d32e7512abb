"""`gachi serve` as a process, with little roles in place of the product's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.settings import Settings

DEADLINE = 30.0
PROGRAM = """
import json, sys
from runtime import cli, serving
roles = json.loads(sys.argv[1])
serving.roles = lambda: roles
sys.exit(cli.main(["serve"]))
"""


@contextmanager
def serving(data: Path, **roles: str) -> Iterator[subprocess.Popen[str]]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GACHI_")} | {
        "GACHI_DATA": str(data),
        "GACHI_SUPERVISION__ROLES": json.dumps(list(roles)),
        "GACHI_SUPERVISION__GRACE": "3",
        "GACHI_LOG__FORMAT": "json",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(roles)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Output up to the line that matches; the test's own time-out ends a wait that is in vain."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if re.search(pattern, line):
            return read
    pytest.fail(f"it ended without {pattern!r}:\n{read}")


def children(pid: int) -> list[int]:
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in listing.read_text().split()]
    return found


def test_it_says_when_all_is_ready_restarts_what_dies_and_stops_cleanly(tmp_path: Path) -> None:
    with serving(tmp_path, one="tests.support.children:good", two="tests.support.children:banner") as process:
        read = read_until(process, r'"event": "ready"')
        assert "open http://localhost" in read
        assert (tmp_path / "gachi.db").exists()
        assert Settings({}, data=tmp_path).socket("bus").is_socket()
        first = children(process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        read_until(process, "killed by SIGKILL")
        deadline = time.monotonic() + DEADLINE
        while len(children(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(children(process.pid)) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        assert not Settings({}, data=tmp_path).socket("bus").exists()


def test_one_data_folder_is_served_once_and_a_killed_one_leaves_it_free(tmp_path: Path) -> None:
    with serving(tmp_path, one="tests.support.children:good") as first:
        read_until(first, r'"event": "ready"')
        with serving(tmp_path, one="tests.support.children:good") as second:
            assert f"is in use by process {first.pid}" in read_until(second, "in use")
            assert second.wait(DEADLINE) == 1
        first.kill()
        first.wait(DEADLINE)
    with serving(tmp_path, one="tests.support.children:good") as third:
        read_until(third, r'"event": "ready"')
        third.terminate()
        assert third.wait(DEADLINE) == 0


def test_a_role_that_cannot_start_ends_it_with_the_reason(tmp_path: Path) -> None:
    with serving(
        tmp_path, one="tests.support.children:good", two="tests.support.children:misconfigured"
    ) as process:
        read_until(process, "two cannot start: PermanentError: rate must not be 0")
        assert process.wait(DEADLINE) == 1


def test_a_role_that_nobody_has_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, one="tests.support.nowhere:main") as process:
        read_until(process, "one cannot start: ModuleNotFoundError: No module named 'tests.support.nowhere'")
        assert process.wait(DEADLINE) == 1

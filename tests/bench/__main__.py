"""``python -m tests.bench [NAME…]``: run benches one after the other, keep what they found, write docs/performance.md.

Each runs in a process of its own and is ended when its time is over; what fails is told in the table, and the exit
status is 1. ``--list`` names them, ``--report`` only writes the document from the kept results.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

from runtime.supervision.hosting import run
from tests.bench import machine, report
from tests.bench.rows import Row, forget, keep, missed

LIMITS = {
    "channel_cpu": 170,
    "origin": 80,
    "first_picture": 90,
    "glass": 100,
    "kill": 90,
    "rtmp": 90,
    "whip": 100,
    "loss": 150,
    "memory": 200,
    "viewers": 230,
    "realtime": 120,
    "catalog": 120,
    "links": 60,
}
"""Benches in their order, with the seconds after which each is ended. All together usually take below 15 minutes."""
PATIENCE = 8.0
"""Seconds that a bench waits for the machine to be quiet."""


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    if arguments == ["--list"]:
        print("\n".join(LIMITS))
        return 0
    if arguments[:1] == ["--one"]:
        return _one(arguments[1])
    unknown = [name for name in arguments if name not in LIMITS and name != "--report"]
    if unknown:
        print(f"there is no bench {', '.join(unknown)}; there are: {', '.join(LIMITS)}", file=sys.stderr)
        return 2
    failed: list[str] = []
    if arguments != ["--report"]:
        failed = [name for name in arguments or LIMITS if not _in_own_process(name, LIMITS[name])]
    report.write()
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _in_own_process(name: str, limit: float) -> bool:
    """Run a bench in a process group of its own; false where it failed or took too long."""
    began = time.monotonic()
    print(f"== {name} (at most {limit:g} s)", flush=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.bench", "--one", name], start_new_session=True)
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        status = -1
        print(f"   {name} was ended after {limit:g} s", file=sys.stderr)
    finally:
        # Browsers make groups of their own, so every descendant is named.
        for pid in [*machine.children(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    print(f"   {time.monotonic() - began:.0f} s", flush=True)
    if status:
        why = "it took too long" if status == -1 else f"it failed with status {status}; see the log"
        _keep([missed(f"failed-{name}", f"The bench {name}", why)], name, machine.describe())
    return status == 0


def _one(name: str) -> int:
    about = machine.describe()
    about["busy_cores_at_start"] = machine.quiet(PATIENCE)
    bench = importlib.import_module(f"tests.bench.{name}")
    rows: list[Row] = run(bench.run())
    _keep(rows, name, about)
    for row in rows:
        print("  ", report.line(row), flush=True)
    return 0


def _keep(rows: list[Row], name: str, about: dict[str, object]) -> None:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    forget(name)
    for row in rows:
        keep(row, name, date, about)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the machine is, and what processes cost on it: read from /proc, in seconds and bytes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
BUSY = 0.2
"""Cores that others use before a bench; above it a figure counts as taken under load."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes with all their threads, living and ended, but not of their children."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended; what it used is lost, as the callers know
        total += int(fields[11]) + int(fields[12])  # utime, stime (proc(5), counted after the name)
    return total / TICKS


def rss(pid: int) -> int:
    """Resident bytes; 0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    """All descendants."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in (int(text) for text in listing.read_text().split()):
                found += [child, *children(child)]
        except OSError:
            continue  # the thread ended meanwhile
    return found


def listener(path: Path) -> int:
    """The process that listens on a Unix socket. Raises LookupError."""
    inodes = {
        fields[6]
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]
        if len(fields := line.split()) > 7 and fields[7] == str(path)
    }
    links = {f"socket:[{inode}]" for inode in inodes}
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        try:
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                if str(fd.readlink()) in links:
                    return pid
        except OSError:
            continue  # it ended, or is not ours
    raise LookupError(f"nobody listens on {path}")


def busy_cores(seconds: float = 1.0) -> float:
    """Cores in use by anybody over so many seconds."""

    def work() -> tuple[int, int]:
        fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4], sum(fields)  # all but idle and iowait

    before, whole = work()
    time.sleep(seconds)
    after, then = work()
    return (after - before) / max(1, then - whole) * (os.cpu_count() or 1)


def quiet(patience: float) -> float:
    """Wait until little else runs, so many seconds at most; returns the cores that others use still."""
    deadline = time.monotonic() + patience
    while (busy := busy_cores()) > BUSY and time.monotonic() < deadline:
        pass
    return round(busy, 2)


def describe() -> dict[str, Any]:
    """The machine, and how loaded it is."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "cores": os.cpu_count(),
        "model": model,
        "memory_mb": memory,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def cores() -> tuple[int, int]:
    """A core for the server that is measured and one for its load; the same where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]

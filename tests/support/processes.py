"""What the kernel tells of processes."""

from __future__ import annotations

from pathlib import Path


def command_line(pid: int) -> str:
    """The command line of a living process; empty where there is none, or it is a zombie."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return command.replace(b"\0", b" ").decode(errors="replace").strip()

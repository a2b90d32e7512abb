"""Whether a TCP port can be listened on and, where not, which program has it."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (proc_net_tcp.rst of the kernel)."""


def trouble(host: str, port: int) -> str:
    """Why nobody could listen there now, as the end of a sentence; empty where it can be listened on, or `port` is 0."""
    if not port:
        return ""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _, address = found[0]
        with socket.socket(family, kind, proto) as probe:
            # As the servers do: connections that are about to be forgotten do not block the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"is in use by {holder(port)}"
        return f"cannot be used on {host}: {error.strerror or error}"
    return ""


def holder(port: int) -> str:
    """Who listens on a port, as far as this user may see."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        # Another user's cannot be looked into, and any may be gone by now.
        with suppress(OSError):
            if any(_target(link) in wanted for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"process {process.name} ({name})"
    return "another user's program"


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile, as the folder that is being listed is


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found

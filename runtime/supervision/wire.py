"""The control line between parent and child: JSON objects, one a line, over an inherited Unix socket.

parent → child: ``assign {name, config}``, ``ask {what, data}``, ``shutdown {}``
child → parent: ``warm {}``, ``beat {}``, ``ready {info}``, ``tell {what, data}``, ``ack {}``, ``failed {reason, permanent}``
"""

from __future__ import annotations

import json
from typing import Any

MAX_LINE = 4 << 20
"""Bytes. A longer line is an error of the sender."""
BEAT = 0.25
"""Seconds between heartbeats: what a silence may be older than its cause. A beat costs some 20 µs."""
PERMANENT = 78
"""Exit status of a child that must not be restarted (EX_CONFIG of sysexits.h)."""


def encode(kind: str, **fields: object) -> bytes:
    """One line. Raises ValueError or TypeError for what JSON cannot say or what is too long."""
    line = json.dumps({"kind": kind, **fields}, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise ValueError(f"a control message of {len(line)} bytes is over the limit of {MAX_LINE}")
    return line


def decode(line: bytes) -> dict[str, Any]:
    """The object of a line. Raises ValueError where it is none or has no kind."""
    value = json.loads(line)
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError("a control message is an object with a kind")  # noqa: TRY004  it is the text that is wrong
    return value

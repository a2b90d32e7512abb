"""Structured logs on stderr: JSON lines for machines, coloured lines for a terminal.

Ids that explain a line (channel, feed, show, epoch, command) are bound for a stretch of code by `bound` and travel
with the task (contextvars), so that no function has to hand them on.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from runtime.sections import LogFormat, LogLevel, LogSettings

Log = FilteringBoundLogger


def get(name: str) -> Log:
    """The logger of one part, such as ``media.ingest``. May be made before `setup`: it binds when it is first used."""
    return cast("Log", structlog.get_logger(part=name))


def bound(**ids: object) -> AbstractContextManager[None]:
    """Within it every line of this task (and of tasks it starts) carries these ids."""
    return structlog.contextvars.bound_contextvars(**ids)


def setup(settings: LogSettings, role: str) -> None:
    """Configure logging of this process, of our own lines and those of libraries alike; `role` is on every line."""
    json = settings.format is LogFormat.JSON or (
        settings.format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    level = {
        LogLevel.DEBUG: logging.DEBUG,
        LogLevel.INFO: logging.INFO,
        LogLevel.WARNING: logging.WARNING,
        LogLevel.ERROR: logging.ERROR,
    }[settings.level]

    def add_role(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event.setdefault("role", role)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_role,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    render: list[Processor]
    if json:
        # Without the locals that structlog would add: they hold keys and passwords.
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        render = [
            structlog.processors.ExceptionRenderer(transform),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        plain = structlog.dev.plain_traceback  # for the same reason
        render = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # loggers are made at import, before setup
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _name_logger],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak at info about their own affairs; ours are worth more.
    root.setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    logging.captureWarnings(capture=True)


def _name_logger(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["part"] = record.name
    return event

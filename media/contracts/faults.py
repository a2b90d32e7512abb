"""How media's exceptions travel as the faults of commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from media.model.errors import (
    ConflictError,
    MediaError,
    NotFoundError,
    SourceError,
    SpecError,
    StoreError,
    UnavailableError,
)
from runtime.bus.contract import Command, CommandError, Fault, Value

Handler = Callable[[Any], Awaitable[Value]]
"""Answers one kind of command; `Any` since each takes its own."""

_FAULTS: tuple[tuple[type[MediaError], Fault], ...] = (
    (SpecError, Fault.INVALID),
    (SourceError, Fault.INVALID),
    (NotFoundError, Fault.NOT_FOUND),
    (ConflictError, Fault.CONFLICT),
    (StoreError, Fault.UNAVAILABLE),
    (UnavailableError, Fault.UNAVAILABLE),
)


def as_fault(error: MediaError) -> CommandError:
    """The refusal that tells a caller of this error; what is not listed is our own fault."""
    for kind, fault in _FAULTS:
        if isinstance(error, kind):
            return CommandError(fault, str(error), field=error.field)
    return CommandError(Fault.INTERNAL, str(error), field=error.field)


def guarded(handlers: Mapping[type[Command[Any]], Handler]) -> dict[type[Command[Any]], Handler]:
    """The same handlers, refusing with `CommandError` where they raise a `MediaError`."""

    def guard(handler: Handler) -> Handler:
        async def answer(command: Any) -> Value:  # noqa: ANN401 - each handler takes its own command type
            try:
                return await handler(command)
            except MediaError as error:
                raise as_fault(error) from error

        return answer

    return {command: guard(handler) for command, handler in handlers.items()}

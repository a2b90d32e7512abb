"""Typed commands and events over a `Bus`.

A *command* asks one owner to do or tell something and gets one reply; an *event* tells everybody what happened.
Both are frozen pydantic models that name their topic; they are what packages may know of each other's insides.
"""

from __future__ import annotations

import time
import uuid
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """A frozen value on the bus. Unknown fields are ignored, so that a newer sender can talk to an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")


ReplyT = TypeVar("ReplyT", bound=Value)


class Done(Value):
    """The reply of a command that has nothing to tell but that it was done."""


class Command(Value, Generic[ReplyT]):
    """Base of commands. Subclasses set `topic` and bind the reply type: ``class X(Command[Reply])``.

    `id` travels into logs and events; `cause` says why the command was given (who pressed what, which rule fired).
    """

    topic: ClassVar[str]
    reply: ClassVar[type[Value]]
    asks: ClassVar[bool] = False
    """It changes nothing, so it may be sent again: to an owner that was not there yet, or has just been restarted."""
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    cause: str = ""


class Event(Value):
    """Base of events. Subclasses set `topic`. `at` is Unix microseconds at the sender."""

    topic: ClassVar[str]
    at: int = Field(default_factory=lambda: time.time_ns() // 1000)


class Fault(StrEnum):
    """Whose fault a refused command is; web maps them to HTTP status."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class CommandError(Exception):
    """A command was refused or failed. `field` is the dotted path of the value at fault, if one is."""

    def __init__(self, fault: Fault, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.field = field

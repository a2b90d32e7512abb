"""What a route is, what a handler is given, and what it gives back. `dispatch` turns these into aiohttp handlers."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from runtime.bus.contract import Command, CommandError, Fault, Value
from web.api.wire import Wire
from web.auth.audit import Trail
from web.auth.clients import Client
from web.auth.roles import Role
from web.auth.tokens import Identity
from web.problems import catalogue
from web.problems.answer import ProblemError
from web.problems.catalogue import Kind

if TYPE_CHECKING:
    from web.api.services import Services

PREFIX = "/api/v1"
WireT = TypeVar("WireT", bound=Wire)
ItemT = TypeVar("ItemT")
ReplyT = TypeVar("ReplyT", bound=Value)

LOOK_SECONDS = 1.0
"""What looking whether a named thing exists may take: the command itself must not wait for an owner that is away."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: role, query and body fit what the route declares."""

    request: web.Request
    services: Services
    caller: Identity | None
    query: Wire | None
    body: Wire | None
    client: Client
    trail: Trail
    """What the audit log says of it."""

    @property
    def role(self) -> Role | None:
        """The caller's role; None without a token."""
        return self.caller.role if self.caller else None

    def may(self, role: Role) -> bool:
        """Whether the caller has this role or more."""
        return self.caller is not None and self.caller.role.covers(role)

    @property
    def by(self) -> str:
        """The caller in words, for the `cause` of commands and for logs."""
        return f"api:{self.caller.name}" if self.caller else "api:anonymous"

    def path(self, name: str) -> str:
        """A variable of the path."""
        return self.request.match_info[name]

    def reads(self, model: type[WireT]) -> WireT:
        """The body, as the model the route declares."""
        if not isinstance(self.body, model):
            raise TypeError(f"the route of {self.request.path} declares no {model.__name__} body")
        return self.body

    def asks(self, model: type[WireT]) -> WireT:
        """The query, as the model the route declares."""
        if not isinstance(self.query, model):
            raise TypeError(f"the route of {self.request.path} declares no {model.__name__} query")
        return self.query

    def wanted_version(self) -> int | None:
        """The version in ``If-Match``; None without one or with ``*``. What we never gave out is stale."""
        header = self.request.headers.get("If-Match", "").strip()
        if header in {"", "*"}:
            return None
        tag = header.removeprefix('"').removesuffix('"')
        if not (tag.isascii() and tag.isdigit() and len(tag) < 12):
            raise ProblemError(catalogue.STALE)
        return int(tag)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives back. `version` becomes the ETag."""

    body: Wire | None = None
    status: int | None = None
    """None: the one the route declares."""
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str | None = None
    """Session text to set as the log-in cookie; empty takes the cookie away."""


Handler = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API: the one place that says its path, who may call it, and what goes in and out."""

    method: str
    path: str
    """Below `PREFIX`, with aiohttp's `{variables}`."""
    role: Role | None
    """None: anybody, without a token."""
    summary: str
    handler: Handler
    tag: str
    body: type[Wire] | None = None
    query: type[Wire] | None = None
    response: type[Wire] | None = None
    status: int = 200
    media: str = "application/json"
    """Type of the answer; with another than JSON the handler streams it by itself (`response` is then one line)."""
    versioned: bool = False
    """Answers carry an ETag; with PUT, PATCH and DELETE the request may carry If-Match."""
    credential: str = ""
    """The body's field that carries a token: wrong ones are counted, and many of them refused, as in the header. The
    handler itself begins the audit log's line, when it knows whose log-in it is.
    """
    noted: bool = True
    """Whether the audit log tells of it: not what everybody's player sends all the time."""
    max_body: int = 0
    """Bytes of its body, where that is less than `http.max_body`; 0 for that."""
    problems: Sequence[Kind] = ()
    """Kinds beyond those that every route may answer with."""
    note: str = ""

    @property
    def operation(self) -> str:
        """The operation's id in the OpenAPI document, and its label in metrics: the handler's name."""
        return self.handler.__name__

    @property
    def strict(self) -> bool:
        """Whether it is refused where the audit log cannot be written: it says who may do what."""
        return self.role is Role.ADMIN or self.tag in {"users", "tokens", "session"}


def check_version(wanted: int | None, present: int) -> None:
    """Refuse with `stale` when the version in If-Match is not the present one."""
    if wanted is not None and wanted != present:
        raise ProblemError(catalogue.STALE)


async def or_stale(
    action: Awaitable[ItemT], wanted: int | None, present: Callable[[], Awaitable[int]]
) -> ItemT:
    """Run a command that carries the wanted version. Its conflict is a stale version when the version did move on."""
    try:
        return await action
    except CommandError as error:
        if error.fault is Fault.CONFLICT and wanted is not None and await present() != wanted:
            raise ProblemError(catalogue.STALE) from error
        raise


async def must_exist(call: Call, command: Command[ReplyT], field: str) -> None:
    """Refuse a body that names, in `field`, something that its owner does not know. `command` asks the owner for it;
    where the owner does not answer the name is let through.
    """
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await call.services.ask(command)
    except TimeoutError:
        return
    except CommandError as error:
        if error.fault is Fault.NOT_FOUND:
            raise CommandError(Fault.INVALID, str(error), field=field) from error
        if error.fault is not Fault.UNAVAILABLE:
            raise


def page_of(
    items: Sequence[ItemT], key: Callable[[ItemT], str], *, limit: int, cursor: str
) -> tuple[Sequence[ItemT], str | None]:
    """One page of a whole list that is in ascending order of `key`, and the cursor of the next page.

    The cursor is the last key that was given, so that it holds when that item is gone meanwhile.
    """
    start = bisect.bisect_right(items, cursor, key=key) if cursor else 0
    page = items[start : start + limit]
    return page, key(page[-1]) if start + limit < len(items) else None

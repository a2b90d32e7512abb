"""The audit log: who changed what, when, and how it ended.

A change is noted *before* it is made. Where that line cannot be written, what says who may do what (users, tokens, log-ins,
all that takes an administrator) is refused, so that there is no such change without a line; what runs a show goes on: a full
disk must not keep anybody from switching cameras. It is counted (`gachi_audit_lost_total`), and the line goes to the
process's log. How a change ended is written after; where that fails it is counted and logged likewise, and the line keeps
saying that the end is not known. Requests that were refused before anything began are noted afterwards, a few a second
from one caller: who is not allowed in must not fill the disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from enum import Enum

from pydantic import BaseModel

from runtime import logs
from runtime.bus.contract import CommandError
from web.auth.limits import Buckets, Rate
from web.auth.ports import AuditRecord, AuditStore
from web.auth.tokens import SETTINGS, Identity
from web.metrics import WebMetrics

log = logs.get("web.audit")

REFUSALS = Rate(per_second=1.0, burst=30)
"""Refused requests of one caller that are noted."""
TOLD = frozenset({"id", "name", "title", "label", "login", "feed", "backup", "channel", "rate", "expires"})
"""Text fields whose values are noted. All others may hold a secret (a password, a camera's address with its password in
it), so of them only the name is.
"""
NOTE_SECONDS = 1.0
"""What noting may take before a show goes on without."""
LONGEST = 200
"""Characters of a value that are noted."""
HIDDEN = "…"


def changes_of(body: BaseModel | None) -> dict[str, object]:
    """The fields that a request gave, by dotted name, with values that tell no secret."""
    return (
        {}
        if body is None
        else dict(_changes("", {name: getattr(body, name) for name in body.model_fields_set}))
    )


def _changes(prefix: str, fields: Mapping[str, object]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in sorted(fields.items()):
        if isinstance(value, BaseModel):
            inner = {each: getattr(value, each) for each in value.model_fields_set}
            found += _changes(f"{prefix}{name}.", inner)
        else:
            found.append((prefix + name, _value(name, value)))
    return found


def _value(name: str, value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and name in TOLD:
        return value[:LONGEST]
    if isinstance(value, list | tuple):
        return f"{len(value)} {HIDDEN}"
    return HIDDEN


class Audit:
    """Writes the log."""

    def __init__(
        self,
        store: AuditStore,
        metrics: WebMetrics,
        wall: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._metrics = metrics
        self._wall = wall
        self._clock = clock
        self._refusals = Buckets(REFUSALS)

    def trail(self, method: str, operation: str, named: str, address: str) -> Trail:
        """What is written of one request; `named` is the object that it names."""
        record = AuditRecord(
            id=0,
            at=self._wall(),
            kind="nobody",
            actor="",
            name="",
            role="",
            user="",
            address=address,
            method=method,
            operation=operation,
            named=named,
        )
        return Trail(self, record)

    async def end(self, record: AuditRecord, *, begun: bool) -> None:
        """Write how it ended; a failure is counted."""
        if not begun and (not record.actor or self._refusals.take(record.actor, self._clock())):
            self._metrics.audit_skipped.inc()
            return
        try:
            if record.id:
                await self.store.amend(record)
            else:
                await self.store.append(record)
        except CommandError as error:
            self.lost(record, str(error))

    def lost(self, record: AuditRecord, why: str) -> None:
        """A line that cannot be written goes to the log."""
        self._metrics.audit_lost.inc()
        fields = {key: value for key, value in dataclasses.asdict(record).items() if value}
        log.error("a line of the audit log was not written", error=why, line=fields)


class Trail:
    """What is written of one request."""

    def __init__(self, audit: Audit, record: AuditRecord) -> None:
        self._audit = audit
        self._record = record
        self._begun = False

    def by(self, caller: Identity | None) -> None:
        """Who it is."""
        if caller is None:
            return
        kind = "user"
        if caller.token:
            kind = "settings" if caller.token.startswith(SETTINGS) else "token"
        self._note(kind=kind, actor=caller.id, name=caller.name, role=caller.role.value, user=caller.user)

    def about(self, named: str) -> None:
        """The object, where it is known only later."""
        self._note(named=named)

    def gives(self, changed: Mapping[str, object]) -> None:
        """The fields of the change."""
        self._note(changed=changed)

    async def begin(self, *, strict: bool) -> None:
        """Note the change before it is made, and again once more is known of it. Raises `CommandError`
        (`Fault.UNAVAILABLE`) where it cannot be noted and is `strict`: then it must not be made.
        """
        self._begun = True
        try:
            async with asyncio.timeout(None if strict else NOTE_SECONDS):
                if self._record.id:
                    await self._audit.store.amend(self._record)
                else:
                    self._note(id=await self._audit.store.append(self._record))
        except (CommandError, TimeoutError) as error:
            if strict:
                raise
            self._audit.lost(self._record, str(error) or "it took too long")

    async def end(self, status: int, problem: str) -> None:
        """Note how it ended."""
        self._note(status=status, problem=problem)
        await self._audit.end(self._record, begun=self._begun)

    def _note(self, **fields: object) -> None:
        self._record = dataclasses.replace(self._record, **fields)  # type: ignore[arg-type]  # names are checked at run time

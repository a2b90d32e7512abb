"""Handlers: the audit log."""

from __future__ import annotations

from runtime.bus.contract import CommandError, Fault
from web.api import wire_accounts as wire
from web.api.routing import Answer, Call
from web.api.wire import micros_of, time_of
from web.auth.ports import AuditFilter, AuditRecord
from web.auth.roles import Role


def line_of(record: AuditRecord) -> wire.AuditLine:
    """The wire form."""
    return wire.AuditLine(
        id=str(record.id),
        at=time_of(record.at),
        kind=record.kind,
        actor=record.actor,
        name=record.name,
        role=Role(record.role) if record.role else None,
        user=record.user or None,
        address=record.address,
        method=record.method,
        operation=record.operation,
        object=record.named,
        status=record.status or None,
        problem=record.problem or None,
        changed=dict(record.changed),
    )


def _moment(text: str | None, field: str) -> int:
    try:
        return micros_of(text) if text else 0
    except ValueError as error:
        raise CommandError(Fault.INVALID, "there is no such date", field=field) from error


def _before(cursor: str) -> int:
    # The size of the database's numbers: what is longer was never given out.
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise CommandError(Fault.INVALID, "this is no cursor of a page before", field="cursor")
    return max(1, int(cursor))


async def list_audit(call: Call) -> Answer:
    """Lines of the audit log, newest first."""
    query = call.asks(wire.AuditQuery)
    wanted = AuditFilter(
        actor=query.actor,
        operation=query.operation,
        named=query.object,
        since=_moment(query.since, "since"),
        until=_moment(query.until, "until"),
        before=_before(query.cursor),
    )
    found = await call.services.audit.store.lines(wanted, query.limit + 1)
    page = found[: query.limit]
    following = str(page[-1].id) if len(found) > query.limit else None
    return Answer(wire.AuditPage(items=[line_of(record) for record in page], next=following))

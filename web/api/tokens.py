"""Handlers: API tokens."""

from __future__ import annotations

from runtime.bus.contract import CommandError, Fault
from web.api import wire_accounts as wire
from web.api.routing import Answer, Call, page_of
from web.api.wire import PageQuery, maybe_time_of, micros_of, time_of
from web.auth.roles import Role
from web.auth.tokens import wall_micros
from web.ports import TokenRecord
from web.problems import catalogue
from web.problems.answer import ProblemError


def token_of(record: TokenRecord) -> wire.Token:
    """The wire form; the token's text is nowhere to be had."""
    return wire.Token(
        id=record.id,
        name=record.name,
        role=record.role,
        user=record.owner or None,
        created=time_of(record.created),
        expires=maybe_time_of(record.expires),
        used=maybe_time_of(record.used),
    )


def _age_key(record: TokenRecord) -> str:
    return f"{record.created:018d}.{record.id}"


def _may_see(call: Call, record: TokenRecord) -> bool:
    """An administrator all; others their own, and those that they made."""
    caller = call.caller
    if caller is None:
        return False
    own = caller.user != "" and record.owner == caller.user
    made = caller.token != "" and caller.token in {record.id, record.parent}
    return own or made or caller.role.covers(Role.ADMIN)


async def list_tokens(call: Call) -> Answer:
    """The caller's API tokens, an administrator's answer has all; oldest first."""
    query = call.asks(PageQuery)
    records = await call.services.tokens.store.tokens()
    seen = sorted((record for record in records if _may_see(call, record)), key=_age_key)
    page, following = page_of(seen, _age_key, limit=query.limit, cursor=query.cursor)
    return Answer(wire.TokenPage(items=[token_of(record) for record in page], next=following))


async def create_token(call: Call) -> Answer:
    """Make an API token; the answer alone carries its text. It can never do more than its maker, nor for longer."""
    body, caller = call.reads(wire.TokenCreate), call.caller
    if caller is None or not caller.role.covers(body.role):
        raise ProblemError(catalogue.FORBIDDEN, role=body.role.value)
    expires = 0
    if body.expires is not None:
        try:
            expires = micros_of(body.expires)
        except ValueError as error:
            raise CommandError(Fault.INVALID, "there is no such date", field="expires") from error
        if expires <= wall_micros():
            raise CommandError(Fault.INVALID, "expires is in the past", field="expires")
    maker = await call.services.tokens.store.find(caller.token) if caller.token else None
    if maker is not None and maker.expires:
        expires = min(expires or maker.expires, maker.expires)
    record, text = await call.services.tokens.create(body.name, body.role, expires=expires, maker=caller)
    call.trail.about(record.id)
    return Answer(wire.TokenCreated(**token_of(record).model_dump(), token=text))


async def revoke_token(call: Call) -> Answer:
    """End a token, with what was made with it and the sessions that were opened with it."""
    record = await call.services.tokens.store.find(call.path("token"))
    if record is None or not _may_see(call, record) or not await call.services.tokens.revoke(record.id):
        raise ProblemError(catalogue.NOT_FOUND)
    return Answer()

"""Handlers: API tokens and the caller's own session."""

from __future__ import annotations

from runtime.bus.contract import CommandError, Fault
from web.api import wire
from web.api.routing import Answer, Call, page_of
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
        created=wire.time_of(record.created),
        expires=wire.maybe_time_of(record.expires),
        used=wire.maybe_time_of(record.used),
    )


def _age_key(record: TokenRecord) -> str:
    return f"{record.created:018d}.{record.id}"


async def list_tokens(call: Call) -> Answer:
    """API tokens, oldest first; log-in sessions are not among them."""
    query = call.asks(wire.PageQuery)
    records = sorted(await call.services.tokens.store.tokens(), key=_age_key)
    page, following = page_of(records, _age_key, limit=query.limit, cursor=query.cursor)
    return Answer(wire.TokenPage(items=[token_of(record) for record in page], next=following))


async def create_token(call: Call) -> Answer:
    """Make an API token; the answer alone carries its text."""
    body = call.reads(wire.TokenCreate)
    expires = 0
    if body.expires is not None:
        try:
            expires = wire.micros_of(body.expires)
        except ValueError as error:
            raise CommandError(Fault.INVALID, "there is no such date", field="expires") from error
        if expires <= wall_micros():
            raise CommandError(Fault.INVALID, "expires is in the past", field="expires")
    record, text = await call.services.tokens.create(body.name, body.role, expires=expires)
    return Answer(wire.TokenCreated(**token_of(record).model_dump(), token=text))


async def revoke_token(call: Call) -> Answer:
    """End a token, with the sessions that were opened with it."""
    if not await call.services.tokens.revoke(call.path("token")):
        raise ProblemError(catalogue.NOT_FOUND)
    return Answer()


async def get_session(call: Call) -> Answer:
    """Who the caller is."""
    name = call.caller.name if call.caller else ""
    return Answer(wire.Session(role=call.role, name=name, user=None, login=""))


async def open_session(call: Call) -> Answer:
    """Log in: exchange a token for a cookie that scripts cannot read."""
    identity = await call.services.tokens.verify(call.reads(wire.SessionCreate).token or "")
    if identity is None:
        raise ProblemError(catalogue.UNAUTHENTICATED)
    text = await call.services.tokens.open_session(identity)
    return Answer(wire.Session(role=identity.role, name=identity.name, user=None, login=""), cookie=text)


async def close_session(call: Call) -> Answer:
    """Log out: the session ends, and the cookie goes."""
    if call.caller is not None and call.request.cookies.get(COOKIE):
        await call.services.tokens.revoke(call.caller.id)
    return Answer(cookie="")


COOKIE = "gachi_session"
"""Name of the log-in cookie."""

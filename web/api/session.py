"""Handlers: the caller's own session and password."""

from __future__ import annotations

from typing import NoReturn

from runtime.bus.contract import CommandError, Fault
from web.api import wire_accounts as wire
from web.api.routing import Answer, Call
from web.auth.accounts import TooManyTriesError
from web.auth.passwords import PasswordsBusyError
from web.auth.ports import UserRecord
from web.auth.tokens import Identity
from web.problems import catalogue
from web.problems.answer import ProblemError

COOKIE = "gachi_session"
"""Name of the log-in cookie."""


def identity_of(user: UserRecord) -> Identity:
    """A user as a caller."""
    return Identity(user.id, user.name, user.role, user=user.id)


async def _session(call: Call, identity: Identity | None) -> wire.Session:
    if identity is None:
        return wire.Session(role=None, name="", user=None, login="")
    user = await call.services.accounts.store.find(identity.user) if identity.user else None
    login = user.login if user and not identity.token else ""
    return wire.Session(role=identity.role, name=identity.name, user=identity.user or None, login=login)


async def get_session(call: Call) -> Answer:
    """Who the caller is."""
    return Answer(await _session(call, call.caller))


async def open_session(call: Call) -> Answer:
    """Log in: exchange login and password, or a token, for a cookie that scripts cannot read."""
    body = call.reads(wire.SessionCreate)
    if (body.token is None) is (body.login is None) or (body.login is None) is not (body.password is None):
        raise CommandError(Fault.INVALID, "give login and password, or a token", field="login")
    if body.token is not None:
        identity = await call.services.tokens.verify(body.token)
        if identity is None:
            raise ProblemError(catalogue.UNAUTHENTICATED)
        call.trail.by(identity)
        await call.trail.begin(strict=True)
    else:
        identity = identity_of(await _authenticated(call, body.login or "", body.password or ""))
    # A cookie of before is not taken over: whoever planted or copied it holds nothing now.
    await call.services.sessions.close(call.request.cookies.get(COOKIE, ""))
    text = await call.services.sessions.open(identity, call.client.address)
    return Answer(await _session(call, identity), cookie=text)


async def _authenticated(call: Call, login: str, password: str) -> UserRecord:
    """The user, with the try in the audit log, be it right or wrong."""
    results = call.services.metrics.logins
    try:
        user, right = await call.services.accounts.authenticate(login, password, call.client.address)
    except TooManyTriesError as error:
        results.labels("waits").inc()
        _wait(error.seconds)
    except PasswordsBusyError:
        results.labels("busy").inc()
        raise
    # Of an unknown login nothing is noted: it may be the password, typed into the wrong field.
    if user is not None:
        call.trail.about(user.id)
        call.trail.gives({"login": user.login})
    if user is not None and right:
        call.trail.by(identity_of(user))
    await call.trail.begin(strict=True)
    if user is None or not right:
        results.labels("wrong").inc()
        raise ProblemError(catalogue.WRONG_LOGIN)
    results.labels("done").inc()
    return user


def _wait(seconds: int) -> NoReturn:
    raise ProblemError(catalogue.TRIES, seconds=seconds, headers={"Retry-After": str(seconds)})


async def close_session(call: Call) -> Answer:
    """Log out: the session ends, on request all of them, and the cookie goes."""
    await call.services.sessions.close(call.request.cookies.get(COOKIE, ""))
    if call.caller is not None and call.asks(wire.SessionEnd).everywhere:
        await call.services.sessions.end_all(call.caller)
    return Answer(cookie="")


async def change_password(call: Call) -> Answer:
    """Change the caller's own password: all sessions end, and this one goes on under a new cookie."""
    body = call.reads(wire.PasswordChange)
    caller = call.caller
    user = await call.services.accounts.store.find(caller.user) if caller and caller.user else None
    if user is None or caller is None or caller.token:
        raise CommandError(Fault.CONFLICT, "a token has no password; log in as a user")
    user = await _authenticated(call, user.login, body.old)
    changed = await call.services.accounts.set_password(user, body.new)
    if changed is None:
        raise ProblemError(catalogue.STALE)
    call.services.tokens.forget()
    text = await call.services.sessions.open(identity_of(changed), call.client.address)
    return Answer(await _session(call, identity_of(changed)), cookie=text)

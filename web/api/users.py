"""Handlers: users. Only administrators get here."""

from __future__ import annotations

from web.api import wire
from web.api import wire_accounts as accounts_wire
from web.api.routing import Answer, Call, check_version, page_of
from web.auth.ports import UserRecord
from web.problems import catalogue
from web.problems.answer import ProblemError


def user_of(user: UserRecord) -> accounts_wire.User:
    """The wire form, without the password."""
    return accounts_wire.User(
        id=user.id,
        login=user.login,
        name=user.name,
        role=user.role,
        disabled=user.disabled,
        created=wire.time_of(user.created),
        changed=wire.time_of(user.changed),
        version=user.version,
    )


def _answer(call: Call, user: UserRecord | None) -> Answer:
    # The store found another version than the one that was read a moment ago.
    if user is None:
        raise ProblemError(catalogue.STALE)
    call.services.tokens.forget()
    return Answer(user_of(user), version=user.version)


async def _found(call: Call) -> UserRecord:
    user = await call.services.accounts.store.find(call.path("user"))
    if user is None:
        raise ProblemError(catalogue.NOT_FOUND)
    check_version(call.wanted_version(), user.version)
    return user


async def list_users(call: Call) -> Answer:
    """Users by login."""
    query = call.asks(wire.PageQuery)
    users = await call.services.accounts.store.users()
    page, following = page_of(users, lambda user: user.login, limit=query.limit, cursor=query.cursor)
    return Answer(accounts_wire.UserPage(items=[user_of(user) for user in page], next=following))


async def create_user(call: Call) -> Answer:
    """Make a user."""
    body = call.reads(accounts_wire.UserCreate)
    user = await call.services.accounts.create(body.login, body.password, body.role, body.name or "")
    headers = {"Location": f"/api/v1/users/{user.id}"}
    return Answer(user_of(user), version=user.version, headers=headers)


async def get_user(call: Call) -> Answer:
    """One user."""
    user = await _found(call)
    return Answer(user_of(user), version=user.version)


async def patch_user(call: Call) -> Answer:
    """Change a user; sessions end with the role, and when disabled."""
    body = call.reads(accounts_wire.UserPatch)
    changed = await call.services.accounts.change(
        await _found(call), name=body.name, login=body.login, role=body.role, disabled=body.disabled
    )
    return _answer(call, changed)


async def delete_user(call: Call) -> Answer:
    """Delete a user with sessions and tokens."""
    user = await _found(call)
    if not await call.services.accounts.store.remove(user.id, was=user.version):
        raise ProblemError(catalogue.STALE)
    call.services.tokens.forget()
    return Answer()


async def set_user_password(call: Call) -> Answer:
    """Give a user a new password; the sessions end."""
    body = call.reads(accounts_wire.PasswordSet)
    return _answer(call, await call.services.accounts.set_password(await _found(call), body.password))


async def end_user_sessions(call: Call) -> Answer:
    """Log a user out everywhere."""
    user = await _found(call)
    await call.services.sessions.store.end_all(user=user.id)
    return Answer()

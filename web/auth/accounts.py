"""Users: made, changed, given passwords; logged in by login and password."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from runtime import ids
from runtime.bus.contract import CommandError, Fault
from web.auth.lockout import Lockout
from web.auth.passwords import Passwords, PasswordsBusyError
from web.auth.ports import UserRecord, UserStore
from web.auth.roles import Role

LOGIN = r"[A-Za-z0-9][A-Za-z0-9._%+@-]{0,99}"
"""Grammar of logins: an e-mail address or a short name, in ASCII: what looks alike must be alike."""
_LOGIN = re.compile(LOGIN)
SHORTEST = 10
"""Characters of a password. No rules beyond: they make passwords worse (NIST SP 800-63B §3.1.1.2)."""
LONGEST = 200


class TooManyTriesError(Exception):
    """Log-ins failed too often; `seconds` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"log-ins failed too often; wait {seconds} s")
        self.seconds = seconds


def login_of(text: str) -> str:
    """A login as it is kept and compared. Raises `Fault.INVALID`."""
    if not _LOGIN.fullmatch(text):
        raise CommandError(
            Fault.INVALID, "a login is an e-mail address or a short name in ASCII", field="login"
        )
    return text.lower()


def check_password(password: str, login: str) -> None:
    """Refuse (`Fault.INVALID`) what is too short, too long, or the login itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise CommandError(
            Fault.INVALID, f"a password has {SHORTEST} to {LONGEST} characters", field="password"
        )
    if password.lower() in {login, login.partition("@")[0]}:
        raise CommandError(Fault.INVALID, "the password must not be the login", field="password")


class Accounts:
    """The users over a `UserStore`."""

    def __init__(
        self, store: UserStore, passwords: Passwords, lockout: Lockout, wall: Callable[[], int]
    ) -> None:
        self.store = store
        self._passwords = passwords
        self._lockout = lockout
        self._wall = wall

    async def create(self, login: str, password: str, role: Role, name: str = "") -> UserRecord:
        """A new user. Raises `Fault.INVALID`, and `Fault.CONFLICT` for a login that is taken."""
        login = login_of(login)
        check_password(password, login)
        now = self._wall()
        user = UserRecord(
            id=ids.new(now),
            name=name or login,
            login=login,
            role=role,
            password=await self._passwords.hash(password),
            created=now,
            changed=now,
        )
        await self.store.add(user)
        return user

    async def change(
        self,
        user: UserRecord,
        *,
        name: str | None = None,
        login: str | None = None,
        role: Role | None = None,
        disabled: bool | None = None,
    ) -> UserRecord | None:
        """Change what is given; None where the user has moved on. With the role, or disabled, its sessions end."""
        new = dataclasses.replace(
            user,
            name=user.name if name is None else name,
            login=user.login if login is None else login_of(login),
            role=user.role if role is None else role,
            disabled=user.disabled if disabled is None else disabled,
        )
        if new == user:
            return user
        ends = new.role != user.role or new.disabled
        return await self._save(new, user.version, end_sessions=ends)

    async def set_password(self, user: UserRecord, password: str) -> UserRecord | None:
        """Give a user a new password, and end its sessions; None where the user has moved on."""
        check_password(password, user.login)
        new = dataclasses.replace(user, password=await self._passwords.hash(password))
        return await self._save(new, user.version, end_sessions=True)

    async def is_password(self, user: UserRecord, password: str) -> bool:
        """Whether this is the user's password; for ourselves: nothing is counted."""
        return await self._passwords.verify(user.password, password)

    async def _save(self, user: UserRecord, was: int, *, end_sessions: bool) -> UserRecord | None:
        new = dataclasses.replace(user, changed=self._wall(), version=was + 1)
        return new if await self.store.save(new, was=was, end_sessions=end_sessions) else None

    async def authenticate(self, login: str, password: str, address: str) -> tuple[UserRecord | None, bool]:
        """The user with this login, and whether it may come in: not with a wrong password, and not when disabled. Takes
        the same work in any case. Raises `TooManyTriesError`, `PasswordsBusyError`.
        """
        login = login.lower()
        made = await self._lockout.begin(login, address)
        if made.wait:
            raise TooManyTriesError(made.wait)
        user = await self.store.by_login(login) if _LOGIN.fullmatch(login) else None
        try:
            right = await self._passwords.verify(user.password if user else None, password)
        except PasswordsBusyError:
            await self._lockout.undo(made)
            raise
        if user is None or not right or user.disabled:
            return user, False
        await self._lockout.succeed(made)
        if self._passwords.is_old(user.password):
            await self.store.rehash(user.id, await self._passwords.hash(password), was=user.password)
        return user, True

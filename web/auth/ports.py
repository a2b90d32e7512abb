"""What accounts need from a database: users, their sessions, failed log-ins, the audit log. One contract suite runs on
every adapter. A database that cannot be used is told as `CommandError` with `Fault.UNAVAILABLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from web.auth.roles import Role


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user as kept. Times are Unix microseconds."""

    id: str
    name: str
    login: str
    """Unique, as `web.auth.accounts.login_of` spells it."""
    role: Role
    password: str
    """Argon2id in its encoded form, with its parameters and salt."""
    created: int
    changed: int
    disabled: bool = False
    version: int = 1


class UserStore(Protocol):
    """Where users are kept. There is always an administrator who can log in, once there was one: what would take the
    last one away is refused with `Fault.CONFLICT`.
    """

    async def add(self, user: UserRecord) -> None:
        """Keep a new one. Raises `Fault.CONFLICT` where the login is taken."""
        ...

    async def find(self, user: str) -> UserRecord | None:
        """The user with this id."""
        ...

    async def by_login(self, login: str) -> UserRecord | None:
        """The user with this login."""
        ...

    async def users(self) -> Sequence[UserRecord]:
        """All, by login."""
        ...

    async def save(self, user: UserRecord, *, was: int, end_sessions: bool = False) -> bool:
        """Replace the user where it is still at version `was`, in one step with the end of its sessions where asked;
        False where it has moved on or is gone. Raises `Fault.CONFLICT` for a login that is taken and for the last
        administrator.
        """
        ...

    async def rehash(self, user: str, password: str, *, was: str) -> None:
        """Replace the hash `was` of the same password by one with newer parameters."""
        ...

    async def remove(self, user: str, *, was: int | None = None) -> bool:
        """Remove it with its sessions and tokens; False where there is none, or not at version `was`. Raises
        `Fault.CONFLICT` for the last administrator.
        """
        ...


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A log-in as kept: of a user, or of a token that was exchanged for a cookie."""

    id: str
    digest: str
    """Hex SHA-256 of the cookie's text."""
    created: int
    seen: int
    expires: int
    user: str = ""
    token: str = ""
    address: str = ""


class SessionStore(Protocol):
    """Where log-ins are kept."""

    async def open(self, session: SessionRecord) -> None:
        """Keep a new one."""
        ...

    async def session(self, session: str) -> tuple[SessionRecord, UserRecord | None] | None:
        """The session with its user, as both are now."""
        ...

    async def seen(self, session: str, at: int) -> None:
        """Note that it was used."""
        ...

    async def end(self, session: str) -> bool:
        """End it; False where there was none."""
        ...

    async def end_all(self, *, user: str = "", token: str = "") -> int:
        """End all sessions of a user or of a token; returns how many."""
        ...

    async def sweep_sessions(self, *, expired: int, idle: int) -> int:
        """Remove those that expire before `expired` or were last used before `idle`; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Tries:
    """What is remembered of tries under one key."""

    failures: int = 0
    last: int = 0
    until: int = 0
    """No further try before this."""
    expires: int = 0
    """When it is forgotten."""


class TriesStore(Protocol):
    """Where failed log-ins are counted."""

    async def step(
        self, keys: Sequence[str], change: Callable[[Mapping[str, Tries]], Mapping[str, Tries | None]]
    ) -> None:
        """Read what is under the keys (nothing: `Tries()`), let `change` say what shall be there (None: nothing), and
        keep it: one step, of which no other process sees a half. `change` is pure.
        """
        ...

    async def forget(self, now: int) -> int:
        """Remove what expired; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the audit log."""

    id: int
    """Rises; 0 before it is kept."""
    at: int
    kind: str
    """`user` | `token` | `settings` (the administrator's token of the settings) | `command`
    (`gachi user`) | `nobody`."""
    actor: str
    """Id of the user or token."""
    name: str
    role: str
    user: str
    """The user behind it: itself, or who owns the token."""
    address: str
    method: str
    operation: str
    named: str
    """What was acted on: the path's variables, or the new thing's id."""
    status: int = 0
    """HTTP status; 0: begun, and how it ended is not known."""
    problem: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Fields that were given, with their values where those are no secrets."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines; what is empty or 0 holds for all."""

    actor: str = ""
    """Id of a user or token; of a user also what was done with its tokens."""
    operation: str = ""
    named: str = ""
    since: int = 0
    until: int = 0
    before: int = 0
    """Only lines with a lower id."""


class AuditStore(Protocol):
    """Where the audit log is kept."""

    async def append(self, record: AuditRecord) -> int:
        """Keep a line; returns its id."""
        ...

    async def amend(self, record: AuditRecord) -> None:
        """Replace the line with the record's id: how it ended, and who it turned out to be."""
        ...

    async def lines(self, wanted: AuditFilter, limit: int) -> Sequence[AuditRecord]:
        """At most `limit`, newest first."""
        ...

    async def prune(self, before: int) -> int:
        """Remove lines from before this moment; returns how many."""
        ...

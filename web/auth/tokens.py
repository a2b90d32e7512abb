"""API tokens: made once, shown once, kept as a digest, compared in constant time."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from runtime.bus.contract import CommandError
from web.auth.ports import UserStore
from web.auth.roles import Role
from web.ports import TokenRecord, TokenStore

PREFIX = "gl"
"""Token texts look like ``gl_<id>_<secret>``: recognisable to secret scanners, found by id, compared whole."""
MAX_LENGTH = 200
REMEMBER_SECONDS = 5.0
"""How long a verified token is taken without asking the store: at most so long another process's revocation waits."""
REMEMBER_SIZE = 1024
TOUCH_MICROS = 60_000_000
"""`used` is kept to the minute: a write for each request would cost more than the request."""

_MISSING = "0" * 64
_TEXT = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling: a user by a session, or a token."""

    id: str
    """Of the user or the token: what rates are limited by."""
    name: str
    role: Role
    user: str = ""
    """The user behind it; a token's is who owns it."""
    token: str = ""
    """The token, also where it was exchanged for a session."""
    session: str = ""
    """The session, where it came by cookie."""


ADMIN = "admin"
"""Id of the token that the settings give."""
SETTINGS = "settings:"
"""`Identity.token` of it begins so and goes on with its digest: with another token in the settings its sessions end."""


def digest_of(text: str) -> str:
    """Hex SHA-256 of a token's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def wall_micros() -> int:
    """Unix microseconds now."""
    return time.time_ns() // 1000


class Tokens:
    """Makes and verifies tokens over a `TokenStore`."""

    def __init__(
        self,
        store: TokenStore,
        admin_token: str = "",
        *,
        users: UserStore,
        wall: Callable[[], int] = wall_micros,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._users = users
        self._admin = digest_of(admin_token) if admin_token else ""
        self._wall = wall
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    async def create(
        self, name: str, role: Role, *, expires: int = 0, maker: Identity | None = None
    ) -> tuple[TokenRecord, str]:
        """A new token: its record, and the text that is shown once. It belongs to the user behind `maker`; made with
        another token it ends with that one.
        """
        token = secrets.token_hex(6)
        text = f"{PREFIX}_{token}_{secrets.token_urlsafe(32)}"
        parent = maker.token if maker and not maker.token.startswith(SETTINGS) else ""
        record = TokenRecord(
            id=token,
            name=name,
            role=role,
            digest=digest_of(text),
            created=self._wall(),
            expires=expires,
            parent=parent,
            owner=maker.user if maker else "",
        )
        await self.store.add(record)
        return record, text

    async def revoke(self, token: str) -> bool:
        """Remove a token with what was made with it, and their sessions; in this process it ends at once."""
        self.forget()
        return await self.store.revoke(token)

    def forget(self) -> None:
        """Look every token up anew: a user has changed."""
        self._known.clear()

    async def verify(self, text: str) -> Identity | None:
        """Who holds this token; None for a wrong, expired or revoked one, and for one whose owner may not any more."""
        if not text or len(text) > MAX_LENGTH:
            return None
        digest = digest_of(text)
        if self._admin and hmac.compare_digest(digest, self._admin):
            return self._administrator()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[0]:
            return known[1]
        identity = await self._look_up(text, digest)
        if identity is not None:
            self._known[digest] = (self._clock() + REMEMBER_SECONDS, identity)
            self._known.move_to_end(digest)
            while len(self._known) > REMEMBER_SIZE:
                self._known.popitem(last=False)
        return identity

    async def identity(self, token: str) -> Identity | None:
        """Who a session is that was opened with a token (`Identity.token`); None where the token has ended."""
        if token.startswith(SETTINGS):
            administrator = self._administrator()
            return administrator if self._admin and administrator.token == token else None
        record = await self.store.find(token)
        return None if record is None else await self._valid(record)

    def _administrator(self) -> Identity:
        return Identity(ADMIN, ADMIN, Role.ADMIN, token=SETTINGS + self._admin[:16])

    async def _look_up(self, text: str, digest: str) -> Identity | None:
        match = _TEXT.match(text)
        # Only what can be an id reaches the store: a database need not take every string.
        record = await self.store.find(match[1]) if match else None
        # Compared even where there is no record, so that time does not tell which ids exist.
        fits = hmac.compare_digest(digest, record.digest if record else _MISSING)
        if record is None or not fits or (identity := await self._valid(record)) is None:
            return None
        now = self._wall()
        if now - record.used > TOUCH_MICROS:
            with contextlib.suppress(CommandError):  # reading goes on while nothing can be written
                await self.store.touch(record.id, now)
        return identity

    async def _valid(self, record: TokenRecord) -> Identity | None:
        """A token does no more than its owner may now."""
        if 0 < record.expires <= self._wall():
            return None
        role = record.role
        if record.owner:
            owner = await self._users.find(record.owner)
            if owner is None or owner.disabled:
                return None
            role = min(role, owner.role, key=lambda each: each.rank)
        return Identity(record.id, record.name, role, user=record.owner, token=record.id)

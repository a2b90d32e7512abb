"""API tokens and log-in sessions: made once, shown once, kept as a digest, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from web.auth.roles import Role
from web.ports import TokenRecord, TokenStore

PREFIX = "gl"
"""Token texts look like ``gl_<id>_<secret>``: recognisable to secret scanners, found by id, compared whole."""
MAX_LENGTH = 200
SESSION_SECONDS = 12 * 3600
"""A working day: staff log in once a day."""
REMEMBER_SECONDS = 5.0
"""How long a verified token is taken without asking the store: at most so long another process's revocation waits."""
REMEMBER_SIZE = 1024
TOUCH_MICROS = 60_000_000
"""`used` is kept to the minute: a write for each request would cost more than the request."""

_MISSING = "0" * 64
_TEXT = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling."""

    id: str
    name: str
    role: Role


ADMIN = "admin"
"""Id of the token that the settings give."""


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
        wall: Callable[[], int] = wall_micros,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._admin = digest_of(admin_token) if admin_token else ""
        self._wall = wall
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    async def create(
        self, name: str, role: Role, *, expires: int = 0, parent: str = ""
    ) -> tuple[TokenRecord, str]:
        """A new token: its record, and the text that is shown once."""
        token = secrets.token_hex(6)
        text = f"{PREFIX}_{token}_{secrets.token_urlsafe(32)}"
        record = TokenRecord(
            id=token,
            name=name,
            role=role,
            digest=digest_of(text),
            created=self._wall(),
            expires=expires,
            parent=parent,
        )
        await self.store.add(record)
        return record, text

    async def open_session(self, identity: Identity) -> str:
        """The text of a session with an identity's role, for the cookie."""
        expires = self._wall() + SESSION_SECONDS * 1_000_000
        _, text = await self.create(identity.name, identity.role, expires=expires, parent=identity.id)
        return text

    async def revoke(self, token: str) -> bool:
        """Remove a token and the sessions opened with it; in this process it ends at once."""
        self._known.clear()
        return await self.store.revoke(token)

    async def verify(self, text: str) -> Identity | None:
        """Who holds this token; None for a wrong, expired or revoked one."""
        if not text or len(text) > MAX_LENGTH:
            return None
        digest = digest_of(text)
        if self._admin and hmac.compare_digest(digest, self._admin):
            return Identity(ADMIN, ADMIN, Role.ADMIN)
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

    async def _look_up(self, text: str, digest: str) -> Identity | None:
        match = _TEXT.match(text)
        # Only what can be an id reaches the store: a database need not take every string.
        record = await self.store.find(match[1]) if match else None
        # Compared even where there is no record, so that time does not tell which ids exist.
        fits = hmac.compare_digest(digest, record.digest if record else _MISSING)
        now = self._wall()
        if record is None or not fits or 0 < record.expires <= now:
            return None
        if now - record.used > TOUCH_MICROS:
            await self.store.touch(record.id, now)
        return Identity(record.id, record.name, record.role)

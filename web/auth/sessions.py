"""Log-in sessions: the cookie's secret, kept as a digest; looked up at every request, so that an end is an end at once."""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import re
import secrets
from collections.abc import Callable

from runtime.bus.contract import CommandError
from web.auth.ports import SessionRecord, SessionStore
from web.auth.tokens import MAX_LENGTH, Identity, Tokens, digest_of

PREFIX = "gs"
SEEN_MICROS = 60_000_000
"""`seen` is kept to the minute: a write for each request would cost more than the request."""
_MISSING = "0" * 64
_TEXT = re.compile(rf"{PREFIX}_([0-9a-f]{{24}})_", re.ASCII)


class Sessions:
    """Opens, verifies and ends sessions over a `SessionStore`."""

    def __init__(
        self,
        store: SessionStore,
        tokens: Tokens,
        *,
        idle: float,
        longest: float,
        wall: Callable[[], int],
    ) -> None:
        """`idle` and `longest` are seconds."""
        self.store = store
        self.longest = int(longest)
        self._tokens = tokens
        self._idle = int(idle * 1_000_000)
        self._wall = wall

    async def open(self, identity: Identity, address: str) -> str:
        """The cookie's text of a new session of a user, or of a token that belongs to nobody."""
        session, now = secrets.token_hex(12), self._wall()
        text = f"{PREFIX}_{session}_{secrets.token_urlsafe(32)}"
        await self.store.open(
            SessionRecord(
                id=session,
                digest=digest_of(text),
                created=now,
                seen=now,
                expires=now + self.longest * 1_000_000,
                user="" if identity.token else identity.user,
                token=identity.token,
                address=address,
            )
        )
        return text

    async def verify(self, text: str) -> Identity | None:
        """Whose session it is; None for one that was never opened, has ended, or whose user or token may not any more."""
        if not (match := _TEXT.match(text)) or len(text) > MAX_LENGTH:
            return None
        found = await self.store.session(match[1])
        # Compared even where there is no record, so that time does not tell which ids exist.
        fits = hmac.compare_digest(digest_of(text), found[0].digest if found else _MISSING)
        if found is None or not fits:
            return None
        session, user = found
        now = self._wall()
        if session.expires <= now or session.seen + self._idle <= now:
            return None
        if session.token:
            identity = await self._tokens.identity(session.token)
        elif user is None or user.disabled:
            identity = None
        else:
            identity = Identity(user.id, user.name, user.role, user=user.id)
        if identity is None:
            return None
        if now - session.seen > SEEN_MICROS:
            with contextlib.suppress(CommandError):  # reading goes on while nothing can be written
                await self.store.seen(session.id, now)
        return dataclasses.replace(identity, session=session.id)

    async def close(self, text: str) -> None:
        """End the session with this cookie, if it is one."""
        match = _TEXT.match(text)
        found = await self.store.session(match[1]) if match else None
        if found is not None and hmac.compare_digest(digest_of(text), found[0].digest):
            await self.store.end(found[0].id)

    async def end_all(self, identity: Identity) -> int:
        """End all sessions of whoever this is; returns how many."""
        if identity.token:
            return await self.store.end_all(token=identity.token)
        return await self.store.end_all(user=identity.user)

    async def sweep(self) -> int:
        """Remove what has ended by itself; returns how many."""
        now = self._wall()
        return await self.store.sweep_sessions(expired=now, idle=now - self._idle)

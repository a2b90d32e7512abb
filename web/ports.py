"""What the web process needs from the outside; `compose` puts the adapters in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from runtime.bus.contract import Command, Value
from web.auth.ports import AuditStore, SessionStore, TriesStore, UserStore
from web.auth.roles import Role

ReplyT = TypeVar("ReplyT", bound=Value)


class Ask(Protocol):
    """Gives a command to its owner over the bus; raises `CommandError` (`Fault.UNAVAILABLE` on time-out)."""

    async def __call__(self, command: Command[ReplyT], /) -> ReplyT:
        """The owner's reply."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An API token as kept. Times are Unix microseconds, 0 where not."""

    id: str
    name: str
    role: Role
    digest: str
    """Hex SHA-256 of the whole token text: it carries 256 random bits, so that a slow hash would add nothing."""
    created: int
    expires: int = 0
    used: int = 0
    parent: str = ""
    """The token it was made with; revoking that revokes this one too."""
    owner: str = ""
    """The user it belongs to: it does no more than that one may. Empty for those of the administrator's token."""


class TokenStore(Protocol):
    """Where tokens are kept."""

    async def add(self, record: TokenRecord) -> None:
        """Keep a new one."""
        ...

    async def find(self, token: str) -> TokenRecord | None:
        """The record with this id."""
        ...

    async def tokens(self) -> Sequence[TokenRecord]:
        """All of them, oldest first."""
        ...

    async def revoke(self, token: str) -> bool:
        """Remove it with the tokens made with it, and their sessions; False where there was none."""
        ...

    async def touch(self, token: str, used: int) -> None:
        """Note when it was last used."""
        ...

    async def sweep(self, now: int) -> int:
        """Remove what expired before `now`; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """All that accounts keep."""

    tokens: TokenStore
    users: UserStore
    sessions: SessionStore
    tries: TriesStore
    audit: AuditStore


@dataclass(frozen=True, slots=True)
class ReplayTape:
    """What a recording's replay is made of: texts and where their objects are."""

    multivariant: str
    playlists: Mapping[str, str]
    """Media playlist by rendition."""
    objects: Mapping[str, str]
    """Store key by name below the replay, such as ``v720/3-17.m4s`` or ``v720/init-3.mp4``."""


class ReplayReader(Protocol):
    """Reads recordings off the tape's index."""

    async def open(self, channel: str, start: int, end: int) -> ReplayTape:
        """The replay of a range of programme time in microseconds. Raises media's `NotFoundError` where nothing of it
        is on tape, `StoreError` when the index cannot be read.
        """
        ...


class PosterMaker(Protocol):
    """Makes a still of encoded video; runs in a thread."""

    def __call__(self, init: bytes, fragment: bytes, /) -> bytes:
        """JPEG of the first picture of a fragment that begins with an IDR. Raises ValueError where there is none."""
        ...

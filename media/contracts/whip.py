"""Publishing by WebRTC: web carries the HTTP of RFC 9725, ingest the media. Owned by the ingest process.

Refusals name what is at fault in `field`: `stream_key` (the key opens no such feed), `session` (there is none),
`etag` (another ICE session), `ice` (what we cannot do), `sdp…` (a text that cannot be read), `offer…` (one that can be
read and not be served), `feed` (somebody publishes to it).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Done, Value


class IceServerView(Value):
    """A STUN or TURN server that senders may use."""

    url: str
    username: str = ""
    credential: str = ""


class WhipAnswer(Value):
    """A session that was opened."""

    session: str
    """Opaque; part of the session's URL."""
    etag: str
    """Of its ICE session, without quotes."""
    sdp: str
    ice_servers: list[IceServerView] = Field(default_factory=list)


class WhipOffer(Command[WhipAnswer]):
    """Open a session: an answer to the sender's offer. The media comes later, or the session ends by itself."""

    topic: ClassVar[str] = "media.whip.offer"
    reply = WhipAnswer
    feed: str
    key: str = Field(repr=False)
    """SHA-256 of the stream key in hexadecimal (`media.ingest.keys.hash_key`): the key itself stays where it came."""
    sdp: str = Field(repr=False)
    peer: str = ""
    """Address and program of the sender, for staff."""


class WhipTrickle(Command[Done]):
    """More addresses of the sender (RFC 8840)."""

    topic: ClassVar[str] = "media.whip.trickle"
    reply = Done
    feed: str
    session: str
    key: str = Field(repr=False)
    fragment: str = Field(repr=False)
    etag: str | None = None
    """What the sender takes for the ICE session's tag; ``*`` asks for an ICE restart; None where it said nothing."""


class WhipEnd(Command[Done]):
    """The sender ends its session."""

    topic: ClassVar[str] = "media.whip.end"
    reply = Done
    feed: str
    session: str
    key: str = Field(repr=False)

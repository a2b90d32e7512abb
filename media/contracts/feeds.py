"""Feeds: owned by the ingest process."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from media.model.feed import FeedKind, FeedPhase, SecondPublisher
from runtime.bus.contract import Command, Done, Event, Value


class FeedView(Value):
    """A feed with its state. Never carries the stream key."""

    id: str
    kind: FeedKind
    name: str
    second_publisher: SecondPublisher
    options: dict[str, str]
    version: int
    """Rises by one with each change; the ETag."""
    publish_url: str = ""
    """Where to push, without the key; empty for kinds that nobody pushes to."""
    phase: FeedPhase = FeedPhase.IDLE
    reason: str = ""
    video_codec: str = ""
    audio_codec: str = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    bitrate: int = 0
    age: float | None = None
    since: int = 0
    peer: str = ""


class FeedSecret(Value):
    """A new feed, or one whose key was rotated: the only time the key is shown."""

    feed: FeedView
    stream_key: str = ""
    publish_url: str = ""
    """Complete, with the key (SRT: the passphrase)."""


class FeedList(Value):
    """All feeds, by id."""

    feeds: list[FeedView]


class CreateFeed(Command[FeedSecret]):
    """Add a feed. Raises invalid (bad option) or conflict (id taken)."""

    topic: ClassVar[str] = "media.feeds.create"
    reply = FeedSecret
    feed: str = ""
    """Wanted id (`[a-z0-9][a-z0-9-]{0,39}`); empty makes one."""
    kind: FeedKind
    name: str = ""
    second_publisher: SecondPublisher = SecondPublisher.REFUSE
    options: dict[str, str] = Field(default_factory=dict)
    stream_key: str = ""
    """For seeding a known key (demo); empty makes a random one."""


class UpdateFeed(Command[FeedView]):
    """Change a feed; None leaves a value as it is. A stale `version` is a conflict."""

    topic: ClassVar[str] = "media.feeds.update"
    reply = FeedView
    feed: str
    version: int | None = None
    name: str | None = None
    second_publisher: SecondPublisher | None = None
    options: dict[str, str] | None = None


class RotateKey(Command[FeedSecret]):
    """Give the feed a new key; the former one is refused from now on, a live publisher stays connected."""

    topic: ClassVar[str] = "media.feeds.rotate_key"
    reply = FeedSecret
    feed: str


class DeleteFeed(Command[Done]):
    """Remove a feed and end its sender."""

    topic: ClassVar[str] = "media.feeds.delete"
    reply = Done
    feed: str


class ListFeeds(Command[FeedList]):
    """All feeds with their states."""

    topic: ClassVar[str] = "media.feeds.list"
    asks = True
    reply = FeedList


class GetFeed(Command[FeedView]):
    """One feed."""

    topic: ClassVar[str] = "media.feeds.get"
    asks = True
    reply = FeedView
    feed: str


class FeedChanged(Event):
    """A feed was made, changed, or went to another phase; also every 2 s while live, for rates."""

    topic: ClassVar[str] = "media.feed.changed"
    feed: FeedView
    phase_changed: bool = False


class FeedDeleted(Event):
    """A feed is gone."""

    topic: ClassVar[str] = "media.feed.deleted"
    feed: str

"""All feeds: made, changed, found by key, told about. Owns what is kept of them and what runs for them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from media.contracts import feeds as contract
from media.contracts.feeds import FeedChanged, FeedDeleted, FeedSecret, FeedView
from media.ingest.feed import Feed, Publication
from media.ingest.keys import acceptable, hash_key, new_key
from media.ingest.settings import FeedSeed
from media.ingest.sources import Addressed, SourceRunner
from media.ingest.store import FeedRecord, FeedStore, missing, stale, taken
from media.model.errors import MediaError, NotFoundError, SpecError
from media.model.feed import FeedKind, FeedSpec
from runtime import ids, logs
from runtime.bus.contract import Done, Event
from runtime.clock import Clock, SystemClock

log = logs.get("media.ingest.feeds")

MAX_FEEDS = 200
_ID = re.compile(r"^[a-z0-9][a-z0-9-]{0,39}$")
_MAX_NAME = 100
_KEYED = frozenset({FeedKind.RTMP, FeedKind.WHIP})
"""Kinds that senders push to with a stream key."""


class FeedRegistry:
    """The feeds of this process. `tell` takes events and never blocks.

    `publish_base` is where people push to, without the key: ``rtmp://host:1935/live``.
    """

    def __init__(
        self,
        store: FeedStore,
        runner: SourceRunner,
        tell: Callable[[Event], None],
        *,
        publish_base: str,
        addressed: Mapping[FeedKind, Addressed] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.publish_base = publish_base
        self._store = store
        self._runner = runner
        self._tell = tell
        self._addressed = addressed or {}
        self._gone: Callable[[Feed], None] = lambda _feed: None
        self._clock = clock or SystemClock()
        self._feeds: dict[str, Feed] = {}
        self._records: dict[str, FeedRecord] = {}
        self._by_key: dict[str, Feed] = {}
        self._changing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._feeds)

    @property
    def feeds(self) -> Sequence[Feed]:
        """All of them."""
        return tuple(self._feeds.values())

    def on_removed(self, gone: Callable[[Feed], None]) -> None:
        """Have `gone` told of each feed that is removed."""
        self._gone = gone

    async def load(self, seeds: Sequence[FeedSeed] = ()) -> None:
        """Take up the kept feeds, then make the seeds that are missing. Raises `StoreError`, `SpecError`."""
        for record in await self._store.all():
            self._take_up(record)
        for index, seed in enumerate(seeds):
            if seed.id in self._feeds:
                continue
            try:
                await self.create(
                    contract.CreateFeed(
                        feed=seed.id,
                        kind=seed.kind,
                        name=seed.name,
                        second_publisher=seed.second_publisher,
                        options=seed.options,
                        stream_key=seed.stream_key.get_secret_value(),
                        cause="settings",
                    )
                )
            except MediaError as error:
                path = f"feeds.seed.{index}"
                raise SpecError(f"{path}: {error}", field=path) from error

    def find(self, feed: str) -> Feed | None:
        """The feed of this id."""
        return self._feeds.get(feed)

    def publish(self, key: str, end: Callable[[str], None]) -> Publication:
        """As `media.ingest.rtmp.server.Publishers`."""
        feed = self._by_key.get(hash_key(key))
        if feed is None or feed.spec.kind is not FeedKind.RTMP:
            raise NotFoundError("the stream key is not known here", field="stream_key")
        return feed.open(end)

    def check_key(self, feed: str, key_hash: str) -> None:
        """As `media.ingest.whip.server.Publishers`. Which feeds there are is told to nobody without a key."""
        found = self._by_key.get(key_hash)
        if found is None or found.spec.id != feed or found.spec.kind is not FeedKind.WHIP:
            raise NotFoundError("the stream key is not one of this feed", field="stream_key")

    def publish_to(self, feed: str, end: Callable[[str], None]) -> Publication:
        """As `media.ingest.whip.server.Publishers`."""
        return self._known(feed)[0].open(end)

    def tick(self) -> None:
        """Time passed; call it a few times a second."""
        for feed in self._feeds.values():
            feed.tick()

    def view(self, feed: Feed) -> FeedView:
        """What others may know of a feed."""
        spec, status = feed.spec, feed.status
        return FeedView(
            id=spec.id,
            kind=spec.kind,
            name=spec.name,
            second_publisher=spec.second_publisher,
            options=dict(spec.options),
            version=self._records[spec.id].version,
            publish_url=self._publish_url(spec),
            phase=status.phase,
            reason=status.reason,
            video_codec=status.video_codec,
            audio_codec=status.audio_codec,
            width=status.width,
            height=status.height,
            frame_rate=status.frame_rate,
            bitrate=status.bitrate,
            age=status.age,
            since=status.since,
            peer=status.peer,
        )

    # --- commands ---

    async def create(self, command: contract.CreateFeed) -> FeedSecret:
        """Add a feed. Raises `SpecError`, `ConflictError`, `StoreError`."""
        async with self._changing:
            if len(self._feeds) >= MAX_FEEDS:
                raise SpecError(f"there are {MAX_FEEDS} feeds already")
            name = command.feed or f"feed-{ids.new(self._clock.wall())}"
            if not _ID.match(name):
                raise SpecError("an id is 1 to 40 lower case letters, digits and hyphens", field="feed")
            if name in self._feeds:
                raise taken(name)
            spec = FeedSpec(
                id=name,
                kind=command.kind,
                name=_checked_name(command.name),
                second_publisher=command.second_publisher,
                options=_sorted(command.options),
            )
            if spec.kind in self._addressed:
                spec = self._prepared(spec, None, wanted=command.stream_key)
                key = ""
            else:
                key = _key_for(spec.kind, command.stream_key)
            await self._check(spec)
            record = FeedRecord(spec, hash_key(key) if key else None, 1, self._clock.wall())
            await self._store.add(record)
            feed = self._take_up(record)
        self._changed(feed)
        return self._secret(feed, key)

    async def update(self, command: contract.UpdateFeed) -> FeedView:
        """Change a feed; its source starts anew where its options changed."""
        async with self._changing:
            feed, record = self._known(command.feed)
            if command.version is not None and command.version != record.version:
                raise stale(record.version)
            spec = record.spec
            if command.name is not None:
                spec = replace(spec, name=_checked_name(command.name))
            if command.second_publisher is not None:
                spec = replace(spec, second_publisher=command.second_publisher)
            if command.options is not None:
                spec = replace(spec, options=_sorted(command.options))
            if spec.kind in self._addressed:
                spec = self._prepared(spec, record.spec)
            if command.options is not None:
                await self._check(spec)
            kept = record.spec
            changed = (spec.options, spec.secret) != (kept.options, kept.secret)
            restart = changed and self._runner.runs(spec.kind)
            await self._save(replace(record, spec=spec, version=record.version + 1))
            feed.spec = spec
            if restart:
                await self._runner.stop(feed)
                self._runner.start(feed)
        self._changed(feed)
        return self.view(feed)

    async def rotate(self, command: contract.RotateKey) -> FeedSecret:
        """Give a feed a new key; who publishes stays connected."""
        async with self._changing:
            feed, record = self._known(command.feed)
            if feed.spec.kind is FeedKind.SRT:
                spec = self._prepared(replace(record.spec, secret=""), None)
                await self._save(replace(record, spec=spec, version=record.version + 1))
                feed.spec = spec
                self._changed(feed)
                return self._secret(feed, "")
            if feed.spec.kind not in _KEYED:
                raise SpecError(f"a {feed.spec.kind} feed has no stream key", field="feed")
            key = new_key()
            changed = replace(record, key_hash=hash_key(key), version=record.version + 1)
            await self._save(changed)
            if record.key_hash is not None:
                self._by_key.pop(record.key_hash, None)
            self._by_key[hash_key(key)] = feed
        self._changed(feed)
        return self._secret(feed, key)

    async def delete(self, command: contract.DeleteFeed) -> Done:
        """Remove a feed and end its sender."""
        async with self._changing:
            feed, record = self._known(command.feed)
            await self._store.remove(command.feed)
            del self._records[command.feed], self._feeds[command.feed]
            if record.key_hash is not None:
                self._by_key.pop(record.key_hash, None)
            feed.retire("the feed was removed")
            await self._runner.stop(feed)
            self._gone(feed)
        self._tell(FeedDeleted(feed=command.feed))
        return Done()

    async def list(self, _command: contract.ListFeeds) -> contract.FeedList:
        """All feeds, by id."""
        return contract.FeedList(feeds=[self.view(self._feeds[each]) for each in sorted(self._feeds)])

    async def get(self, command: contract.GetFeed) -> FeedView:
        """One feed."""
        return self.view(self._known(command.feed)[0])

    # ---

    def _known(self, feed: str) -> tuple[Feed, FeedRecord]:
        found = self._feeds.get(feed)
        if found is None:
            raise missing(feed)
        return found, self._records[feed]

    def _prepared(self, spec: FeedSpec, former: FeedSpec | None, *, wanted: str = "") -> FeedSpec:
        others = [record.spec for name, record in self._records.items() if name != spec.id]
        return self._addressed[spec.kind].prepare(spec, former, others, wanted=wanted)

    def _publish_url(self, spec: FeedSpec, *, secret: bool = False) -> str:
        if spec.kind in self._addressed:
            return self._addressed[spec.kind].publish_url(spec, secret=secret)
        return self.publish_base if spec.kind is FeedKind.RTMP else ""

    async def _check(self, spec: FeedSpec) -> None:
        if self._runner.runs(spec.kind):
            await self._runner.check(spec)
        elif spec.options:
            raise SpecError(f"a {spec.kind} feed has no options", field=f"options.{spec.options[0][0]}")

    async def _save(self, record: FeedRecord) -> None:
        await self._store.save(record, expected=self._records[record.spec.id].version)
        self._records[record.spec.id] = record

    def _take_up(self, record: FeedRecord) -> Feed:
        feed = Feed(record.spec, self._on_change, self._clock)
        self._feeds[record.spec.id] = feed
        self._records[record.spec.id] = record
        if record.key_hash is not None:
            self._by_key[record.key_hash] = feed
        self._runner.start(feed)
        return feed

    def _secret(self, feed: Feed, key: str) -> FeedSecret:
        url = f"{self.publish_base}/{key}" if key and feed.spec.kind is FeedKind.RTMP else ""
        if feed.spec.kind is FeedKind.SRT:
            key, url = feed.spec.secret, self._publish_url(feed.spec, secret=True)
        return FeedSecret(feed=self.view(feed), stream_key=key, publish_url=url)

    def _changed(self, feed: Feed) -> None:
        self._tell(FeedChanged(feed=self.view(feed)))

    def _on_change(self, feed: Feed, phase_changed: bool) -> None:  # noqa: FBT001 - see Feed
        if feed.spec.id not in self._records:
            return  # it is being removed; FeedDeleted says so
        if phase_changed:
            status = feed.status
            log.info("feed", feed=feed.spec.id, phase=status.phase, reason=status.reason, peer=status.peer)
        self._tell(FeedChanged(feed=self.view(feed), phase_changed=phase_changed))


def _sorted(options: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(options.items()))


def _checked_name(name: str) -> str:
    if len(name) > _MAX_NAME:
        raise SpecError(f"a name has {_MAX_NAME} characters at most", field="name")
    return name


def _key_for(kind: FeedKind, wanted: str) -> str:
    if kind not in _KEYED:
        if wanted:
            raise SpecError(f"a {kind} feed has no stream key", field="stream_key")
        return ""
    if wanted and not acceptable(wanted):
        raise SpecError("a stream key has 8 to 128 letters, digits and . _ ~ -", field="stream_key")
    return wanted or new_key()

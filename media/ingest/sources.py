"""Running what is a feed's own: sources that do not come to us (files, test patterns), and listeners of one feed (SRT)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol, Self, runtime_checkable

from media.ingest.feed import Feed, Publication
from media.model.errors import MediaError, SpecError
from media.model.feed import FeedKind, FeedSpec
from media.ports import FeedSink
from runtime import logs
from runtime.service import RestartPolicy, Service

log = logs.get("media.ingest.sources")

_POLICY = RestartPolicy(at_once=0.5, first=1.0, limit=15.0)
_STOP_WITHIN = 5.0
_CHECK_WITHIN = 10.0


Publish = Callable[[Callable[[str], None]], Publication]
"""A feed's door, as `Feed.open`."""


class CheckedSource(Protocol):
    """A `media.ports.FeedSource` that can say beforehand what is wrong with a specification."""

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` naming the option at fault."""
        ...

    async def run(self, spec: FeedSpec, sink: FeedSink) -> None:
        """As `media.ports.FeedSource`."""
        ...


class Addressed(Protocol):
    """What feeds of a kind with an address or a secret of their own are made of: pure."""

    def prepare(
        self, spec: FeedSpec, former: FeedSpec | None, others: Iterable[FeedSpec], *, wanted: str = ""
    ) -> FeedSpec:
        """A specification as somebody asked for it → as it is kept, its secrets out of its options.

        `former` is what was kept so far; `others` are the other feeds; `wanted` is the secret for a new one, empty
        makes one where it needs one. Raises `SpecError` naming the option at fault.
        """
        ...

    def publish_url(self, spec: FeedSpec, *, secret: bool) -> str:
        """Where to push, with what opens it or without; empty where nobody pushes."""
        ...


@runtime_checkable
class OwnListener(Protocol):
    """Waits for senders of one feed at a place of the feed's own; a sender that goes away is no end."""

    async def listen(self, current: Callable[[], FeedSpec], publish: Publish) -> None:
        """Until cancelled. `current` is the specification as it is by then. Raises `SourceError` (may be retried)."""
        ...


class SourceRunner:
    """One task per feed that we run. Enter it as a context; leaving it ends them all."""

    def __init__(self, sources: Mapping[FeedKind, CheckedSource | OwnListener]) -> None:
        self._sources = sources
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def runs(self, kind: FeedKind) -> bool:
        """Whether feeds of this kind are ours to run."""
        return kind in self._sources

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` where the feed's options cannot work."""
        source = self._sources.get(spec.kind)
        if source is not None and not isinstance(source, OwnListener):
            try:
                async with asyncio.timeout(_CHECK_WITHIN):
                    await source.check(spec)
            except TimeoutError as error:
                raise SpecError("the source could not be looked at in time", field="options") from error

    def start(self, feed: Feed) -> None:
        """Run the feed's source, if it has one, until `stop`."""
        source = self._sources.get(feed.spec.kind)
        if source is not None:
            name = feed.spec.id
            self._tasks[name] = asyncio.create_task(_keep(source, feed), name=f"source {name}")

    async def stop(self, feed: Feed) -> None:
        """End the feed's source, if it runs."""
        task = self._tasks.pop(feed.spec.id, None)
        if task is not None:
            await _end([task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        await _end(tasks)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        _, slow = await asyncio.wait(tasks, timeout=_STOP_WITHIN)
        for task in slow:
            log.error("a source does not stop", task=task.get_name())


async def _keep(source: CheckedSource | OwnListener, feed: Feed) -> None:
    """Run a source again and again until it ends by itself or cannot work."""

    async def once() -> None:
        await _once(source, feed)

    service = Service(f"source {feed.spec.id}", once, policy=_POLICY, permanent=(SpecError,))
    with suppress(SpecError):  # told on the feed
        await service.run()


async def _once(source: CheckedSource | OwnListener, feed: Feed) -> None:
    """One run, told on the feed. Raises what the source raises."""
    if isinstance(source, OwnListener):
        await source.listen(lambda: feed.spec, feed.open)
        return
    publication = feed.open(lambda _reason: None)
    publication.connecting(feed.spec.kind.value)
    try:
        await source.run(feed.spec, publication)
    except asyncio.CancelledError:
        publication.lost("it was stopped")
        raise
    except SpecError as error:
        publication.failed(str(error))
        raise
    except MediaError as error:
        publication.lost(str(error))
        raise
    except Exception as error:
        publication.lost(f"an internal error: {error}")
        raise
    publication.lost("it is at its end")

"""Running the sources that do not come to us: files, test patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, Self

from media.ingest.feed import Feed
from media.model.errors import MediaError, SpecError
from media.model.feed import FeedKind, FeedSpec
from media.ports import FeedSink
from runtime import logs
from runtime.service import RestartPolicy, Service

log = logs.get("media.ingest.sources")

_POLICY = RestartPolicy(at_once=0.5, first=1.0, limit=15.0)
_STOP_WITHIN = 5.0
_CHECK_WITHIN = 10.0


class CheckedSource(Protocol):
    """A `media.ports.FeedSource` that can say beforehand what is wrong with a specification."""

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` naming the option at fault."""
        ...

    async def run(self, spec: FeedSpec, sink: FeedSink) -> None:
        """As `media.ports.FeedSource`."""
        ...


class SourceRunner:
    """One task per feed that we run. Enter it as a context; leaving it ends them all."""

    def __init__(self, sources: Mapping[FeedKind, CheckedSource]) -> None:
        self._sources = sources
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def runs(self, kind: FeedKind) -> bool:
        """Whether feeds of this kind are ours to run."""
        return kind in self._sources

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` where the feed's options cannot work."""
        source = self._sources.get(spec.kind)
        if source is not None:
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


async def _keep(source: CheckedSource, feed: Feed) -> None:
    """Run a source again and again until it ends by itself or cannot work."""

    async def once() -> None:
        await _once(source, feed)

    service = Service(f"source {feed.spec.id}", once, policy=_POLICY, permanent=(SpecError,))
    with suppress(SpecError):  # told on the feed
        await service.run()


async def _once(source: CheckedSource, feed: Feed) -> None:
    """One run, told on the feed. Raises what the source raises."""
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

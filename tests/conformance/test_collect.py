from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from aiohttp.test_utils import TestClient

from media.model.errors import NotFoundError
from media.packaging.live import LiveChannel
from media.worker.origin import make_app
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.conformance.synthetic import ANCHOR, SPEC, open_channel, parts


class _NoStore:
    """A tape with nothing on it."""

    async def put(self, key: str, data: bytes) -> None:
        raise NotFoundError(key)

    async def get(self, key: str) -> bytes:
        raise NotFoundError(key)

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        raise NotFoundError(key)

    async def list(self, prefix: str) -> Sequence[tuple[str, int]]:
        return []

    async def delete(self, keys: Sequence[str]) -> None:
        return


async def test_what_is_collected_from_an_origin_conforms(
    aiohttp_client: Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]],
) -> None:
    live = LiveChannel(SPEC, 1, ANCHOR)
    open_channel(live)
    client = await aiohttp_client(make_app(live, _NoStore(), wait_timeout=1.0))

    async def feed() -> None:
        for count, part in enumerate(parts(SPEC, 1, 0, ANCHOR, 20)):
            live.add(part)
            if (
                count > 20 and count % 3 == 2
            ):  # a part of each rendition, then time for the collector to see it
                await asyncio.sleep(0.03)

    task = asyncio.create_task(feed())
    await asyncio.sleep(0.1)
    recording = await collect(client.session, str(client.make_url("/index.m3u8")), 2.0)
    await task
    assert check(recording) == []
    assert len(recording.answers) > 50
    assert any("#EXT-X-SKIP" in answer.text for answer in recording.answers)
    assert len(recording.objects) > 100

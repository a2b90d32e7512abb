from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from fractions import Fraction

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from media.model.channel import ChannelSpec, Rung
from media.model.errors import NotFoundError, StoreError
from media.model.time import ProgrammeTime
from media.packaging.live import LiveChannel
from media.packaging.parts import AUDIO, Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.worker.origin import STATS, accepts_gzip, make_app

ANCHOR = ProgrammeTime(1_700_000_000_000_000)
SPEC = ChannelSpec(
    "c", width=320, height=180, ladder=(Rung(180, 300_000),), rate=Fraction(30), dvr_seconds=60
)
Client = TestClient[web.Request, web.Application]
Connect = Callable[[web.Application], Awaitable[Client]]


class Store:
    """Objects in a dictionary; an unreadable one is None."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes | None] = {}

    async def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data

    async def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFoundError(key)
        data = self.objects[key]
        if data is None:
            raise StoreError(key)
        return data

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        return (await self.get(key))[start:end]

    async def list(self, prefix: str) -> Sequence[tuple[str, int]]:
        return [
            (key, len(data or b"")) for key, data in sorted(self.objects.items()) if key.startswith(prefix)
        ]

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)


class Feeder:
    """Makes parts of both renditions, in step."""

    def __init__(self, live: LiveChannel, size: int = 100) -> None:
        self.live = live
        self.size = size
        self.parts = self._make()
        video = VideoSegmenter(SPEC, "v180", epoch=1, first_msn=0, anchor=ANCHOR)
        live.add_init("v180", b"video init", "avc1.42c00d", 320, 180, 300_000, video.timescale)
        live.add_init(AUDIO, b"audio init", "mp4a.40.2", 0, 0, 128_000, 48_000)
        self.video = video
        self.audio = AudioSegmenter(SPEC, epoch=1, first_msn=0, anchor=ANCHOR)

    def _make(self) -> Iterator[Part]:
        tick = frames = 0
        while True:
            part = self.video.push(tick, bytes([tick % 256]) * self.size, tick % 30 == 0)
            tick += 1
            if part:
                yield part
            while (frames + 1) * 1024 <= SPEC.clock.samples_before(tick):
                frames += 1
                sound = self.audio.push(b"a" * 30)
                if sound:
                    yield sound

    def until(self, msn: int, index: int = 5) -> None:
        """Feed until both renditions have this part."""
        done: set[str] = set()
        while len(done) < 2:
            part = next(self.parts)
            self.live.add(part)
            if (part.msn, part.index) >= (msn, index):
                done.add(part.rendition)


@pytest.fixture
def live() -> LiveChannel:
    return LiveChannel(SPEC, 1, ANCHOR)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def client(live: LiveChannel, store: Store, aiohttp_client: Connect) -> Client:
    return await aiohttp_client(make_app(live, store, wait_timeout=1.0))


async def waiting(client: Client, count: int) -> None:
    """Until so many requests wait in the origin."""
    async with asyncio.timeout(5):
        while client.app[STATS].waiting != count:
            await asyncio.sleep(0.005)


async def test_playlists_have_type_cors_short_life_and_gzip(live: LiveChannel, client: Client) -> None:
    Feeder(live).until(2)
    for path in ("/index.m3u8", "/v180/index.m3u8", "/audio/index.m3u8?_HLS_msn=1&_HLS_part=0&_HLS_skip=YES"):
        answer = await client.get(path)
        assert answer.status == 200
        assert answer.content_type == "application/vnd.apple.mpegurl"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"] == "max-age=1"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert (await answer.text()).startswith("#EXTM3U\n")
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert await plain.text() == await answer.text()


@pytest.mark.parametrize(
    "query",
    ["_HLS_part=0", "_HLS_msn=x", "_HLS_msn=-1", "_HLS_msn=1e3", "_HLS_msn=", "_HLS_msn=5", "_HLS_msn=1&_HLS_msn=1",
     "_HLS_msn=1&_HLS_part=-1", "_HLS_msn=1&_HLS_part=x", "_HLS_msn=3&_HLS_part=1000", "_HLS_msn=" + "9" * 5000,
     "_HLS_msn=%D9%A1"],
)  # fmt: skip
async def test_impossible_directives_get_400(live: LiveChannel, client: Client, query: str) -> None:
    Feeder(live).until(2)
    answer = await client.get(f"/v180/index.m3u8?{query}")
    assert answer.status == 400
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_blocked_reload_is_answered_by_its_part(live: LiveChannel, client: Client) -> None:
    feeder = Feeder(live)
    feeder.until(2)
    task = asyncio.create_task(client.get("/v180/index.m3u8?_HLS_msn=3&_HLS_part=1"))
    await waiting(client, 1)
    feeder.until(3, 0)
    await asyncio.sleep(0)
    assert not task.done()
    feeder.until(3, 1)
    text = await (await task).text()
    assert "1-3.1.m4s" in text
    assert client.app[STATS].waiting == 0


async def test_a_hinted_part_is_held(live: LiveChannel, client: Client) -> None:
    feeder = Feeder(live)
    feeder.until(1)
    task = asyncio.create_task(client.get("/v180/1-2.0.m4s"))
    await waiting(client, 1)
    feeder.until(2, 0)
    answer = await task
    assert answer.status == 200
    assert (await answer.read())[4:8] == b"moof"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (await client.get("/v180/1-2.2.m4s")).status == 404, "the part after the hinted one is not held"


async def test_waiting_in_vain_ends_with_503(
    live: LiveChannel, store: Store, aiohttp_client: Connect
) -> None:
    client = await aiohttp_client(make_app(live, store, wait_timeout=0.05))
    for path in ("/index.m3u8", "/v180/index.m3u8", "/v180/index.m3u8?_HLS_msn=0"):
        answer = await client.get(path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert client.app[STATS].timed_out == 3
    assert (await client.get("/healthz")).status == 503


async def test_shutdown_lets_waiters_go(live: LiveChannel, store: Store) -> None:
    server = TestServer(make_app(live, store, wait_timeout=60))
    await server.start_server(shutdown_timeout=5)
    async with ClientSession() as session:
        task = asyncio.create_task(session.get(server.make_url("/v180/index.m3u8")))
        async with asyncio.timeout(5):
            while not server.app[STATS].waiting:
                await asyncio.sleep(0.005)
        async with asyncio.timeout(4):
            await server.close()
        assert (await task).status == 503


async def test_ranges_and_head(live: LiveChannel, client: Client) -> None:
    Feeder(live).until(1)
    whole = await (await client.get("/v180/1-0.m4s")).read()
    head = await client.head("/v180/1-0.m4s")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole)))
    for asked, start, end in (("bytes=0-9", 0, 10), ("bytes=10-", 10, len(whole)), ("bytes=-5", len(whole) - 5, len(whole)),
                              ("bytes=5-999999", 5, len(whole))):  # fmt: skip
        answer = await client.get("/v180/1-0.m4s", headers={"Range": asked})
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
        assert await answer.read() == whole[start:end]
    for asked in ("bytes=999999-", "bytes=-0"):
        answer = await client.get("/v180/1-0.m4s", headers={"Range": asked})
        assert answer.status == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
    for asked in ("bytes=9-5", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=-", ""):
        answer = await client.get("/v180/1-0.m4s", headers={"Range": asked})
        assert (answer.status, await answer.read()) == (200, whole)


async def test_parts_make_up_their_segment(live: LiveChannel, client: Client) -> None:
    Feeder(live).until(1)
    for rendition in live.renditions:
        parts = [await (await client.get(f"/{rendition}/1-1.{i}.m4s")).read() for i in range(6)]
        assert b"".join(parts) == await (await client.get(f"/{rendition}/1-1.m4s")).read()


async def test_old_segments_come_from_the_store(live: LiveChannel, store: Store, client: Client) -> None:
    feeder = Feeder(live)
    for msn in range(16):
        feeder.until(msn)
        for rendition in live.renditions:
            live.stored(rendition, msn)
    store.objects = {"c/v180/1-0.m4s": b"tape", "c/v180/1-1.m4s": None}
    assert await (await client.get("/v180/1-0.m4s")).read() == b"tape"
    assert (await client.get("/v180/1-1.m4s")).status == 503
    assert (await client.get("/v180/1-2.m4s")).status == 404


@pytest.mark.parametrize(
    "path",
    ["/v180/..%2F..%2Fetc%2Fpasswd", "/v180/01-0.m4s", "/v180/1-0.m4s%00", "/nothing/index.m3u8", "/nothing/1-0.m4s",
     "/v180/" + "a" * 2000, "/v180/1-99999999999999999999.m4s", "/v180/2-0.m4s", "/x", "/v180/"],
)  # fmt: skip
async def test_other_names_are_404(live: LiveChannel, client: Client, path: str) -> None:
    Feeder(live).until(1)
    assert (await client.get(path)).status == 404


async def test_preflight(client: Client) -> None:
    answer = await client.options("/v180/1-0.m4s")
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "Range"


async def test_a_reader_that_does_not_read_is_cut_off(
    live: LiveChannel, store: Store, aiohttp_client: Connect
) -> None:
    client = await aiohttp_client(make_app(live, store, send_timeout=0.2))
    Feeder(live, size=300_000).until(0)  # a segment far beyond what socket buffers take
    reader, writer = await asyncio.open_connection(client.host, client.port, limit=1024)
    writer.write(b"GET /v180/1-0.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        while not client.app[STATS].slow_readers:
            await asyncio.sleep(0.01)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(60 * 300_000)
    writer.close()


def test_accept_encoding() -> None:
    assert accepts_gzip("br, GZIP;q=0.5")
    assert accepts_gzip("gzip")
    assert not accepts_gzip("gzip; q=0")
    assert not accepts_gzip("br")
    assert not accepts_gzip("")

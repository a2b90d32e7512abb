"""What comes in over HTTP that should not: each is answered with what the protocol has for it, at the edge and by the
origin behind it alike, and a viewer beside it notices nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support.product import SMALL, TOKEN, Client, Product, Seed, newest

pytestmark = pytest.mark.timeout(300)
"""A machine that does much else may take a minute or two to start the product."""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product.start(
        tmp_path_factory.mktemp("requests"),
        channels={"main": SMALL},
        feeds=(Seed("pattern", "test", options={"width": "320", "height": "180"}),),
        program={"main": ("pattern", None)},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


@contextlib.asynccontextmanager
async def undisturbed(product: Product, client: Client, seconds: float) -> AsyncIterator[None]:
    """A viewer follows the channel meanwhile, and no process comes or goes."""
    before = product.living()
    viewer = asyncio.create_task(collect(client.session, product.hls("main"), seconds))
    try:
        yield
        assert not check(await viewer)
    finally:
        viewer.cancel()
        await asyncio.wait((viewer,))
    assert product.living() == before, product.log_tail()


async def say(port: int, data: bytes, within: float = 15.0) -> bytes:
    """What the server answers to bytes on a new connection until it closes it; what came by then after `within`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        with contextlib.suppress(TimeoutError, ConnectionError):
            writer.write(data)
            async with asyncio.timeout(within):
                while piece := await reader.read(65536):
                    said += piece
    finally:
        writer.close()
    return said


async def test_impossible_directives_are_refused(product: Product, client: Client) -> None:
    msn, _ = newest(await client.playlist("main", "v180"))
    bad = [
        {"_HLS_part": "0"},
        {"_HLS_msn": "-1"},
        {"_HLS_msn": "x"},
        {"_HLS_msn": "1.5"},
        {"_HLS_msn": "9" * 40},
        {"_HLS_msn": ""},
        {"_HLS_msn": str(msn + 50)},
        {"_HLS_msn": str(msn), "_HLS_part": "x"},
        {"_HLS_msn": str(msn), "_HLS_part": "-1"},
    ]
    async with undisturbed(product, client, 6):
        for params in bad:
            status, body = await client.get("/hls/main/v180/index.m3u8", params)
            assert status == 400, (params, status, body[:200])


async def test_ranges(product: Product, client: Client) -> None:
    playlist = await client.playlist("main", "v180")
    path = f"/hls/main/v180/{playlist.segments[-1].uri}"
    _, whole = await client.get(path)
    size = len(whole)
    cases: list[tuple[str, int, bytes | None]] = [
        ("bytes=0-9", 206, whole[:10]),
        ("bytes=-5", 206, whole[-5:]),
        (f"bytes={size - 3}-{size + 999}", 206, whole[-3:]),
        (f"bytes={size}-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=9-3", 200, whole),
        ("bytes=a-b", 200, whole),
        ("bites=0-1", 200, whole),
        ("bytes=" + "9" * 300 + "-", 200, whole),
        ("bytes=0-0,2-3", 200, whole),
    ]
    async with undisturbed(product, client, 5):
        for value, status, body in cases:
            async with client.session.get(path, headers={"Range": value}) as answer:
                got = await answer.read()
                assert answer.status == status, (value, answer.status)
                assert body is None or got == body, value


async def test_paths_that_climb_find_nothing(product: Product, client: Client) -> None:
    secret = b"SQLite format 3"
    paths = [
        "/hls/main/../../gachi.db",
        "/hls/main/v180/%2e%2e/%2e%2e/%2e%2e/gachi.db",
        "/hls/..%2f..%2fgachi.db",
        "/hls/%2e%2e/run/bus.sock",
        "/hls/main//etc/passwd",
        "/hls/main/v180/..\\..\\gachi.db",
        "/replays/../gachi.db",
        "/replays/x/../../gachi.db",
        "/static/../../../gachi.db",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/assets/..%2f..%2f..%2fpyproject.toml",
        "/hls/main/v180/1-1.m4s%00.mp4",
        "//etc/passwd",
    ]
    async with undisturbed(product, client, 5):
        for path in paths:
            # Raw: a client library would tidy the path before it is sent.
            said = await say(
                product.http_port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            status = int(said.split(b" ", 2)[1])
            assert status in {400, 404}, (path, said[:200])
            assert secret not in said
            assert b"root:" not in said
            assert b"[project]" not in said


async def test_garbage_and_oversize_are_refused(product: Product, client: Client) -> None:
    async with undisturbed(product, client, 8):
        head = f"POST /api/v1/shows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        oversize = head + "Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n"
        said = await asyncio.gather(
            say(product.http_port, b"\x16\x03\x01\x02\x00" + b"\xff" * 600),
            say(product.http_port, b"GET / HTTP/9.9\r\n\r\n"),
            say(product.http_port, b"\0" * 20_000),
            say(product.http_port, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"),
            say(product.http_port, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"b" * 70_000 + b"\r\n\r\n"),
            say(product.http_port, oversize.encode() + b"{" * 400_000),
        )
        for answer in said:
            assert answer == b"" or int(answer.split(b" ", 2)[1]) in {400, 413, 414, 431, 505}, answer[:100]
        body = b'{"title": "' + b"x" * 300_000 + b'", "channel": "main"}'
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        async with client.session.post("/api/v1/shows", data=body, headers=headers) as refused:
            assert refused.status == 413
            assert refused.content_type == "application/problem+json"
        chunked = head + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        last = await say(
            product.http_port, chunked.encode() + b"40000\r\n" + b"y" * 0x40000 + b"\r\n40000\r\n"
        )
        assert not last or int(last.split(b" ", 2)[1]) in {400, 408, 413}


async def test_a_thousand_idle_connections(product: Product, client: Client) -> None:
    """500 on each port, silent; viewers and staff are served as if they were not there."""
    await client.picture("main", "pattern")
    web = product.role("web")
    before = product.rss(web)
    async with contextlib.AsyncExitStack() as stack, undisturbed(product, client, 8):
        for port in (product.http_port, product.rtmp_port):
            for _ in range(500):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
        for _ in range(20):
            assert (await client.get("/healthz"))[0] == 200
            assert (await client.channel("main"))["state"] == "live"
            await asyncio.sleep(0.1)
    assert product.rss(web) - before < 40 << 20


async def test_viewers_who_read_slowly_or_leave_cost_nothing(product: Product, client: Client) -> None:
    """Fifty ask for a blocked playlist or a segment and go away, again and again."""
    async with undisturbed(product, client, 8):
        msn, _ = newest(await client.playlist("main", "v180"))
        for turn in range(4):
            writers = []
            for _ in range(50):
                _, writer = await asyncio.open_connection("127.0.0.1", product.http_port)
                path = f"/hls/main/v180/index.m3u8?_HLS_msn={msn + 1 + turn // 2}&_HLS_part=2"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                writers.append(writer)
            await asyncio.sleep(0.2)
            for writer in writers:
                writer.transport.abort()

"""The product behind a real nginx with the file that is shipped, and two web processes of one site."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest

from tests.support.edge import NGINX, Edge, Origin, Players, edge, unverified
from tests.support.following import Follower
from tests.support.product import ROOT, SMALL, TOKEN, Client, Product, Seed, free_ports, newest, until

pytestmark = pytest.mark.timeout(300)
needs_nginx = pytest.mark.skipif(
    NGINX is None,
    reason="NO NGINX HERE: configs/edge/nginx.conf IS NOT TESTED (Debian: apt-get install nginx)",
)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product.start(
        tmp_path_factory.mktemp("edge"),
        channels={"main": SMALL},
        feeds=(Seed("pattern", "test", options={"width": "320", "height": "180"}),),
        program={"main": ("pattern", None)},
        settings={"http": {"trusted_proxies": ["127.0.0.1"]}},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


@contextlib.asynccontextmanager
async def second_web(product: Product, port: int) -> AsyncIterator[str]:
    """Another web process on the product's data and bus, as docs/operating.md describes it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GACHI_")}
    environment |= {"GACHI_DATA": str(product.data), "GACHI_ADMIN_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    environment |= {"GACHI_HTTP__PORT": str(port), "GACHI_HTTP__PROCESS": "web-2"}
    program = str(Path(sys.executable).with_name("gachi"))
    arguments = ("web", "--config", str(product.folder / "product.toml"))
    with (product.folder / "second.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, cwd=product.folder, env=environment, stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as session:

            async def ready() -> bool:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        return answer.status == 200
                return False

            await until(ready, 60, "the second web process")
        yield url
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def players(client: Client, url: str) -> Players:
    """Viewers who begin two parts on from now."""
    epoch = (await client.channel("main"))["epoch"]
    msn, part = newest(await client.playlist("main", "v180"))
    parts = SMALL_PARTS
    msn, part = divmod(msn * parts + part + 2, parts)
    return Players(f"{url}/hls/main", epoch, parts, (msn, part))


SMALL_PARTS = 6
"""Parts of a segment of `SMALL`: two seconds in thirds."""


async def asked(client: Client) -> dict[str, float]:
    """Requests that the web process was asked so far, by kind, and the worker (`worker`)."""
    status, body = await client.get_as_staff("/metrics")
    assert status == 200
    found: dict[str, float] = {"part": 0.0, "segment": 0.0, "playlist": 0.0, "worker": 0.0}
    for line in body.decode().splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(("gachi_hls_hits_total{", "gachi_hls_misses_total{")):
            for kind in found:
                found[kind] += float(value) if f'kind="{kind}"' in name else 0.0
        elif name.startswith("gachi_origin_requests_total{"):
            found["worker"] += float(value)
    return found


async def crowd(
    product: Product,
    client: Client,
    folder: Path,
    count: int,
    seconds: float,
    renditions: tuple[str, ...] = ("v180", "audio"),
    beside: Players | None = None,
) -> Players:
    """So many viewers behind nginx, with the origin's count compared with theirs."""
    async with edge(folder, free_ports(1)[0], product.http_port) as proxy:
        before = await asked(client)
        watching = await players(client, proxy.url)
        following = [watching.follow(count, seconds, renditions)]
        if beside is not None:
            following.append(beside.follow(1, seconds, renditions))
        await asyncio.gather(*following)
        after = await asked(client)
    assert watching.holes == 0
    assert not watching.troubles
    parts = [name for name in watching.urls if name.endswith(".m4s")]
    playlists = [name for name in watching.urls if "_HLS_msn" in name]
    assert (
        len(parts) > seconds * 3 * len(renditions) * 0.3
    )  # three a second, on a machine that does nothing else
    own = sum(each for name, each in beside.urls.items() if name.endswith(".m4s")) if beside else 0
    # Counts of the hot path reach the figures a moment later; more than once would be a crowd's worth.
    assert 0.9 * (len(parts) + own) <= after["part"] - before["part"] <= len(parts) + own
    # The one playlist that `players` asked for itself is the odd one; each blocking one came once.
    assert after["playlist"] - before["playlist"] <= len(playlists) + own + 1
    objects = {*watching.urls, *(beside.urls if beside else ())}
    # Who asks beside nginx may ask for a playlist at another moment than nginx does: those are kept for half a part.
    assert after["worker"] - before["worker"] <= len(objects) + own + 3
    assert min(watching.urls[name] for name in parts[: len(parts) // 2]) == count
    return watching


@needs_nginx
async def test_a_crowd_behind_nginx_costs_the_origin_one_request_for_each_object(
    product: Product, client: Client, tmp_path: Path
) -> None:
    await crowd(product, client, tmp_path / "nginx", 40, 8.0)


@needs_nginx
@pytest.mark.soak
async def test_three_hundred_viewers_behind_nginx(product: Product, client: Client, tmp_path: Path) -> None:
    # The picture alone: with the sound 300 simulated players keep this process, not nginx, from keeping up.
    direct = await players(client, product.url)
    watching = await crowd(product, client, tmp_path / "nginx", 300, 30.0, ("v180",), direct)
    late = [
        moment - direct.came[name][0]
        for name, moments in watching.came.items()
        if name in direct.came
        for moment in moments
    ]
    late.sort()
    print(f"later than without nginx: p50 {median(late):.3f} s, p95 {late[int(len(late) * 0.95)]:.3f} s")


@needs_nginx
async def test_viewers_get_over_an_nginx_that_is_started_again(
    product: Product, client: Client, tmp_path: Path
) -> None:
    async with edge(tmp_path / "nginx", free_ports(1)[0], product.http_port) as proxy:
        watching = await players(client, proxy.url)
        following = asyncio.create_task(watching.follow(5, 10.0))
        await asyncio.sleep(3)
        await proxy.stop()
        await asyncio.sleep(1)
        await proxy.start()
        restarted = time.monotonic()
        await following
    assert watching.troubles
    assert watching.holes == 0
    assert any(moment > restarted for moments in watching.came.values() for moment in moments)


@needs_nginx
async def test_what_the_edge_does_beside_caching(product: Product, client: Client, tmp_path: Path) -> None:
    async with (
        Origin(product.http_port) as origin,
        edge(tmp_path / "nginx", free_ports(1)[0], origin.port) as proxy,
    ):
        await _speaks_http2(proxy)
        connector = aiohttp.TCPConnector(ssl=unverified())
        async with aiohttp.ClientSession(proxy.url, connector=connector) as session:
            async with session.get("/metrics") as answer:
                assert answer.status == 404
            for path, status in (("/", 200), ("/api/v1/channels", 200), ("/healthz", 200)):
                async with session.get(path) as answer:
                    assert answer.status == status
            await _keys_and_ranges(session)
            # The scheme arrives: the log-in cookie is for HTTPS alone.
            async with session.post("/api/v1/session", json={"token": TOKEN}) as answer:
                assert answer.status == 201
                assert "Secure" in answer.headers["Set-Cookie"]
            follower = await Follower.connect(session, proxy.url, ["channels"])
            while "main" not in follower.documents.topics.get("channels", {}):
                await follower.read()
            await follower.close()
            await _outlives(origin, session)


async def _outlives(origin: Origin, session: aiohttp.ClientSession) -> None:
    """The origin goes: what is in the cache is still served, though the playlists have run out; the rest is a 502."""

    async def ask(path: str) -> tuple[int, str, bytes]:
        async with session.get(f"/hls/main/{path}") as answer:
            return answer.status, answer.headers.get("X-Cache", ""), await answer.read()

    kept = ("index.m3u8", "v180/index.m3u8", "audio/index.m3u8")
    segments: list[str] = []

    async def listed() -> bool:
        _, _, whole = await ask("v180/index.m3u8")
        segments[:] = [line for line in whole.decode().splitlines() if line.endswith(".m4s")][-2:]
        return len(segments) == 2

    await until(listed, 15, "two segments")  # a product is ready with one
    warm = {name: await ask(name) for name in (*kept, f"v180/{segments[0]}")}
    assert {status for status, _, _ in warm.values()} == {200}
    await origin.gone()

    async def stale() -> bool:
        return [(await ask(name))[:2] for name in kept] == [(200, "STALE")] * len(kept)

    await until(stale, 15, "the playlists to have run out, and to be served all the same")
    for name in kept:
        assert (await ask(name))[2].startswith(b"#EXTM3U")
    assert await ask(f"v180/{segments[0]}") == (200, "HIT", warm[f"v180/{segments[0]}"][2])
    assert (await ask(f"v120/{segments[1]}"))[0] == 502


async def _keys_and_ranges(session: aiohttp.ClientSession) -> None:
    async def ask(path: str, **headers: str) -> tuple[int, str, bytes]:
        async with session.get(f"/hls/main/{path}", headers=headers, auto_decompress=False) as answer:
            return answer.status, answer.headers.get("X-Cache", ""), await answer.read()

    status, _, body = await ask("v180/index.m3u8", **{"Accept-Encoding": "identity"})
    assert status == 200
    name = next(line for line in body.decode().splitlines() if line.endswith(".m4s"))
    assert (await ask(f"v180/{name}"))[:2] == (200, "MISS")
    status, cached, whole = await ask(f"v180/{name}?viewer=7")
    assert (status, cached) == (200, "HIT")
    status, cached, piece = await ask(f"v180/{name}", Range="bytes=100-199")
    assert (status, cached, piece) == (206, "HIT", whole[100:200])
    assert (await ask("v180/index.m3u8?_HLS_part=1"))[0] == 400
    assert (await ask("v180/1-99999.m4s"))[0] == 404
    for spelling in ("gzip", "gzip, deflate, br, zstd"):
        status, _, body = await ask("index.m3u8", **{"Accept-Encoding": spelling})
        assert status == 200
        assert body[:2] == b"\x1f\x8b"
    assert (await ask("index.m3u8", **{"Accept-Encoding": "identity"}))[2][:7] == b"#EXTM3U"


async def _speaks_http2(proxy: Edge) -> None:
    context = unverified()
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context)
    secure: Any = writer.get_extra_info("ssl_object")
    assert isinstance(secure, ssl.SSLObject)
    assert secure.selected_alpn_protocol() == "h2"
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()


async def test_a_second_web_process_serves_the_same_channel(product: Product, client: Client) -> None:
    async with second_web(product, free_ports(1)[0]) as url, aiohttp.ClientSession() as session:
        first = await client.playlist("main", "v180")
        name = first.segments[-1].uri
        bodies = []
        for site in (product.url, url):
            async with session.get(f"{site}/hls/main/v180/{name}") as answer:
                assert answer.status == 200
                bodies.append(await answer.read())
            msn, part = newest(await client.playlist("main", "v180"))
            async with session.get(
                f"{site}/hls/main/v180/index.m3u8?_HLS_msn={msn}&_HLS_part={part}"
            ) as answer:
                assert answer.status == 200
        assert bodies[0] == bodies[1]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post(
            f"{url}/api/v1/channels", json={"id": "made", "start": False}, headers=headers
        ) as answer:
            assert answer.status == 201
        assert (await client.channel("made"))["id"] == "made"
        await client.api("DELETE", "/channels/made")
        # Either tells the figures of both.
        for site in (product.url, url):

            async def tells(site: str = site) -> bool:
                async with session.get(f"{site}/metrics") as answer:
                    page = await answer.text()
                return all(
                    f'gachi_process_up{{process="{each}"}} 1.0' in page
                    and f'gachi_http_connections{{process="{each}"}}' in page
                    for each in ("web", "web-2")
                )

            await until(tells, 15, f"{site} to tell the figures of both")  # a new one is not waited for long

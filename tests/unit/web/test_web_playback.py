from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from media.contracts.tape import RecordingView
from studio.contracts.shows import ShowState, ShowView
from tests.support.sites import MULTIVARIANT, Origin, Site, origin_at, site, until
from web.ports import ReplayTape
from web.settings import HttpSettings, PlaybackSettings

SEGMENT = bytes(range(256)) * 400


@pytest.fixture
def origin() -> Origin:
    made = Origin()
    made.objects = {"v360/init-1.mp4": b"init", "v360/1-10.m4s": SEGMENT, "v360/1-10.0.m4s": SEGMENT[:1000]}
    return made


@pytest.fixture
async def live(tmp_path: Path, origin: Origin) -> AsyncIterator[Site]:
    async with origin_at(tmp_path / "a.sock", origin) as address, site(tmp_path) as made:
        made.owners.origin = address
        await made.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
        await until(lambda: made.web.board.get("main"))
        yield made


async def fetch(live: Site, path: str, **headers: str) -> tuple[int, bytes, aiohttp.ClientResponse]:
    async with live.client.get(live.url + path, headers=headers) as response:
        return response.status, await response.read(), response


async def test_two_hundred_viewers_cost_one_fetch_of_each_object(live: Site, origin: Origin) -> None:
    origin.delay = 0.2
    paths = ["index.m3u8", "v360/index.m3u8", "v360/init-1.mp4", "v360/1-10.m4s", "v360/1-10.0.m4s"]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as crowd:

        async def one(path: str, n: int) -> int:
            async with crowd.get(f"{live.url}/hls/main/{path}?viewer={n}") as response:
                await response.read()
                return response.status

        # 40 connections for each of the five objects, all at once; the parameter is ours to ignore.
        statuses = await asyncio.gather(*(one(path, n) for n in range(40) for path in paths))
    assert set(statuses) == {200}
    assert origin.asked == {f"/{path}": 1 for path in paths}


async def test_blocking_reloads_are_shared_and_released_together(live: Site, origin: Origin) -> None:
    path = "/hls/main/v360/index.m3u8?_HLS_msn=11&_HLS_part=0"
    waiting = [asyncio.create_task(fetch(live, path)) for _ in range(50)]
    await until(lambda: origin.asked["/v360/index.m3u8?_HLS_msn=11&_HLS_part=0"] == 1)
    assert not any(task.done() for task in waiting)
    origin.advance()
    answers = await asyncio.gather(*waiting)
    assert {status for status, _, _ in answers} == {200}
    assert sum(origin.asked.values()) == 1
    assert answers[0][2].headers["Cache-Control"] == "public, max-age=1, s-maxage=12"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_HLS_msn=x", 400),
        ("_HLS_msn=-1", 400),
        ("_HLS_msn=1e3", 400),
        ("_HLS_msn=", 400),
        ("_HLS_msn=١٢", 400),
        ("_HLS_part=1", 400),
        ("_HLS_msn=9&_HLS_msn=10", 400),
        ("_HLS_msn=99999999999999999999", 400),
        ("_HLS_msn=500", 400),  # the origin's own judgement is passed through
        ("_HLS_msn=10", 200),
        ("_HLS_skip=nonsense", 200),
        ("utm_source=x", 200),
    ],
)
async def test_delivery_directives(live: Site, query: str, status: int) -> None:
    got, body, response = await fetch(live, f"/hls/main/v360/index.m3u8?{query}")
    assert got == status, body
    if status == 400:
        assert response.content_type == "application/problem+json"
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "path",
    [
        "/hls/main/%2e%2e/%2e%2e/etc/passwd",
        "/hls/main/..%2findex.m3u8",
        "/hls/main/v360/%2e%2e%2findex.m3u8",
        "/hls/main/v360/1-10.m4s%00",
        "/hls/main/v360/01-10.m4s",
        "/hls/main/v360/secret.txt",
        "/hls/main//v360/1-10.m4s",
        "/hls/Main/index.m3u8",
        "/hls/none/index.m3u8",
        "/hls/main%2f..%2fmain/index.m3u8",
        "/hls/main/healthz",
        "/hls/main/v360/1-10.m4s%0a",
        "/replays/..%2f/index.m3u8",
        "/replays/s1/v360/../../x",
    ],
)
async def test_no_path_leads_out(live: Site, origin: Origin, path: str) -> None:
    from yarl import URL

    async with live.client.get(URL(live.url + path, encoded=True)) as response:
        assert response.status == 404
    assert not origin.asked


@pytest.mark.parametrize(
    ("header", "status", "span"),
    [
        ("bytes=0-9", 206, (0, 10)),
        ("bytes=100-", 206, (100, len(SEGMENT))),
        ("bytes=-7", 206, (len(SEGMENT) - 7, len(SEGMENT))),
        ("bytes=5-999999999", 206, (5, len(SEGMENT))),
        (f"bytes={len(SEGMENT)}-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=9-3", 200, (0, len(SEGMENT))),
        ("bytes=0-1,5-6", 200, (0, len(SEGMENT))),
        ("bytes=a-b", 200, (0, len(SEGMENT))),
        ("pages=1-2", 200, (0, len(SEGMENT))),
    ],
)
async def test_ranges(live: Site, header: str, status: int, span: tuple[int, int] | None) -> None:
    got, body, response = await fetch(live, "/hls/main/v360/1-10.m4s", Range=header)
    assert got == status
    if span is not None:
        assert body == SEGMENT[slice(*span)]
    if status == 416:
        assert response.headers["Content-Range"] == f"bytes */{len(SEGMENT)}"


async def test_headers_that_players_and_caches_need(live: Site) -> None:
    async with live.client.head(f"{live.url}/hls/main/v360/1-10.m4s") as response:
        assert response.headers["Content-Length"] == str(len(SEGMENT))
        assert response.headers["Content-Type"] == "video/mp4"
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert await response.read() == b""
    async with live.client.get(f"{live.url}/hls/main/v360/index.m3u8") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Cache-Control"] == "public, max-age=1"
    plain = {"Accept-Encoding": "identity"}
    async with live.client.get(f"{live.url}/hls/main/v360/index.m3u8", headers=plain) as response:
        assert "Content-Encoding" not in response.headers
        assert (await response.text()).startswith("#EXTM3U")
    async with live.client.options(f"{live.url}/hls/main/index.m3u8") as response:
        assert response.status == 204
        assert "Range" in response.headers["Access-Control-Allow-Headers"]


async def test_viewers_are_carried_over_to_the_next_worker(
    live: Site, origin: Origin, tmp_path: Path
) -> None:
    dead = f"unix:{tmp_path / 'nobody.sock'}"
    await live.owners.move("main", dead)
    await until(lambda: (view := live.web.board.get("main")) and view.origin == dead)
    waiting = asyncio.create_task(fetch(live, "/hls/main/v360/index.m3u8"))
    part = asyncio.create_task(fetch(live, "/hls/main/v360/2-11.0.m4s"))
    await asyncio.sleep(0.3)
    assert not waiting.done(), "it waits for the next worker rather than fail"
    after = Origin("b")
    after.objects = {"v360/2-11.0.m4s": b"new"}
    async with origin_at(tmp_path / "b.sock", after) as address:
        await live.owners.move("main", address)
        status, body, _ = await waiting
        assert (status, b"# b" in body) == (200, True)
        assert (await part)[:2] == (200, b"new")
        assert (await fetch(live, "/hls/main/v360/2-99.0.m4s"))[0] == 404
    assert live.metric("gachi_hls_takeovers_total", channel="main") >= 1


async def test_a_worker_that_breaks_off_in_the_middle_is_waited_out(
    live: Site, origin: Origin, tmp_path: Path
) -> None:
    path = "/hls/main/v360/index.m3u8?_HLS_msn=11"
    blocked = asyncio.create_task(fetch(live, path))
    await until(lambda: origin.asked)
    after = Origin("b")
    after.msn = 11
    async with origin_at(tmp_path / "b.sock", after) as address:
        origin.failing = 503
        origin.advance()
        await live.owners.move("main", address)
        status, _, _ = await blocked
    assert status == 200


async def test_no_worker_in_time_is_503_and_a_channel_off_air_404(tmp_path: Path) -> None:
    playback = PlaybackSettings(takeover_seconds=0.3)
    async with site(tmp_path, playback=playback) as live:
        await live.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
        await until(lambda: live.web.board.get("main"))
        status, _, response = await fetch(live, "/hls/main/index.m3u8")
        assert status == 503
        assert response.headers["Retry-After"] == "1"
        await live.ask("POST", "/api/v1/channels/main/stop", status=200)
        await until(lambda: (view := live.web.board.get("main")) and not view.wanted)
        assert (await fetch(live, "/hls/main/index.m3u8"))[0] == 404


async def test_a_reader_that_does_not_read_is_dropped_and_counted(tmp_path: Path, origin: Origin) -> None:
    origin.objects["v360/1-10.m4s"] = bytes(24 << 20)
    http = HttpSettings(host="127.0.0.1", port=0, slow_reader_timeout=1.0)
    async with origin_at(tmp_path / "a.sock", origin) as address, site(tmp_path, http=http) as live:
        live.owners.origin = address
        await live.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
        await until(lambda: live.web.board.get("main"))
        port = int(live.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /hls/main/v360/1-10.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: live.metric("gachi_http_slow_readers_total") == 1, timeout=20)
        with pytest.raises(ConnectionError):  # a reset, not a shortened object that looks whole
            await reader.readexactly(24 << 20)
        writer.close()
        assert (await fetch(live, "/hls/main/v360/1-10.0.m4s"))[0] == 200


async def test_a_thousand_idle_connections_hurt_nobody_and_go_away(tmp_path: Path, origin: Origin) -> None:
    http = HttpSettings(host="127.0.0.1", port=0, max_connections=1050, keepalive_timeout=3.0)
    async with origin_at(tmp_path / "a.sock", origin) as address, site(tmp_path, http=http) as live:
        live.owners.origin = address
        await live.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
        await until(lambda: live.web.board.get("main"))
        port = int(live.url.rpartition(":")[2])
        idle = []
        for _ in range(100):
            idle += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(10)))
        for _, writer in idle[:300]:
            writer.write(b"GET /hls/main/v360/index.m3u8 HTTP/1.1\r\nHo")  # begun, never ended
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            assert (await fetch(live, "/hls/main/v360/1-10.m4s"))[0] == 200
        assert asyncio.get_running_loop().time() - began < 2
        ends = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in idle)), 30)
        assert len(ends) == 1000, "all were closed by us"
        for _, writer in idle:
            writer.close()


async def test_connections_beyond_the_cap_are_told(tmp_path: Path) -> None:
    http = HttpSettings(host="127.0.0.1", port=0, max_connections=10)
    async with site(tmp_path, http=http) as live:
        port = int(live.url.rpartition(":")[2])
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        refused = [r for r, _ in held[10:]]
        for reader in refused:
            assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 503")
        assert live.metric("gachi_http_connections_refused_total") >= 2
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize(
    "garbage", [b"\x03\x00\x00\x00" * 500, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00" + bytes(600)]
)
async def test_garbage_on_the_port(live: Site, garbage: bytes) -> None:
    port = int(live.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(garbage)
    answer = await asyncio.wait_for(reader.read(), 20)
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    writer.close()
    assert (await fetch(live, "/healthz"))[0] == 200


async def test_headers_that_are_too_long_are_refused(live: Site) -> None:
    async with live.client.get(f"{live.url}/healthz", headers={"X-Long": "x" * 20_000}) as response:
        assert response.status == 400


async def test_a_replay_is_there_at_once(live: Site) -> None:
    view = ShowView(
        id="s1",
        title="t",
        channel="main",
        state=ShowState.LIVE,
        version=1,
        created=1,
        started=1,
        ended=0,
        recording="r1",
    )
    live.owners.shows["s1"] = view
    live.owners.recordings["r1"] = RecordingView(id="r1", channel="main", started=1, ended=9)
    assert (await fetch(live, "/replays/s1/index.m3u8"))[0] == 404, "not before its end"
    live.owners.shows["s1"] = view.model_copy(update={"state": ShowState.ENDED, "ended": 9})
    await live.store.put("main/v360/1-5.m4s", SEGMENT)
    await live.store.put("main/v360/1-6.m4s", b"another show's")
    text = "#EXTM3U\n" + "# long enough to be packed\n" * 20
    live.replays.tapes["main"] = ReplayTape(
        MULTIVARIANT,
        {"v360": text},
        {"v360/1-5.m4s": "main/v360/1-5.m4s", "v360/init-1.mp4": "main/v360/gone.mp4"},
    )
    status, body, _ = await fetch(live, "/replays/s1/index.m3u8")
    assert (status, body.decode()) == (200, MULTIVARIANT)
    async with live.client.get(f"{live.url}/replays/s1/v360/index.m3u8", auto_decompress=False) as packed:
        assert gzip.decompress(await packed.read()).decode() == text
    status, body, response = await fetch(live, "/replays/s1/v360/1-5.m4s", Range="bytes=3-5")
    assert (status, body) == (206, SEGMENT[3:6])
    assert "immutable" in response.headers["Cache-Control"]
    assert (await fetch(live, "/replays/s1/v360/1-6.m4s"))[0] == 404, "what is on tape, but not of this show"
    assert (await fetch(live, "/replays/s1/v360/init-1.mp4"))[0] == 404
    assert (await fetch(live, "/replays/s1/v480/index.m3u8"))[0] == 404
    assert (await fetch(live, "/replays/none/index.m3u8"))[0] == 404
    assert live.replays.opened == 1


async def test_the_tape_of_a_show_that_ended_long_ago_is_read_once(
    live: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.playback.replays.KEEP_SECONDS", -1.0)
    times = {"created": 1, "started": 1, "ended": 9, "version": 1}
    now = time.time_ns() // 1000
    for show, ended in (("s1", 9), ("s2", now)):
        live.owners.shows[show] = ShowView(
            id=show, title="t", channel=show, state=ShowState.ENDED, recording=f"r-{show}", **times
        )
        live.owners.recordings[f"r-{show}"] = RecordingView(
            id=f"r-{show}", channel=show, started=1, ended=ended
        )
        live.replays.tapes[show] = ReplayTape(MULTIVARIANT, {}, {})
    for _ in range(3):
        assert (await fetch(live, "/replays/s1/index.m3u8"))[0] == 200
    assert live.replays.opened == 1
    for _ in range(3):
        assert (await fetch(live, "/replays/s2/index.m3u8"))[0] == 200
    assert live.replays.opened == 4, "a moment after its end the newest seconds may not be on tape yet"
    del live.owners.recordings["r-s1"]
    assert (await fetch(live, "/replays/s1/index.m3u8"))[0] == 404


async def test_a_storyboard_is_served_once_there_is_one(live: Site) -> None:
    view = ShowView(
        id="s1",
        title="t",
        channel="main",
        state=ShowState.LIVE,
        version=1,
        created=1,
        started=1,
        ended=0,
        recording="r1",
    )
    live.owners.shows["s1"] = view
    live.owners.recordings["r1"] = RecordingView(id="r1", channel="main", started=1, ended=9)
    live.replays.tapes["main"] = ReplayTape(MULTIVARIANT, {}, {})
    text = "/replays/s1/storyboard.vtt"
    status, _, response = await fetch(live, text)
    assert (status, live.owners.storyboards) == (404, []), "not before the show's end"
    live.owners.shows["s1"] = view.model_copy(update={"state": ShowState.ENDED, "ended": 9})
    for _ in range(3):
        status, _, response = await fetch(live, text)
        assert (status, response.content_type) == (404, "application/problem+json")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert live.owners.storyboards == ["r1"], "it is asked for, and once"
    assert (await fetch(live, "/replays/s1/storyboard-0.jpg"))[0] == 404
    await live.store.put("exports/r1.storyboard-0.jpg", b"a sheet")
    await live.store.put("exports/r1.storyboard.vtt", b"WEBVTT\n")
    status, body, response = await fetch(live, text)
    assert (status, body, response.content_type) == (200, b"WEBVTT\n", "text/vtt")
    for _ in range(2):
        status, body, response = await fetch(live, "/replays/s1/storyboard-0.jpg")
        assert (status, body, response.content_type) == (200, b"a sheet", "image/jpeg")
    for name in (
        "storyboard-1.jpg",
        "storyboard-00.jpg",
        "storyboard-x.jpg",
        "storyboard.vtt/",
        "storyboard",
    ):
        assert (await fetch(live, f"/replays/s1/{name}"))[0] == 404
    assert (await fetch(live, "/replays/..%2f/storyboard.vtt"))[0] == 404
    assert (await fetch(live, "/replays/none/storyboard.vtt"))[0] == 404
    async with live.client.options(f"{live.url}{text}") as options:
        assert options.status == 204
    async with live.client.post(f"{live.url}{text}") as refused:
        assert refused.status == 405


async def test_ready_once_every_wanted_channel_is(live: Site) -> None:
    assert (await fetch(live, "/readyz"))[0] == 200
    view = live.owners.channels["main"]
    await live.owners.put(view.model_copy(update={"ready": False}))
    await until(lambda: (seen := live.web.board.get("main")) and not seen.ready)
    status, body, _ = await fetch(live, "/readyz")
    assert (status, b'"main"' in body) == (503, True)
    await live.ask("POST", "/api/v1/channels/main/stop", status=200)
    await until(lambda: (seen := live.web.board.get("main")) and not seen.wanted)
    assert (await fetch(live, "/readyz"))[0] == 200
    live.web.board.fresh = False  # whoever runs the channels is gone: nobody knows whether they are on air
    assert (await fetch(live, "/readyz"))[0] == 503


@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",)])
@pytest.mark.parametrize(
    "trace",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "https"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "::1"},
        {"Via": "1.1 edge"},
    ],
)
async def test_metrics_are_for_loopback_itself_and_staff(
    tmp_path: Path, proxies: tuple[str, ...], trace: dict[str, str]
) -> None:
    # A proxy on loopback makes everybody's requests come from loopback.
    http = HttpSettings(host="127.0.0.1", port=0, trusted_proxies=proxies)
    async with site(tmp_path, http=http) as live:
        status, body, _ = await fetch(live, "/metrics")
        assert (status, b"gachi_http_connections" in body) == (200, True)
        assert (await fetch(live, "/metrics", **trace))[0] == 401
        staff = {"Authorization": "Bearer the-administrators-token"}
        assert (await fetch(live, "/metrics", **trace, **staff))[0] == 200


async def test_the_board_hears_what_events_did_not_tell(live: Site) -> None:
    live.owners.channels["quiet"] = live.owners.channels["main"].model_copy(update={"id": "quiet"})
    await until(lambda: live.web.board.get("quiet"), timeout=20)
    del live.owners.channels["quiet"]
    await until(lambda: live.web.board.get("quiet") is None, timeout=20)

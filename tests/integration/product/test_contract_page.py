"""What the outside relies on, asked of the running product as an outsider would: commands, addresses, refusals, lists,
versions, log-in, playback, shows. One product for all; what needs a start of its own has its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from media.packaging.playlist_parser import parse_media
from tests.support.media import ClipSpec, clip_file
from tests.support.product import SMALL, TOKEN, Client, Product, Seed, breaks, free_ports, until
from tests.support.publisher import Publisher

KEY = "contract-camera-key"
SRT_PORT = 19_730
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TITLE = "가을 신상 라이브 🍂👩‍👩‍👧"
pytestmark = pytest.mark.timeout(300)
JSON = {"Content-Type": "application/json"}
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("contract")
    shutil.copy(clip_file(ClipSpec(seconds=1)), folder / "clip.mp4")
    with Product.start(
        folder,
        channels={"main": SMALL},
        feeds=(
            Seed("camera", key=KEY),
            Seed("pattern", "test", options={"width": "320", "height": "180"}),
        ),
        program={"main": ("pattern", None)},
        settings={
            "ingest": {
                "srt_port": SRT_PORT,
                "rtsp_networks": ["127.0.0.0/8"],
                "media_dir": str(folder),
            }
        },
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


async def asked(
    client: Client, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON (or text) and headers."""
    async with client.session.request(method, path, data=body, headers=headers or {}) as answer:
        text = await answer.text(errors="replace")
        is_json = "json" in answer.content_type and "ndjson" not in answer.content_type
        return (
            answer.status,
            json.loads(text) if is_json and text else text,
            {k.title(): v for k, v in answer.headers.items()},
        )


REFUSALS: list[tuple[str, str, dict[str, str], bytes | None, int, str]] = [
    ("GET", "/api/v1/nothing", {}, None, 404, "not-found"),
    ("GET", "/api/v1/channels/nope", {}, None, 404, "not-found"),
    ("GET", "/api/v1/shows/%00", {}, None, 404, "not-found"),
    ("GET", "/api/v1/feeds", {}, None, 401, "unauthenticated"),
    ("GET", "/api/v1/feeds", {"Authorization": "Bearer wrong"}, None, 401, "unauthenticated"),
    ("GET", "/api/v1/channels?limit=0", {}, None, 422, "invalid-field"),
    ("GET", "/api/v1/channels?bogus=1", {}, None, 422, "unknown-field"),
    ("PATCH", "/api/v1/channels/main", ADMIN, None, 405, "method-not-allowed"),
    ("DELETE", "/api/v1/channels/main", ADMIN, None, 409, "conflict"),
    ("DELETE", "/api/v1/feeds/pattern", ADMIN, None, 409, "conflict"),
    ("POST", "/api/v1/channels", ADMIN | JSON, b"{nope", 400, "bad-json"),
    ("POST", "/api/v1/channels", ADMIN | JSON, b"", 400, "bad-json"),
    ("POST", "/api/v1/channels", ADMIN | JSON, b"[]", 422, "invalid-field"),
    ("POST", "/api/v1/channels", ADMIN | JSON, b"x" * 400_000, 413, "too-large"),
    (
        "POST",
        "/api/v1/channels",
        ADMIN | {"Content-Type": "text/plain"},
        b"{}",
        415,
        "unsupported-media-type",
    ),
    ("POST", "/api/v1/channels", ADMIN | JSON, b'{"id": "main"}', 409, "conflict"),
    ("POST", "/api/v1/shows", ADMIN | JSON, b'{"title": "x", "channel": "nope"}', 422, "invalid"),
    ("PUT", "/api/v1/channels/main/program", ADMIN | JSON, b'{"feed": "nope"}', 422, "invalid"),
    ("PUT", "/api/v1/channels/main/program", ADMIN | JSON, b"{}", 422, "invalid-field"),
    ("POST", "/", {}, None, 405, "method-not-allowed"),
    ("POST", "/hls/main/index.m3u8", {}, None, 405, "method-not-allowed"),
    ("GET", "/hls/nope/index.m3u8", {}, None, 404, "not-found"),
    ("GET", "/hls/main/v180/" + "x" * 7000, {}, None, 404, "not-found"),
    ("GET", "/replays/nope/index.m3u8", {}, None, 404, "not-found"),
    ("GET", "/hls/main/v180/index.m3u8?_HLS_msn=x", {}, None, 400, "bad-playlist-request"),
    ("GET", "/hls/main/v180/index.m3u8?_HLS_part=1", {}, None, 400, "bad-playlist-request"),
    ("GET", "/go/token", {}, None, 404, "no-link"),
    # What is promised for later is missing, not broken.
    *[
        (method, path, {}, None, 404, "not-found")
        for method, path in (
            ("POST", "/whep/main"),
            ("POST", "/hooks/shop"),
            ("GET", "/control/main"),
        )
    ],
]


async def test_refusals_are_problems(product: Product, client: Client) -> None:
    for method, path, headers, body, status, slug in REFUSALS:
        got, problem, told = await asked(client, method, path, headers, body)
        what = (method, path[:60], body and body[:30], got, problem)
        assert got == status, what
        assert told["Content-Type"].startswith("application/problem+json"), what
        assert problem["type"] == f"/problems/{slug}", what
        assert problem["status"] == status, what
        assert problem["title"], what
        assert problem["detail"], what
        if status == 422:
            assert problem["field"], what
        if status == 405:
            assert told["Allow"], what
        if status == 401:
            assert told["Www-Authenticate"].startswith("Bearer"), what
    assert not [line for line in product.log() if line["level"] == "error"], "refusing is no error of ours"


async def test_pages_and_lists(client: Client) -> None:
    # A product is ready with its slate, before its first feed is on air.
    await client.picture("main", "pattern")
    for page in ("/", "/live/main", "/shows/any", "/host/any", "/embed/main", "/api/docs"):
        status, text, told = await asked(client, "GET", page, {"Accept": "text/html"})
        # Without a built front end the page says so, with 503.
        assert status == 200 or (status == 503 and "npm run build" in text), page
        assert told["Content-Type"].startswith("text/html")
    status, document, _ = await asked(client, "GET", "/api/openapi.json")
    assert (status, document["openapi"][:3]) == (200, "3.1")
    assert (await asked(client, "GET", "/healthz"))[0] == 200
    status, figures, _ = await asked(client, "GET", "/metrics")
    assert (status, "# TYPE" in figures) == (200, True)
    status, listed, _ = await asked(client, "GET", "/api/v1/channels")
    main = next(item for item in listed["items"] if item["id"] == "main")
    assert (status, main["state"]) == (200, "live")
    assert main["playback"]["hls"] == "/hls/main/index.m3u8"
    for url in main["playback"].values():
        assert (await asked(client, "GET", url))[0] in {200, 503}


async def test_feeds_of_each_kind(product: Product, client: Client) -> None:
    made = []
    publish = {
        "rtmp": f"rtmp://127.0.0.1:{product.rtmp_port}/live/{{stream_key}}",
        "whip": f"{product.url}/whip/{{id}}",
        "srt": f"srt://127.0.0.1:{SRT_PORT}?",
    }
    options = {
        "file": {"path": str(product.folder / "clip.mp4")},
        "rtsp": {"url": "rtsp://127.0.0.1:9/door"},
    }
    for kind in ("rtmp", "srt", "whip", "rtsp", "file", "test"):
        feed = {"kind": kind, "name": TITLE, "options": options.get(kind, {})}
        answer = await client.api("POST", "/feeds", feed)
        made.append(answer["id"])
        assert (answer["kind"], answer["name"]) == (kind, TITLE)
        again = await client.feed(answer["id"])
        assert "stream_key" not in again
        assert (len(answer["stream_key"]) >= 10) == (kind in publish)
        if kind in publish:
            assert answer["publish_url"].startswith(publish[kind].format(**answer))
            assert answer["stream_key"] not in json.dumps(again)
    for kind, field in (("file", "options.path"), ("rtsp", "options.url"), ("carrier-pigeon", "kind")):
        status, answer = await client.try_api("POST", "/feeds", {"kind": kind, "name": TITLE})
        assert (status, answer["field"]) == (422, field), (kind, answer)
        assert len(answer["detail"]) > 10
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await client.api("GET", f"/feeds?limit=1&cursor={cursor}")
        assert len(page["items"]) == 1
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen))
    assert {*made, "camera", "pattern"} <= set(seen)
    for feed in made:
        assert (await client.try_api("DELETE", f"/feeds/{feed}"))[0] == 204
        assert (await client.try_api("GET", f"/feeds/{feed}"))[0] == 404


async def test_versions(client: Client) -> None:
    body = json.dumps({"title": TITLE, "channel": "main"}).encode()
    status, show, told = await asked(client, "POST", "/api/v1/shows", ADMIN | JSON, body)
    assert (status, show["title"]) == (201, TITLE)
    assert TIME.fullmatch(show["created"])
    path = told["Location"]
    change = json.dumps({"title": "둘째 이름 ❄️"}).encode()
    status, changed, now = await asked(
        client, "PATCH", path, ADMIN | JSON | {"If-Match": told["Etag"]}, change
    )
    assert (status, changed["title"]) == (200, "둘째 이름 ❄️")
    assert now["Etag"] != told["Etag"]
    status, problem, _ = await asked(client, "PATCH", path, ADMIN | JSON | {"If-Match": told["Etag"]}, change)
    assert (status, problem["type"]) == (412, "/problems/stale")
    assert (await asked(client, "DELETE", path, ADMIN | {"If-Match": told["Etag"]}))[0] == 412
    assert (await asked(client, "DELETE", path, ADMIN | {"If-Match": now["Etag"]}))[0] == 204


async def test_the_cookie_session(product: Product, client: Client) -> None:
    url, login = "/api/v1/session", json.dumps({"token": TOKEN}).encode()
    assert (await asked(client, "POST", url, JSON, b'{"token": "wrong"}'))[0] == 401
    status, who, told = await asked(client, "POST", url, JSON, login)
    assert (status, who["role"]) == (201, "admin")
    assert "HttpOnly" in told["Set-Cookie"]
    assert "SameSite=Lax" in told["Set-Cookie"]
    cookie = {"Cookie": told["Set-Cookie"].partition(";")[0]}
    assert (await asked(client, "GET", "/api/v1/feeds", cookie))[0] == 200
    body = json.dumps({"title": "x", "channel": "main"}).encode()
    away = cookie | JSON | {"Origin": "https://elsewhere.example"}
    status, problem, _ = await asked(client, "POST", "/api/v1/shows", away, body)
    assert (status, problem["type"]) == (403, "/problems/cross-site")
    assert (await asked(client, "DELETE", url, cookie))[0] == 204
    client.session.cookie_jar.clear()
    assert (await asked(client, "GET", "/api/v1/feeds", cookie))[0] == 401


async def test_how_media_is_served(client: Client) -> None:
    playlist = "/hls/main/v180/index.m3u8"
    status, text, told = await asked(client, "GET", playlist, {"Accept-Encoding": "gzip"})
    assert (status, told["Content-Encoding"], told["Access-Control-Allow-Origin"]) == (200, "gzip", "*")
    segment = "/hls/main/v180/" + re.findall(r"^(\S+\.m4s)$", str(text), re.MULTILINE)[-1]
    async with client.session.head(segment) as head:
        size = int(head.headers["Content-Length"])
        assert "immutable" in head.headers["Cache-Control"]
    async with client.session.get(segment, headers={"Range": "bytes=-5"}) as part:
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {size - 5}-{size - 1}/{size}")
        assert len(await part.read()) == 5
    async with client.session.options(segment, headers={"Origin": "https://x.example"}) as preflight:
        assert preflight.status == 204
        assert "Range" in preflight.headers["Access-Control-Allow-Headers"]


async def test_ten_switches_at_once_end_in_one_of_them(client: Client) -> None:
    wanted = [("pattern", "camera"), ("camera", "pattern")] * 5
    await asyncio.gather(*(client.program("main", *pair) for pair in wanted))
    view = await client.channel("main")
    assert (view["program"]["feed"], view["program"]["backup"]) in wanted
    await client.program("main", "pattern")
    await client.picture("main", "pattern")
    before = breaks(await client.playlist("main", "v180"))
    await asyncio.gather(*(client.program("main", feed) for feed in ("pattern", None) * 5))
    await client.program("main", "pattern")
    await client.picture("main", "pattern")
    assert breaks(await client.playlist("main", "v180")) == before


async def test_a_rotated_key_leaves_who_is_publishing(product: Product, client: Client) -> None:
    made = await client.api("POST", "/feeds", {"kind": "rtmp"})
    async with Publisher(product.rtmp_port, made["stream_key"]) as sender:
        await client.state(made["id"], "live")
        new = await client.api("POST", f"/feeds/{made['id']}/key")
        assert new["stream_key"] != made["stream_key"]
        sent = sender.sent
        await until(lambda: _more(sender, sent + 60), 15, "the sender to go on")
        assert sender.connections == 1
        assert (await client.feed(made["id"]))["state"] == "live"
    await client.state(made["id"], "idle", "lost")
    async with Publisher(product.rtmp_port, new["stream_key"]):
        await client.state(made["id"], "live")
    await client.api("DELETE", f"/feeds/{made['id']}")


async def _more(sender: Publisher, wanted: int) -> bool:
    return sender.sent >= wanted


async def test_a_new_channel_is_waited_for_changed_and_stopped_under_a_show(
    product: Product, client: Client
) -> None:
    await client.api("POST", "/channels", {"id": "second", "settings": SMALL, "start": False})
    off = await client.api("POST", "/shows", {"title": TITLE, "channel": "second"})
    path = f"/shows/{off['id']}"
    assert (await client.try_api("POST", f"{path}/start"))[0] == 409, "the channel is off air"
    await client.program("second", "pattern")
    await client.api("POST", "/channels/second/start")
    await client.api("POST", "/channels/second/start")

    async def readiness(status: int) -> bool:
        return (await client.get("/readyz"))[0] == status

    await until(lambda: readiness(503), 10, "the new channel to be waited for")
    await until(lambda: readiness(200), 60, "the new channel to be ready")
    for rendition in ("v180", "v120", "audio"):
        assert (await client.playlist("second", rendition)).segments, rendition
    live = await client.api("POST", f"{path}/start")
    assert (await client.api("POST", f"{path}/start"))["version"] == live["version"], "starting twice is once"
    assert live["playback"]["hls"] == "/hls/second/index.m3u8"
    assert (await client.try_api("DELETE", path))[0] == 409
    # Viewers of changed settings see one discontinuity.
    changed = {**(await client.channel("second"))["settings"], "dvr_seconds": 300}
    await client.api("PUT", "/channels/second/settings", changed)

    async def broken() -> bool:
        status, body = await client.get("/hls/second/v180/index.m3u8")
        return status == 200 and len(breaks(parse_media(body.decode()))) > 0

    await until(broken, 30, "the picture with the new settings")
    listed = len((await client.playlist("second", "v180")).segments)
    await until(lambda: _listed(client, listed + 2, "second"), 30, "the channel to go on")
    assert len(breaks(await client.playlist("second", "v180"))) == 1
    # The channel is stopped under the show: it stays live, can be stopped, and what was on tape plays.
    await client.api("POST", "/channels/second/stop")

    async def gone() -> bool:
        return (await client.get("/hls/second/index.m3u8"))[0] == 404

    await until(gone, 10, "the stopped channel to be gone")
    assert (await client.api("GET", path))["state"] == "live"
    over = await client.api("POST", f"{path}/stop")
    assert (await client.api("POST", f"{path}/stop"))["version"] == over["version"]
    assert over["state"] == "ended"
    assert TIME.fullmatch(over["ended"])
    assert (await client.try_api("POST", f"{path}/start"))[0] == 409
    assert await asyncio.to_thread(pictures, f"{product.url}{over['playback']['hls']}") >= 30
    await client.api("DELETE", "/channels/second")


def pictures(url: str) -> int:
    """Pictures that FFmpeg's own player of HLS decodes of a replay."""
    with av.open(url, timeout=20) as file:
        return sum(1 for _ in file.decode(video=0))


def gachi(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, as typed; settings by variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GACHI_")} | settings
    command = [str(Path(sys.executable).with_name("gachi")), *arguments]
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        stdin=subprocess.DEVNULL,
    )


def test_commands(tmp_path: Path) -> None:
    told = gachi("--help")
    assert (told.returncode, "serve" in told.stdout, "doctor" in told.stdout) == (0, True, True)
    told = gachi("doctor", GACHI_DATA=str(tmp_path))
    assert "python" in told.stdout
    told = gachi(
        "config", "show", GACHI_DATA=str(tmp_path), GACHI_ADMIN_TOKEN="s3cret", GACHI_HTTP__PORT="18999"
    )
    assert "18999" in told.stdout
    assert "s3cret" not in told.stdout + told.stderr
    told = gachi("serve", GACHI_DATA=str(tmp_path), GACHI_HTTP__BOGUS="1")
    assert told.returncode != 0
    assert "GACHI_HTTP__BOGUS" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_second_start_is_refused(product: Product) -> None:
    http, rtmp = map(str, free_ports(2))
    ports = {"GACHI_HTTP__PORT": http, "GACHI_INGEST__RTMP_PORT": rtmp}
    told = gachi("serve", GACHI_DATA=str(product.data), **ports)
    assert told.returncode != 0
    assert "GACHI_DATA" in told.stderr + told.stdout


def test_a_show_survives_a_restart_of_everything(tmp_path: Path) -> None:
    seeds = (Seed("pattern", "test", options={"width": "320", "height": "180"}),)
    on: Any = {"channels": {"main": SMALL}, "feeds": seeds, "program": {"main": ("pattern", None)}}

    async def begin(product: Product) -> str:
        async with product.client() as client:
            show: str = (await client.api("POST", "/shows", {"title": TITLE, "channel": "main"}))["id"]
            await client.api("POST", f"/shows/{show}/start")
            first = len((await client.playlist("main", "v180")).segments)
            await until(lambda: _listed(client, first + 2), 30, "something on tape")
            return show

    async def finish(product: Product, show: str) -> None:
        async with product.client() as client:
            assert (await client.api("GET", f"/shows/{show}"))["state"] == "live"
            first = len((await client.playlist("main", "v180")).segments)
            await until(lambda: _listed(client, first + 1), 30, "more on tape")
            over = await client.api("POST", f"/shows/{show}/stop")
            recording = await client.api("GET", f"/recordings/{over['recording']}")
            assert [gap["cause"] for gap in recording["gaps"]] == ["worker"]
            assert await asyncio.to_thread(pictures, f"{product.url}{over['playback']['hls']}") >= 60
            _, log, _ = await asked(client, "GET", f"/api/v1/shows/{show}/log", ADMIN)
            types = [json.loads(line)["type"] for line in log.splitlines()]
            assert "studio.restarted" in types

    with Product.start(tmp_path / "first", data=tmp_path / "var", **on) as product:
        show = asyncio.run(begin(product))
    with Product.start(tmp_path / "second", data=tmp_path / "var", **on) as product:
        asyncio.run(finish(product, show))


async def _listed(client: Client, segments: int, channel: str = "main") -> bool:
    return len((await client.playlist(channel, "v180")).segments) >= segments

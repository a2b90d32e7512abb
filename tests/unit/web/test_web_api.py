from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from pydantic import SecretStr

from media.contracts.jobs import JobState
from media.contracts.tape import RecordingView
from media.model.feed import FeedPhase
from tests.support.sites import ADMIN, Site, site
from web.api.openapi import document
from web.api.table import ROUTES
from web.auth.roles import Role
from web.problems.catalogue import KINDS
from web.settings import AuthSettings, HttpSettings

V1 = "/api/v1"


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        await made.ask(
            "POST", f"{V1}/channels", json={"id": "main", "settings": {"name": "본방"}}, status=201
        )
        yield made


async def token_of(live: Site, role: Role) -> str:
    made = await live.ask("POST", f"{V1}/tokens", json={"name": role, "role": role}, status=201)
    text: str = made["token"]
    return text


def test_the_document_is_openapi_3_1() -> None:
    spec = document()
    assert spec["openapi"].startswith("3.1")
    openapi_spec_validator.validate(json.loads(json.dumps(spec)))
    ids = [operation["operationId"] for path in spec["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) == len(ROUTES)


def test_every_bus_contract_field_of_channels_settings_is_on_the_wire() -> None:
    from media.contracts.channels import ChannelSettings as Contract
    from web.api.wire import ChannelSettings as Wire

    assert set(Contract.model_fields) == set(Wire.model_fields)
    assert Contract().model_dump() == Wire().model_dump()


async def test_channels_live_their_life(live: Site) -> None:
    listed = await live.ask("GET", f"{V1}/channels", token=None, status=200)
    channel = listed["items"][0]
    assert channel["id"] == "main"
    assert channel["state"] == "slate"
    assert channel["playback"]["hls"] == "/hls/main/index.m3u8"
    assert channel["settings"] is None, "settings are for those inside"
    await live.ask("POST", f"{V1}/feeds", json={"id": "cam", "kind": "test"}, status=201)
    on = await live.ask(
        "PUT", f"{V1}/channels/main/program", json={"feed": "cam", "backup": None}, status=200
    )
    assert on["state"] == "live"
    assert on["program"] == {"feed": "cam", "backup": None}
    await live.ask("DELETE", f"{V1}/channels/main", status=409)
    assert (await live.ask("POST", f"{V1}/channels/main/stop", status=200))["state"] == "offline"
    await live.ask("DELETE", f"{V1}/channels/main", status=204)
    await live.ask("GET", f"{V1}/channels/main", status=404)


async def test_a_stale_version_is_412_and_no_version_is_fine(live: Site) -> None:
    settings = {"name": "새 이름"}
    url = f"{V1}/channels/main/settings"
    async with live.client.get(f"{live.url}{V1}/channels/main") as response:
        tag = response.headers["ETag"]
    await live.ask("PUT", url, json=settings, headers={"If-Match": tag}, status=200)
    stale = await live.ask("PUT", url, json=settings, headers={"If-Match": tag}, status=412)
    assert stale["type"] == "/problems/stale"
    await live.ask("PUT", url, json=settings, headers={"If-Match": 'W/"2"'}, status=412)
    await live.ask("PUT", url, json=settings, headers={"If-Match": "*"}, status=200)
    await live.ask("PUT", url, json=settings, status=200)
    program = {"feed": None}
    await live.ask(
        "PUT", f"{V1}/channels/main/program", json=program, headers={"If-Match": '"1"'}, status=412
    )
    await live.ask("POST", f"{V1}/channels/main/stop", status=200)
    await live.ask("DELETE", f"{V1}/channels/main", headers={"If-Match": '"1"'}, status=412)


async def test_of_two_who_switch_at_once_one_is_told(live: Site) -> None:
    for feed in ("cam", "spare"):
        await live.ask("POST", f"{V1}/feeds", json={"id": feed, "kind": "test"}, status=201)
    url = f"{live.url}{V1}/channels/main"
    async with live.client.get(url) as response:
        seen = response.headers["ETag"]

    async def switch(feed: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {ADMIN}", "If-Match": seen}
        async with live.client.put(f"{url}/program", json={"feed": feed}, headers=headers) as response:
            return response.status, response.headers.get("ETag", "")

    answers = await asyncio.gather(switch("cam"), switch("spare"))
    assert sorted(status for status, _ in answers) == [200, 412]
    async with live.client.get(url) as response:
        assert response.headers["ETag"] in {tag for status, tag in answers if status == 200}
        assert response.headers["ETag"] != seen


async def test_a_feeds_key_is_shown_once(live: Site) -> None:
    made = await live.ask("POST", f"{V1}/feeds", json={"kind": "rtmp", "name": "카메라"}, status=201)
    assert made["publish_url"].endswith(made["stream_key"])
    again = await live.ask("GET", f"{V1}/feeds/{made['id']}", status=200)
    assert "stream_key" not in again
    assert made["stream_key"] not in json.dumps(again)
    new = await live.ask("POST", f"{V1}/feeds/{made['id']}/key", status=200)
    assert new["stream_key"] != made["stream_key"]
    patched = await live.ask("PATCH", f"{V1}/feeds/{made['id']}", json={"name": "둘"}, status=200)
    assert (patched["name"], patched["kind"]) == ("둘", "rtmp")
    await live.ask("DELETE", f"{V1}/feeds/{made['id']}", status=204)


async def test_a_feeds_picture_is_for_hosts_and_asked_for_once_while_it_is_the_same(live: Site) -> None:
    url = f"{V1}/feeds/cam/picture.jpg"
    await live.ask("POST", f"{V1}/feeds", json={"id": "cam", "kind": "rtmp"}, status=201)
    live.owners.pictures["cam"] = b"\xff\xd8 a picture"
    viewer, host = [
        {"Authorization": f"Bearer {await token_of(live, role)}"} for role in (Role.VIEWER, Role.HOST)
    ]
    async with live.client.get(live.url + url, headers=viewer) as refused:
        assert refused.status == 403
    async with live.client.get(live.url + url, headers=host) as shown:
        assert (shown.status, shown.content_type) == (200, "image/jpeg")
        assert await shown.read() == b"\xff\xd8 a picture"
    assert shown.headers["Cache-Control"] == "private, max-age=3", "no longer than it is the newest"
    seen = {**host, "If-None-Match": shown.headers["ETag"]}
    async with live.client.get(live.url + url, headers=seen) as same:
        assert (same.status, await same.read(), same.headers["ETag"]) == (304, b"", shown.headers["ETag"])
    live.owners.pictures["cam"] = b"\xff\xd8 another"
    async with live.client.get(live.url + url, headers=seen) as renewed:
        assert (renewed.status, await renewed.read()) == (200, b"\xff\xd8 another")


async def test_a_feed_without_a_picture_says_why(live: Site) -> None:
    url = f"{V1}/feeds/cam/picture.jpg"
    assert (await live.ask("GET", url, status=404))["type"] == "/problems/not-found"
    await live.ask("POST", f"{V1}/feeds", json={"id": "cam", "kind": "rtmp"}, status=201)
    idle = await live.ask("GET", url, headers={"Accept-Language": "ko"}, status=404)
    assert (idle["type"], idle["reason"]) == ("/problems/no-picture", "the feed is idle")
    assert idle["detail"] == "이 입력에는 지금 보여 줄 그림이 없습니다. (the feed is idle)"
    live.owners.feeds["cam"] = live.owners.feeds["cam"].model_copy(update={"phase": FeedPhase.STALLED})
    late = await live.ask("GET", url, status=503)
    assert (late["type"], late["reason"]) == ("/problems/unavailable", "no keyframe came")


async def test_lists_are_paged(live: Site) -> None:
    for n in range(5):
        await live.ask("POST", f"{V1}/feeds", json={"id": f"f{n}", "kind": "test"}, status=201)
    seen, cursor = [], ""
    while True:
        page = await live.ask("GET", f"{V1}/feeds?limit=2&cursor={cursor}", status=200)
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
        live.owners.feeds.pop(cursor, None)  # the last one seen goes away: the next page is still right
    assert seen == ["f0", "f1", "f2", "f3", "f4"]


async def test_a_show_from_draft_to_mp4(live: Site) -> None:
    show = await live.ask("POST", f"{V1}/shows", json={"title": "떡집", "channel": "main"}, status=201)
    url = f"{V1}/shows/{show['id']}"
    # Guests see what comes: the home page lists it, and the show's page is shared before it starts.
    planned = await live.ask("GET", f"{V1}/shows?state=draft", token=None, status=200)
    assert [item["id"] for item in planned["items"]] == [show["id"]]
    assert (await live.ask("GET", url, token=None, status=200))["playback"]["hls"] is None
    await live.ask("POST", f"{url}/export", status=409)
    started = await live.ask("POST", f"{url}/start", status=200)
    assert started["playback"]["hls"] == "/hls/main/index.m3u8"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", started["started"])
    assert (await live.ask("POST", f"{url}/start", status=200))["started"] == started["started"]
    mark = await live.ask("POST", f"{url}/marks", json={"label": "맛있다"}, status=201)
    assert mark["data"]["label"] == "맛있다"
    ended = await live.ask("POST", f"{url}/stop", status=200)
    assert ended["playback"]["hls"] == f"/replays/{show['id']}/index.m3u8"
    await live.ask("GET", url, token=None, status=200)
    await live.ask("GET", f"{url}/export.mp4", status=404)
    assert not live.owners.jobs, "a download begins nothing"
    job = await live.ask("POST", f"{url}/export", status=202)
    assert await live.ask("POST", f"{url}/export", status=202) == job
    assert (await live.ask("GET", f"{url}/export.mp4", status=404))["type"] == "/problems/not-ready"
    body = bytes(range(256)) * 6000
    await live.store.put("exports/x.mp4", body)
    running = live.owners.jobs[job["id"]]
    live.owners.jobs[job["id"]] = running.model_copy(
        update={"state": JobState.DONE, "result": "exports/x.mp4", "size": len(body)}
    )
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with live.client.get(f"{live.url}{url}/export.mp4", headers=headers) as response:
        assert await response.read() == body
    for asked, status, wanted in [
        ("bytes=10-19", 206, body[10:20]),
        ("bytes=-5", 206, body[-5:]),
        (f"bytes={len(body)}-", 416, None),
        ("bytes=9-2", 200, body),
        ("lines=1-2", 200, body),
    ]:
        ranged = {**headers, "Range": asked}
        async with live.client.get(f"{live.url}{url}/export.mp4", headers=ranged) as response:
            assert response.status == status, asked
            assert wanted is None or await response.read() == wanted


async def test_the_log_is_ndjson_of_any_length(live: Site) -> None:
    show = await live.ask("POST", f"{V1}/shows", json={"title": "긴 방송", "channel": "main"}, status=201)
    for n in range(1300):
        live.owners.write(show["id"], "mark", label=f"{n}")
    url = f"{live.url}{V1}/shows/{show['id']}/log"
    headers = {"Authorization": f"Bearer {ADMIN}"}

    async def read(query: str) -> list[dict[str, Any]]:
        async with live.client.get(url + query, headers=headers) as response:
            assert response.headers["Content-Type"].startswith("application/x-ndjson")
            return [json.loads(line) for line in (await response.text()).splitlines()]

    assert [entry["seq"] for entry in await read("")] == list(range(1, 1301))
    assert [entry["seq"] for entry in await read("?after=600&limit=510")] == list(range(601, 1111))
    assert await read("?after=1300") == []
    await live.ask("GET", f"{V1}/shows/none/log", status=404)


async def test_recordings_tell_their_gaps(live: Site) -> None:
    gap = {"starts": 2_000_000, "ends": 3_500_000, "cause": "worker"}
    live.owners.recordings["r1"] = RecordingView.model_validate(
        {"id": "r1", "channel": "main", "started": 1_000_000, "ended": 9_000_000, "gaps": [gap]}
    )
    live.owners.recordings["r2"] = RecordingView(id="r2", channel="main", started=20_000_000)
    listed = await live.ask("GET", f"{V1}/recordings?limit=1", status=200)
    assert [item["id"] for item in listed["items"]] == ["r2"]
    more = await live.ask("GET", f"{V1}/recordings?limit=1&cursor={listed['next']}", status=200)
    assert more["items"][0]["gaps"] is None, "only one by one are gaps looked for"
    assert more["next"] is None
    disk = await live.ask("GET", f"{V1}/storage", status=200)
    assert disk["tape"] == disk["recordings"] + 50
    assert (disk["free"], disk["min_free"]) == (400, 100)
    await live.ask("DELETE", f"{V1}/recordings/r2", status=409)
    await live.ask("DELETE", f"{V1}/recordings/r1", status=204)


BAD_BODIES: list[tuple[str, bytes, int, str, str | None]] = [
    ("no JSON", b"{", 400, "bad-json", None),
    ("two lines", b'{\n "id": x}', 400, "bad-json", None),
    ("not UTF-8", b'{"id": "\xff"}', 400, "bad-json", None),
    ("NaN", b'{"id": NaN}', 400, "bad-json", None),
    ("twice", b'{"id": "a", "id": "b"}', 400, "bad-json", None),
    ("deep", b"[" * 100_000, 400, "bad-json", None),
    ("a huge number", b'{"id": ' + b"9" * 6000 + b"}", 400, "bad-json", None),
    ("empty", b"", 400, "bad-json", None),
    ("a list", b"[]", 422, "invalid-field", "body"),
    ("half a pair", rb'{"id": "a", "settings": {"name": "\ud83d"}}', 422, "invalid-field", "settings.name"),
    ("a nul", rb'{"id": "a", "settings": {"name": "a\u0000b"}}', 422, "invalid-field", "settings.name"),
    ("a nul in a name", rb'{"id": "a", "settings": {"\u0000": 1}}', 422, "invalid-field", "settings"),
    ("missing", b"{}", 422, "invalid-field", "id"),
    ("unknown", b'{"id": "a", "colour": 1}', 422, "unknown-field", "colour"),
    ("unknown inside", b'{"id": "a", "settings": {"w": 1}}', 422, "unknown-field", "settings.w"),
    ("bad id", b'{"id": "../etc"}', 422, "invalid-field", "id"),
    (
        "a string for a number",
        b'{"id": "a", "settings": {"width": "1280"}}',
        422,
        "invalid-field",
        "settings.width",
    ),
    ("odd width", b'{"id": "a", "settings": {"width": 641}}', 422, "invalid", "settings.width"),
    ("taken", b'{"id": "main"}', 409, "conflict", None),
]


@pytest.mark.parametrize(
    ("name", "body", "status", "slug", "field"), BAD_BODIES, ids=[b[0] for b in BAD_BODIES]
)
async def test_bad_bodies_are_told_apart(
    live: Site, name: str, body: bytes, status: int, slug: str, field: str | None
) -> None:
    problem = await live.ask(
        "POST",
        f"{V1}/channels",
        data=body,
        headers={"Content-Type": "application/json", "Accept-Language": "ko-KR,ko;q=0.9,en;q=0.5"},
        status=status,
    )
    assert problem["type"] == f"/problems/{slug}"
    assert re.search("[가-힣]", problem["detail"])
    assert problem["status"] == status
    if field is not None:
        assert problem["field"] == field
    if name == "two lines":
        assert problem["position"] == "line 2, column 8"


async def test_names_of_what_is_not_there_are_refused(live: Site) -> None:
    program = f"{V1}/channels/main/program"
    refused = await live.ask("PUT", program, json={"feed": "nope"}, status=422)
    assert refused["field"] == "feed"
    await live.ask("POST", f"{V1}/feeds", json={"id": "cam", "kind": "test"}, status=201)
    refused = await live.ask("PUT", program, json={"feed": "cam", "backup": "nope"}, status=422)
    assert refused["field"] == "backup"
    refused = await live.ask("POST", f"{V1}/shows", json={"title": "x", "channel": "nope"}, status=422)
    assert refused["field"] == "channel"
    show = await live.ask("POST", f"{V1}/shows", json={"title": "x", "channel": "main"}, status=201)
    refused = await live.ask("PATCH", f"{V1}/shows/{show['id']}", json={"channel": "nope"}, status=422)
    assert refused["field"] == "channel"
    await live.ask("GET", f"{V1}/shows/%00", status=404)
    refused = await live.ask("GET", f"{V1}/shows?cursor=%00", status=422)
    assert refused["field"] == "cursor"


async def test_a_feed_that_is_counted_on_is_not_deleted(live: Site) -> None:
    program = f"{V1}/channels/main/program"
    for feed in ("cam", "spare"):
        await live.ask("POST", f"{V1}/feeds", json={"id": feed, "kind": "test"}, status=201)
    await live.ask("PUT", program, json={"feed": "cam", "backup": "spare"}, status=200)
    for feed in ("cam", "spare"):
        refused = await live.ask("DELETE", f"{V1}/feeds/{feed}", status=409)
        assert "main" in refused["detail"]
    await live.ask("PUT", program, json={"feed": None}, status=200)
    await live.ask("DELETE", f"{V1}/feeds/cam", status=204)
    await live.ask("PUT", program, json={"feed": "spare"}, status=200)
    await live.ask("POST", f"{V1}/channels/main/stop", status=200)
    await live.ask("DELETE", f"{V1}/feeds/spare", status=204)


async def test_every_address_refuses_in_the_same_shape(live: Site) -> None:
    for method, path, status in (
        ("POST", "/", 405),
        ("PUT", "/live/main", 405),
        ("DELETE", "/healthz", 405),
        ("POST", "/hls/main/index.m3u8", 405),
        ("POST", "/api/openapi.json", 405),
        ("POST", "/whep/cam", 404),
        ("DELETE", "/nothing/here", 404),
    ):
        async with live.client.request(method, live.url + path) as response:
            assert response.status == status, (method, path)
            assert response.content_type == "application/problem+json"
            assert ("Allow" in response.headers) == (status == 405)


async def test_problems_have_one_shape_and_a_page(live: Site) -> None:
    async with live.client.get(f"{live.url}{V1}/feeds", headers={"Accept-Language": "en"}) as response:
        assert response.status == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        problem = await response.json(content_type=None)
    assert problem["detail"] == "This needs a log-in or a valid token."
    assert problem["instance"] == f"{V1}/feeds"
    for kind in KINDS.values():
        async with live.client.get(live.url + kind.uri, headers={"Accept-Language": "ko"}) as response:
            assert response.status == 200
            assert kind.title.ko in await response.text()
    await live.ask("GET", "/api/v1/nothing", status=404)
    wrong = await live.ask("PUT", f"{V1}/channels", status=405)
    assert "GET" in wrong["detail"]
    await live.ask("GET", f"{V1}/channels?limit=0", status=422)
    await live.ask("GET", f"{V1}/channels?colour=red", status=422)
    await live.ask("POST", f"{V1}/channels", data=b"{}", headers={"Content-Type": "text/plain"}, status=415)


async def test_a_bug_behind_the_bus_tells_nothing_of_itself(live: Site) -> None:
    live.owners.broken = True
    problem = await live.ask("GET", f"{V1}/channels", status=500)
    assert "secret" not in json.dumps(problem)


async def test_oversize_bodies_are_413(tmp_path: Path) -> None:
    async with site(tmp_path, http=HttpSettings(host="127.0.0.1", port=0, max_body=2048)) as live:
        json_type = {"Content-Type": "application/json"}
        await live.ask("POST", f"{V1}/channels", data=b" " * 4096, headers=json_type, status=413)

        async def drip() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield b" " * 1024

        await live.ask("POST", f"{V1}/channels", data=drip(), headers=json_type, status=413)
        await live.ask("GET", f"{V1}/channels", status=200)


async def test_a_wrong_token_is_refused_everywhere_and_not_often(tmp_path: Path) -> None:
    auth = AuthSettings(admin_token=SecretStr(ADMIN), failure_rate=0.001, failure_burst=3)
    async with site(tmp_path, auth=auth) as live:
        for _ in range(3):
            await live.ask("GET", f"{V1}/channels", token="wrong", status=401)
        problem = await live.ask("GET", f"{V1}/channels", token=ADMIN, status=429)
        assert problem["retry_after"] > 0
        await live.ask("GET", f"{V1}/channels", token=None, status=200)


async def test_rates_are_limited_per_caller(tmp_path: Path) -> None:
    auth = AuthSettings(admin_token=SecretStr(ADMIN), address_rate=0.01, address_burst=2)
    async with site(tmp_path, auth=auth) as live:
        for _ in range(2):
            await live.ask("GET", f"{V1}/channels", token=None, status=200)
        async with live.client.get(f"{live.url}{V1}/channels") as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0
        await live.ask("GET", f"{V1}/channels", status=200)


async def test_tokens_are_shown_once_kept_as_digests_and_revoked(live: Site) -> None:
    made = await live.ask("POST", f"{V1}/tokens", json={"name": "edge", "role": "staff"}, status=201)
    assert made["token"] not in json.dumps(await live.ask("GET", f"{V1}/tokens", status=200))
    assert made["token"] not in repr(await live.stores.tokens.tokens())
    await live.ask("GET", f"{V1}/feeds", token=made["token"], status=200)
    await live.ask("DELETE", f"{V1}/tokens/{made['id']}", status=204)
    await live.ask("GET", f"{V1}/feeds", token=made["token"], status=401)
    past = {"name": "old", "role": "host", "expires": "2001-01-01T00:00:00Z"}
    assert (await live.ask("POST", f"{V1}/tokens", json=past, status=422))["field"] == "expires"
    never = {"name": "old", "role": "host", "expires": "2031-02-31T00:00:00Z"}
    await live.ask("POST", f"{V1}/tokens", json=never, status=422)


async def test_the_cookie_logs_in_from_our_own_pages_only(live: Site) -> None:
    host = await token_of(live, Role.HOST)
    async with live.client.post(f"{live.url}{V1}/session", json={"token": host}) as response:
        assert response.status == 201
        cookie = response.cookies["gachi_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie.value != host
    jar = {"Cookie": f"gachi_session={cookie.value}"}
    who = await live.ask("GET", f"{V1}/session", token=None, headers=jar, status=200)
    assert who["role"] == "host"
    show = {"title": "t", "channel": "main"}
    foreign = {**jar, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    await live.ask("POST", f"{V1}/shows", token=None, json=show, headers=foreign, status=403)
    own = {**jar, "Sec-Fetch-Site": "same-origin"}
    await live.ask("POST", f"{V1}/shows", token=None, json=show, headers=own, status=201)
    await live.ask("DELETE", f"{V1}/session", token=None, headers=own, status=204)
    await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=401)
    await live.ask("POST", f"{V1}/session", token=None, json={"token": "wrong"}, status=401)

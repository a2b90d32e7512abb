"""Users, log-in, lock-out and the audit log, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from runtime.bus.contract import CommandError, Fault
from tests.support.sites import ADMIN, Site, site
from web.auth.lockout import PAIR
from web.auth.ports import SessionRecord
from web.auth.roles import Role
from web.auth.tokens import digest_of
from web.settings import AuthSettings, HttpSettings

V1 = "/api/v1"
PASSWORD = "correct horse battery"


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


async def make(live: Site, login: str, role: Role = Role.HOST) -> Any:
    body = {"login": login, "name": f"이름 {login}", "role": role, "password": PASSWORD}
    return await live.ask("POST", f"{V1}/users", json=body, status=201)


async def enter(
    live: Site,
    login: str,
    password: str = PASSWORD,
    status: int = 201,
    headers: dict[str, str] | None = None,
) -> dict[str, str]:
    """The cookie of a log-in, as headers."""
    live.client.cookie_jar.clear()
    body = {"login": login, "password": password}
    async with live.client.post(f"{live.url}{V1}/session", json=body, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        found = answer.cookies.get("gachi_session")
    live.client.cookie_jar.clear()
    return {"Cookie": f"gachi_session={found.value}"} if found else {}


async def who(live: Site, jar: dict[str, str]) -> Any:
    return await live.ask("GET", f"{V1}/session", token=None, headers=jar, status=200)


async def test_a_user_from_first_to_last(live: Site) -> None:
    made = await make(live, "Ann@Example.com", Role.STAFF)
    assert (made["login"], made["role"], made["disabled"]) == ("ann@example.com", "staff", False)
    assert PASSWORD not in json.dumps(made)
    url = f"{V1}/users/{made['id']}"
    taken = await live.ask(
        "POST",
        f"{V1}/users",
        json={"login": "ann@example.COM", "role": "host", "password": PASSWORD},
        status=409,
    )
    assert taken["field"] == "login"
    jar = await enter(live, "ANN@example.com")
    assert await who(live, jar) == {
        "role": "staff", "name": "이름 Ann@Example.com", "user": made["id"], "login": "ann@example.com",
    }  # fmt: skip
    listed = await live.ask("GET", f"{V1}/users", status=200)
    assert [each["login"] for each in listed["items"]] == ["ann@example.com"]
    stale = {"If-Match": '"9"'}
    await live.ask("PATCH", url, json={"name": "앤"}, headers=stale, status=412)
    changed = await live.ask("PATCH", url, json={"name": "앤"}, headers={"If-Match": '"1"'}, status=200)
    assert (changed["name"], changed["version"]) == ("앤", 2)
    assert (await who(live, jar))["name"] == "앤", "a name ends no session"
    await live.ask("DELETE", url, status=204)
    assert (await who(live, jar))["role"] is None
    await live.ask("GET", url, status=404)
    await enter(live, "ann@example.com", status=401)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"login": "an n"}, "login"),
        ({"login": "앤"}, "login"),
        ({"password": "short"}, "password"),
        ({"login": "ann-lee-kim", "password": "Ann-Lee-Kim"}, "password"),
        ({"role": "king"}, "role"),
    ],
)
async def test_what_no_user_can_be(live: Site, body: dict[str, str], field: str) -> None:
    whole = {"login": "ann", "role": "host", "password": PASSWORD, **body}
    assert (await live.ask("POST", f"{V1}/users", json=whole, status=422))["field"] == field


async def test_what_ends_a_session_ends_it_at_once(live: Site) -> None:
    made = await make(live, "ann", Role.ADMIN)
    await make(live, "chief", Role.ADMIN)
    url = f"{V1}/users/{made['id']}"
    ends: list[tuple[str, str, Any]] = [
        ("PATCH", url, {"role": "host"}),
        ("PATCH", url, {"disabled": True}),
        ("POST", f"{url}/password", {"password": PASSWORD}),
        ("DELETE", f"{url}/sessions", None),
    ]
    for method, path, body in ends:
        await live.ask("PATCH", url, json={"disabled": False}, status=200)
        jar = await enter(live, "ann")
        token = await live.ask(
            "POST", f"{V1}/tokens", token=None, headers=jar, json={"name": "t", "role": "host"}, status=201
        )
        await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=200)
        await live.ask("GET", f"{V1}/feeds", token=token["token"], status=200)
        await live.ask(method, path, **({"json": body} if body else {}))
        await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=401)
        disabled = body == {"disabled": True}
        await live.ask("GET", f"{V1}/feeds", token=token["token"], status=401 if disabled else 200)
        if disabled:
            await enter(live, "ann", status=401)


async def test_a_session_ends_when_idle_and_when_old(tmp_path: Path) -> None:
    auth = AuthSettings(admin_token=SecretStr(ADMIN), session_idle=60, session_longest=3600)
    async with site(tmp_path, auth=auth) as live:
        made = await make(live, "ann")
        jar = await enter(live, "ann")
        await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=200)
        session = jar["Cookie"].split("_")[2]
        await live.stores.sessions.seen(session, 1)
        refused = await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=401)
        assert refused["type"] == "/problems/unauthenticated"
        assert (await who(live, jar))["role"] is None, "a page shows, and tells that one may log in again"
        text = f"gs_{'0' * 24}_old"
        now = 4_000_000_000_000_000
        old = SessionRecord("0" * 24, digest_of(text), created=1, seen=now, expires=1, user=made["id"])
        await live.stores.sessions.open(old)
        await live.ask(
            "GET", f"{V1}/feeds", token=None, headers={"Cookie": f"gachi_session={text}"}, status=401
        )


async def test_who_is_logged_in_reads_on_while_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: object) -> None:
        raise CommandError(Fault.UNAVAILABLE, "the database is locked")

    async with site(tmp_path) as live:
        await make(live, "ann")
        jar = await enter(live, "ann")
        token = await live.ask("POST", f"{V1}/tokens", json={"name": "desk", "role": "staff"}, status=201)
        monkeypatch.setattr("web.auth.sessions.SEEN_MICROS", -1)
        monkeypatch.setattr("web.auth.tokens.TOUCH_MICROS", -1)
        monkeypatch.setattr(type(live.stores.sessions), "seen", locked)
        monkeypatch.setattr(type(live.stores.tokens), "touch", locked)
        await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=200)
        await live.ask("GET", f"{V1}/feeds", token=token["token"], status=200)


@pytest.mark.parametrize(
    "text", ["", "x", "gs_", "gs_" + "0" * 24 + "_x", "gs_" + "z" * 24 + "_", "가", "x" * 4000]
)
async def test_what_is_no_session_is_nobody(live: Site, text: str) -> None:
    headers = {"Cookie": f"gachi_session={text}"}
    assert (await who(live, headers))["role"] is None


async def test_a_log_in_takes_a_new_cookie_and_ends_the_one_before(live: Site) -> None:
    await make(live, "ann")
    first = await enter(live, "ann")
    second = await enter(live, "ann", headers=first)
    assert first != second
    assert (await who(live, first))["role"] is None
    assert (await who(live, second))["role"] == "host"
    third = await enter(live, "ann")
    await live.ask("DELETE", f"{V1}/session", token=None, headers=second, status=204)
    assert (await who(live, second))["role"] is None
    assert (await who(live, third))["role"] == "host"
    fourth = await enter(live, "ann")
    await live.ask("DELETE", f"{V1}/session?everywhere=true", token=None, headers=third, status=204)
    assert (await who(live, fourth))["role"] is None


async def test_the_cookie_is_guarded(tmp_path: Path) -> None:
    http = HttpSettings(host="127.0.0.1", port=0, trusted_proxies=("127.0.0.1",))
    async with site(tmp_path, http=http) as live:
        await make(live, "ann")
        body = {"login": "ann", "password": PASSWORD}
        for proto, secure in (("https", True), ("http", False)):
            headers = {"X-Forwarded-Proto": proto}
            async with live.client.post(f"{live.url}{V1}/session", json=body, headers=headers) as answer:
                told = answer.headers["Set-Cookie"]
            assert "HttpOnly" in told
            assert "SameSite=Lax" in told
            assert ("Secure" in told) is secure


async def test_ones_own_password(live: Site) -> None:
    await make(live, "ann")
    here, there = await enter(live, "ann"), await enter(live, "ann")
    url, new = f"{V1}/session/password", "another password"
    wrong = await live.ask("POST", url, token=None, headers=here, json={"old": "x", "new": new}, status=401)
    assert wrong["type"] == "/problems/wrong-login"
    body = {"old": PASSWORD, "new": new}
    async with live.client.post(live.url + url, headers=here, json=body) as answer:
        assert answer.status == 200
        again = {"Cookie": f"gachi_session={answer.cookies['gachi_session'].value}"}
    live.client.cookie_jar.clear()
    assert [(await who(live, each))["role"] for each in (here, there, again)] == [None, None, "host"]
    await enter(live, "ann", status=401)
    await enter(live, "ann", new)
    assert (await live.ask("POST", url, json=body, status=409))["type"] == "/problems/conflict"
    page = await live.ask("GET", f"{V1}/audit?operation=change_password", status=200)
    assert [each["status"] for each in page["items"]] == [409, 200, 401], "a line each, and its end is known"


async def test_unknown_wrong_and_disabled_are_told_alike(live: Site) -> None:
    made = await make(live, "ann")
    await make(live, "bob")
    await live.ask("PATCH", f"{V1}/users/{made['id']}", json={"disabled": True}, status=200)
    answers = []
    for login, password in (("ann", PASSWORD), ("bob", "wrong"), ("nobody", "wrong"), ("no one", "wrong")):
        body = {"login": login, "password": password}
        answers.append(await live.ask("POST", f"{V1}/session", token=None, json=body, status=401))
    assert all(each == answers[0] for each in answers)
    assert answers[0]["type"] == "/problems/wrong-login"


async def test_failed_log_ins_wait_and_others_do_not(tmp_path: Path) -> None:
    http = HttpSettings(host="127.0.0.1", port=0, trusted_proxies=("127.0.0.1",))
    async with site(tmp_path, http=http) as live:
        await make(live, "ann")
        await make(live, "bob")
        evil = {"X-Forwarded-For": "198.51.100.1"}
        for _ in range(PAIR.free):
            await enter(live, "ann", "wrong", 401, evil)
        body = {"login": "ann", "password": PASSWORD}
        async with live.client.post(f"{live.url}{V1}/session", json=body, headers=evil) as answer:
            assert answer.status == 429, "even the right one waits, or waiting would tell"
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await answer.json(content_type=None))["type"] == "/problems/too-many-tries"
        await enter(live, "ann", headers={"X-Forwarded-For": "203.0.113.5"})
        await enter(live, "bob", headers=evil)
        assert live.metric("gachi_logins_total", result="waits") == 1
        assert live.metric("gachi_logins_total", result="wrong") == PAIR.free


async def test_a_hundred_guesses_at_once_are_a_hundred_guesses(live: Site) -> None:
    await make(live, "ann")
    body = {"login": "ann", "password": "wrong"}

    async def guess() -> int:
        async with live.client.post(f"{live.url}{V1}/session", json=body) as answer:
            return answer.status

    begun = time.monotonic()
    answers = await asyncio.gather(*(guess() for _ in range(60)))
    # On a slow machine the first waits go by meanwhile: 2, 4, 8 s, each good for one more.
    waited = int(math.log2((time.monotonic() - begun) / PAIR.first + 1))
    assert answers.count(401) <= PAIR.free + waited
    assert set(answers) <= {401, 429, 503}


async def test_a_token_never_outdoes_its_maker(live: Site) -> None:
    await make(live, "ann", Role.HOST)
    await make(live, "bob", Role.HOST)
    ann, bob = await enter(live, "ann"), await enter(live, "bob")
    url = f"{V1}/tokens"
    refused = await live.ask(
        "POST", url, token=None, headers=ann, json={"name": "x", "role": "staff"}, status=403
    )
    assert refused["type"] == "/problems/forbidden"
    far = {"name": "x", "role": "host", "expires": "2999-01-01T00:00:00Z"}
    near = {"name": "y", "role": "host", "expires": "2998-01-01T00:00:00Z"}
    made = await live.ask("POST", url, token=None, headers=ann, json=near, status=201)
    child = await live.ask("POST", url, token=made["token"], json=far, status=201)
    assert child["expires"].startswith("2998"), "nor for longer"
    listed = await live.ask("GET", url, token=None, headers=ann, status=200)
    assert {each["id"] for each in listed["items"]} == {made["id"], child["id"]}
    assert (await live.ask("GET", url, token=None, headers=bob, status=200))["items"] == []
    await live.ask("DELETE", f"{url}/{made['id']}", token=None, headers=bob, status=404)
    await live.ask("DELETE", f"{url}/{made['id']}", token=None, headers=ann, status=204)
    await live.ask("GET", f"{V1}/feeds", token=child["token"], status=401)


async def test_a_session_by_token_ends_with_the_token(live: Site) -> None:
    made = await live.ask("POST", f"{V1}/tokens", json={"name": "x", "role": "host"}, status=201)
    async with live.client.post(f"{live.url}{V1}/session", json={"token": made["token"]}) as answer:
        jar = {"Cookie": f"gachi_session={answer.cookies['gachi_session'].value}"}
    live.client.cookie_jar.clear()
    assert (await who(live, jar))["role"] == "host"
    await live.ask("DELETE", f"{V1}/tokens/{made['id']}", status=204)
    assert (await who(live, jar))["role"] is None


async def test_the_audit_log_tells_who_did_what(live: Site) -> None:
    made = await make(live, "ann", Role.STAFF)
    jar = await enter(live, "ann")
    await enter(live, "ann", "wrong", 401)
    await enter(live, "my-own-password", "wrong", 401)
    await live.ask(
        "POST", f"{V1}/feeds", token=None, headers=jar, json={"id": "cam", "kind": "rtmp"}, status=201
    )
    await live.ask(
        "POST", f"{V1}/feeds", token=None, headers=jar, json={"id": "cam", "kind": "rtmp"}, status=409
    )
    await live.ask("DELETE", f"{V1}/users/{made['id']}", token=None, headers=jar, status=403)
    await live.ask("GET", f"{V1}/feeds", token=None, headers=jar, status=200)
    page = await live.ask("GET", f"{V1}/audit", status=200)
    told = [(each["operation"], each["object"], each["status"], each["name"]) for each in page["items"]]
    name = "이름 ann"
    assert told == [
        ("delete_user", made["id"], 403, name),
        ("create_feed", "", 409, name),
        ("create_feed", "cam", 201, name),
        ("open_session", "", 401, ""),
        ("open_session", made["id"], 401, ""),
        ("open_session", made["id"], 201, name),
        ("create_user", made["id"], 201, "admin"),
    ]
    assert page["items"][2]["changed"] == {"id": "cam", "kind": "rtmp"}
    assert page["items"][2]["address"] == "127.0.0.1"
    text = json.dumps(page)
    assert PASSWORD not in text
    assert "my-own-password" not in text
    own = await live.ask("GET", f"{V1}/audit?actor={made['id']}&limit=2", status=200)
    assert [each["operation"] for each in own["items"]] == ["delete_user", "create_feed"]
    more = await live.ask("GET", f"{V1}/audit?actor={made['id']}&limit=2&cursor={own['next']}", status=200)
    assert [each["operation"] for each in more["items"]] == ["create_feed", "open_session"]
    assert more["next"] is None
    assert (await live.ask("GET", f"{V1}/audit?cursor=x", status=422))["field"] == "cursor"
    since = await live.ask("GET", f"{V1}/audit?since=2999-01-01T00:00:00Z", status=200)
    assert since["items"] == []


async def test_the_last_administrator_stays_one(live: Site) -> None:
    made = await make(live, "ann", Role.ADMIN)
    url = f"{V1}/users/{made['id']}"
    for change in ({"role": "staff"}, {"disabled": True}):
        await live.ask("PATCH", url, json=change, status=409)
    await live.ask("DELETE", url, status=409)
    await make(live, "bob", Role.ADMIN)
    await live.ask("DELETE", url, status=204)

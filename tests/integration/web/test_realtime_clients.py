"""``/realtime`` over real connections: who may, who reads, who does not, and what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from media.contracts.channels import ChannelChanged
from media.contracts.feeds import FeedChanged
from studio.contracts.shows import ShowChanged, ShowDeleted
from tests.support.following import Documents, Follower
from tests.support.sites import ADMIN, Site, site, until
from web.auth.roles import Role
from web.realtime.frames import BEARER, PROTOCOL
from web.realtime.settings import RealtimeSettings

V1 = "/api/v1"
REALTIME = RealtimeSettings(stall_seconds=1.5, beat_seconds=1.0, buffer_kb=16, max_clients_per_address=500)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, realtime=REALTIME) as made:
        await made.ask("POST", f"{V1}/channels", json={"id": "main"}, status=201)
        yield made


async def token_of(live: Site, role: Role) -> str:
    made = await live.ask("POST", f"{V1}/tokens", json={"name": role, "role": role}, status=201)
    text: str = made["token"]
    return text


async def told(follower: Follower, topic: str, key: str, **fields: object) -> None:
    """Read on until a document is so."""
    async with asyncio.timeout(10):
        while not fields.items() <= follower.documents.topics.get(topic, {}).get(key, {}).items():
            await follower.read()


async def test_everybody_is_told_what_the_api_would_answer_them(live: Site) -> None:
    await live.ask("POST", f"{V1}/feeds", json={"id": "cam", "kind": "test"}, status=201)
    await live.owners.tell(FeedChanged(feed=live.owners.feeds["cam"]))
    for role in (None, *Role):
        token = await token_of(live, role) if role else ""
        follower = await Follower.connect(live.client, live.url, ["channels", "shows", "feeds"], token=token)
        await told(follower, "channels", "main", id="main")
        listed = await live.ask("GET", f"{V1}/channels", token=token or None, status=200)
        assert follower.documents.topics["channels"] == {item["id"]: item for item in listed["items"]}
        if role and role.covers(Role.HOST):
            await told(follower, "feeds", "cam", id="cam")
        else:
            await until_refused(follower, "feeds", "forbidden" if role else "unauthenticated")
            assert "feeds" not in follower.documents.topics
        await follower.close()


async def until_refused(follower: Follower, topic: str, why: str) -> None:
    async with asyncio.timeout(10):
        while topic not in follower.documents.refused:
            await follower.read()
    assert follower.documents.refused[topic] == why


async def test_changes_arrive_in_order_and_a_lost_connection_goes_on_where_it_was(live: Site) -> None:
    topics = ["channels", "shows", "sources"]
    follower = await Follower.connect(live.client, live.url, topics)
    await told(follower, "channels", "main", state="slate")
    show = await live.ask("POST", f"{V1}/shows", json={"title": "하나", "channel": "main"}, status=201)
    await live.owners.tell(ShowChanged(show=live.owners.shows[show["id"]]))
    await told(follower, "shows", show["id"], title="하나", state="draft")
    await follower.websocket.close()
    await live.ask("POST", f"{V1}/channels/main/stop", status=200)
    await live.owners.tell(ShowDeleted(show=show["id"]))
    await until(lambda: live.web.realtime.store.offset > follower.documents.offset + 1)
    again = await Follower.connect(live.client, live.url, topics, documents=follower.documents)
    frame = await again.read()
    assert (frame["type"], frame["resumed"]) == ("patch", topics)
    assert again.documents.topics["channels"]["main"]["state"] == "offline"
    assert show["id"] not in again.documents.topics["shows"]
    assert live.metric("gachi_realtime_resumed_total") == 3
    await again.close()
    # With another role the same offset means nothing.
    other = await Follower.connect(live.client, live.url, topics, token=ADMIN, documents=again.documents)
    assert (await other.read())["type"] == "snapshot"
    await other.close()


async def test_after_a_restart_there_is_a_fresh_snapshot(live: Site, tmp_path: Path) -> None:
    follower = await Follower.connect(live.client, live.url, ["channels"])
    await told(follower, "channels", "main", id="main")
    known = follower.documents
    follower.documents = Documents()
    await follower.close()
    async with site(tmp_path / "next", realtime=REALTIME) as following:
        again = await Follower.connect(live.client, following.url, ["channels"], documents=known)
        assert (await again.read())["type"] == "snapshot"
        assert again.documents.topics == {"channels": {}}, "what the next process does not know of is gone"
        closed = asyncio.create_task(again.websocket.receive())
    assert (await closed).type is aiohttp.WSMsgType.CLOSE
    assert again.websocket.close_code == 1001, "it is told that the process ends"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("null", 403),
        ("http://{host}.evil.example", 403),
        ("http://{host}", 101),
        (None, 101),
    ],
)
async def test_other_sites_pages_may_not_connect(live: Site, origin: str | None, status: int) -> None:
    host = urlsplit(live.url).netloc
    headers = {"Origin": origin.replace("{host}", host)} if origin else {}
    if status == 101:
        await (await live.client.ws_connect(f"{live.url}/realtime", headers=headers)).close()
        return
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await live.client.ws_connect(f"{live.url}/realtime", headers=headers)
    assert caught.value.status == status


async def test_the_cookie_and_the_sub_protocol_tell_who_one_is(live: Site) -> None:
    token = await token_of(live, Role.HOST)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        await browser.post(f"{live.url}{V1}/session", json={"token": token})
        by_cookie = await Follower.connect(browser, live.url, [])
        assert by_cookie.documents.epoch.endswith(".host")
        websocket = await live.client.ws_connect(f"{live.url}/realtime", protocols=[PROTOCOL, BEARER + token])
        assert websocket.protocol == PROTOCOL, "the token is never said back"
        assert (await websocket.receive_json(timeout=10))["role"] == "host"
        await websocket.close()
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await live.client.ws_connect(f"{live.url}/realtime", protocols=[PROTOCOL, f"{BEARER}wrong"])
        assert caught.value.status == 401
        # Logging out ends what the log-in opened: it is looked at with the pings.
        await browser.delete(f"{live.url}{V1}/session")
        live.web.tokens._known.clear()
        while (message := await by_cookie.websocket.receive(timeout=15)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (message.type, by_cookie.websocket.close_code) == (aiohttp.WSMsgType.CLOSE, 4401)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{", 4400),
        ('{"type":"dance"}', 4400),
        (b"\0\1", 1003),
        ("x" * (REALTIME.max_frame + 1), 1009),
    ],
)
async def test_frames_that_mean_nothing_close_with_a_reason(live: Site, sent: str | bytes, code: int) -> None:
    follower = await Follower.connect(live.client, live.url, [])
    await (
        follower.websocket.send_str(sent) if isinstance(sent, str) else follower.websocket.send_bytes(sent)
    )
    message = await follower.websocket.receive(timeout=10)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == code
    if code != 1009:
        assert message.extra
    await until(lambda: live.metric("gachi_realtime_closed_total", code=str(code)) == 1)
    await until(lambda: not live.web.realtime.readers)


async def test_too_many_frames_close(live: Site) -> None:
    follower = await Follower.connect(live.client, live.url, [])
    for _ in range(40):
        with contextlib.suppress(ConnectionError):
            await follower.websocket.send_json({"type": "subscribe", "topics": {}})
    while (message := await follower.websocket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert (message.data, message.extra) == (1008, "too many frames")


async def test_no_websocket_is_told_so_and_there_is_an_end_to_connections(tmp_path: Path) -> None:
    few = RealtimeSettings(max_clients=3, max_clients_per_address=2)
    async with site(tmp_path, realtime=few) as live:
        problem = await live.ask("GET", "/realtime", status=426)
        assert problem["type"] == "/problems/upgrade-required"
        first = await Follower.connect(live.client, live.url, [])
        second = await Follower.connect(live.client, live.url, [])
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await Follower.connect(live.client, live.url, [])
        assert caught.value.status == 429
        await first.close()
        await until(lambda: len(live.web.realtime.readers) == 1)
        third = await Follower.connect(live.client, live.url, [])
        await asyncio.gather(second.close(), third.close())


async def test_an_owner_that_is_away_is_told(live: Site) -> None:
    follower = await Follower.connect(live.client, live.url, ["sources"], token=ADMIN)
    await told(follower, "sources", "channels", fresh=True)
    live.web.board.fresh = False
    live.web.board._watched("", None)
    await told(follower, "sources", "channels", fresh=False)
    await told(follower, "sources", "channels", fresh=True)  # it was asked for again
    await follower.close()


class Deaf:
    """A client that connects, asks for everything, and never reads again; its system takes as little as it can."""

    def __init__(self, live: Site) -> None:
        self._live = live
        self.socket: socket.socket | None = None

    async def connect(self) -> None:
        url, loop = urlsplit(self._live.url), asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, (url.hostname, url.port))
        head = (
            f"GET /realtime HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {ADMIN}\r\n\r\n"
        )
        asked = json.dumps({"type": "subscribe", "topics": {"channels": None}}).encode()
        # Masked with zeros: RFC 6455 §5.3 asks for a mask, and this one leaves the text readable.
        frame = bytes([0x81, 0x80 | len(asked)]) + bytes(4) + asked
        await loop.sock_sendall(self.socket, head.encode() + frame)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


async def test_half_of_two_hundred_do_not_read_and_the_others_miss_nothing(tmp_path: Path) -> None:
    """The readers get every change in time; the others are dropped and counted, and cost next to nothing meanwhile."""
    # All clients share a thread with the server here: patience that a starved machine does not use up.
    patient = REALTIME.model_copy(update={"stall_seconds": 5.0, "beat_seconds": 10.0})
    async with site(tmp_path, realtime=patient) as live:
        await live.ask("POST", f"{V1}/channels", json={"id": "main"}, status=201)
        await half_are_deaf(live, half=100, changes=60)


async def half_are_deaf(live: Site, *, half: int, changes: int) -> None:
    deaf = [Deaf(live) for _ in range(half)]
    readers = await asyncio.gather(
        *(Follower.connect(live.client, live.url, ["channels"], token=ADMIN) for _ in range(half))
    )
    await asyncio.gather(*(each.connect() for each in deaf))
    await until(lambda: live.metric("gachi_realtime_clients") == 2 * half)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    main = live.owners.channels["main"]

    async def read(follower: Follower) -> list[float]:
        seen: list[float] = []
        async with asyncio.timeout(60):
            while not seen or seen[-1] != changes:
                await follower.read()
                speed = follower.documents.topics.get("channels", {}).get("main", {}).get("speed", 0)
                if speed and (not seen or speed != seen[-1]):
                    seen.append(speed)
        return seen

    async def change() -> None:
        for n in range(1, changes + 1):
            # Large, so that one who does not read is soon found out.
            view = main.model_copy(update={"speed": float(n), "reason": f"{n} " + "x" * 40_000})
            await live.owners.tell(ChannelChanged(channel=view))
            live.owners.channels["main"] = view
            await asyncio.sleep(0.06)  # longer than a batch: each change is a frame of its own

    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(read(follower)) for follower in readers]
        tasks.create_task(change())
    took = time.monotonic() - began
    for task in reading:
        assert task.result() == sorted(task.result()), "in order"
    assert took < 60
    await until(lambda: live.metric("gachi_realtime_clients") == half, timeout=40)
    dropped = {
        reason: live.metric("gachi_realtime_evicted_total", reason=reason) for reason in ("stalled", "silent")
    }
    assert sum(dropped.values()) == half
    assert dropped["stalled"] > 0
    # What one may hold unsent, and the frame that went over it; a backlog would be 2.4 MB for each.
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60_000, f"{grown} kB for {half} clients that do not read"
    for each in deaf:
        each.close()
    await asyncio.gather(*(follower.close() for follower in readers))


async def test_a_session_of_nothing_but_pings_lives(live: Site) -> None:
    follower = await Follower.connect(live.client, live.url, ["jobs"], token=ADMIN)
    began = time.monotonic()
    while time.monotonic() - began < 2.5 * REALTIME.beat_seconds:
        await follower.read()
    assert follower.documents.counts["beat"] >= 1
    await follower.close()

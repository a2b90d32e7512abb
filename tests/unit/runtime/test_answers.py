from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request

from runtime.answers import Whole, fields
from runtime.supervision.hosting import run

BODY = bytes(range(256)) * 2000
HEADERS = {"Content-Type": "video/mp4", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
Client = TestClient[web.Request, web.Application]
Connect = Callable[[web.Application], Awaitable[Client]]


@pytest.fixture
async def client(aiohttp_client: Connect) -> Client:
    """Ours at /ours, the same answer by aiohttp at /theirs."""

    async def ours(request: web.Request) -> web.StreamResponse:
        return Whole(BODY, fields(HEADERS), int(request.query.get("status", "200")))

    async def theirs(request: web.Request) -> web.StreamResponse:
        return web.Response(body=BODY, headers=HEADERS, status=int(request.query.get("status", "200")))

    async def empty(_: web.Request) -> web.StreamResponse:
        return Whole(b"", fields(HEADERS))

    app = web.Application()
    app.router.add_get("/ours", ours)
    app.router.add_get("/theirs", theirs)
    app.router.add_get("/empty", empty)
    return await aiohttp_client(app)


async def raw(client: Client, *requests: str) -> bytes:
    """What comes over one connection until the server closes it."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write("".join(requests).encode())
    async with asyncio.timeout(10):
        got = await reader.read()
    writer.close()
    return got


def head_of(answer: bytes) -> tuple[str, list[str]]:
    """Status line, and the fields in an order of their own; dates are alike."""
    status, *lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return status, sorted(re.sub("^Date: .*GMT$", "Date", line) for line in lines)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?status=206"])
@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("1.1", "Connection: close\r\n"),
        ("1.0", ""),
        ("1.0", "Connection: close\r\n"),
    ],
)
async def test_it_says_what_an_answer_of_aiohttp_says(
    client: Client, method: str, query: str, version: str, more: str
) -> None:
    ours, theirs = [
        await raw(client, f"{method} /{path}{query} HTTP/{version}\r\nHost: x\r\n{more}\r\n")
        for path in ("ours", "theirs")
    ]
    assert head_of(ours) == head_of(theirs)
    assert ours.partition(b"\r\n\r\n")[2] == theirs.partition(b"\r\n\r\n")[2]
    assert ours.endswith(BODY) == (method == "GET")


@pytest.mark.parametrize("path", ["ours", "theirs"])
async def test_connections_stay_open_as_their_version_has_it(client: Client, path: str) -> None:
    request = f"GET /{path} HTTP/%s\r\nHost: x\r\nConnection: %s\r\n\r\n"
    new = await raw(client, request % ("1.1", "keep-alive"), request % ("1.1", "close"))
    first, second = new.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"Connection:" not in first
    assert b"Connection: close\r\n" in second
    old = await raw(client, request % ("1.0", "keep-alive"), request % ("1.0", "close"))
    first, second = old.split(b"HTTP/1.0 200 OK\r\n")[1:]
    assert b"Connection: keep-alive\r\n" in first
    assert b"Connection:" not in second


async def test_nothing_is_an_answer_too(client: Client) -> None:
    for _ in range(2):  # over one connection, so that the second would meet what the first left
        async with client.get("/empty") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "0")
            assert await answer.read() == b""


class Transport(asyncio.Transport):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.given.append(bytes(data))

    def writelines(self, list_of_data: object) -> None:
        assert isinstance(list_of_data, tuple)
        self.given.extend(list_of_data)

    def is_closing(self) -> bool:
        return self.closing


async def test_the_body_is_not_copied_and_sent_once() -> None:
    transport = Transport()
    request = make_mocked_request("GET", "/", transport=transport)
    answer = Whole(BODY, fields(HEADERS))
    for _ in range(2):  # aiohttp ends every answer, also one that its handler has sent
        await answer.prepare(request)
        await answer.write_eof()
    assert answer.prepared
    head, body = transport.given
    assert body is BODY
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_reader_that_is_gone_is_told() -> None:
    transport = Transport()
    transport.closing = True
    answer = Whole(BODY, fields(HEADERS))
    await answer.prepare(make_mocked_request("GET", "/", transport=transport))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await answer.write_eof()
    assert not transport.given


def test_a_reader_that_reads_late_is_waited_for_on_the_loop_of_the_product() -> None:
    """Not on the tests' own loop: there the two are joined and written."""
    large = BODY * 40  # far beyond what the sockets' buffers take

    async def work() -> None:
        answer = Whole(large, fields(HEADERS))
        sending, sent = asyncio.Event(), asyncio.Event()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            await answer.prepare(request)
            sending.set()
            await answer.write_eof()
            sent.set()
            return answer

        server = await asyncio.get_running_loop().create_server(web.Server(handle), "127.0.0.1", 0)
        async with server, asyncio.timeout(20):
            # A reader of little at a time, so that the rest stays with the server.
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1024)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await sending.wait()
            await reader.readuntil(b"\r\n\r\n")
            assert not sent.is_set()
            assert await reader.readexactly(len(large)) == large
            await sent.wait()
            writer.close()

    run(work())


def test_fields_stay_in_their_lines() -> None:
    assert fields({"A": "b", "C": "d; e"}) == b"A: b\r\nC: d; e\r\n"
    for name, value in (("A", "b\r\nC: d"), ("A\n", "b"), ("A", "b\0")):
        with pytest.raises(ValueError, match="control"):
            fields({name: value})

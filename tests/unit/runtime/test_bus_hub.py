"""What only the hub can get wrong: frames, garbage, and clients that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bus import hub_server
from runtime.bus.frames import GREETING, MAX_FRAME, Frame, FrameError, Kind, Splitter, encode
from runtime.bus.hub import HubBus, HubServer

frames = st.builds(Frame, st.sampled_from(Kind), st.text("abc.*", max_size=20), st.binary(max_size=200))


@given(st.lists(frames, max_size=10), st.lists(st.integers(1, 50), max_size=50))
def test_frames_survive_any_cutting(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encode(frame.kind, frame.topic, frame.body) for frame in sent)
    splitter, got, at = Splitter(), [], 0
    for cut in cuts:
        got += splitter.feed(stream[at : at + cut])
        at += cut
    got += splitter.feed(stream[at:])
    assert got == sent


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_a_frame_error(data: bytes) -> None:
    try:
        for frame in Splitter().feed(data):
            assert encode(frame.kind, frame.topic, frame.body) in data
    except FrameError:
        pass


def test_a_frame_over_the_limit_is_refused_before_it_is_there() -> None:
    with pytest.raises(FrameError, match="bytes"):
        Splitter().feed((MAX_FRAME + 1).to_bytes(4, "big"))


@pytest.fixture
async def server() -> AsyncIterator[HubServer]:
    with tempfile.TemporaryDirectory(prefix="gachi-") as folder:
        async with HubServer(Path(folder) / "bus.sock") as server:
            yield server


@pytest.fixture
async def bus(server: HubServer) -> AsyncIterator[HubBus]:
    bus = HubBus(server.path)
    yield bus
    await bus.close()


async def dial(server: HubServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(server.path))


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(4096),
        b"\xff" * 100,
        encode(Kind.PUBLISH, "a", b"no greeting"),
        encode(Kind.HELLO, body=b"gachi-bus/9"),
        encode(Kind.HELLO, body=GREETING) + encode(Kind.PUBLISH, "no topic!"),
        encode(Kind.HELLO, body=GREETING) + encode(Kind.SUBSCRIBE, "a.**.b"),
        encode(Kind.HELLO, body=GREETING) + encode(Kind.ACK),
    ],
)
async def test_garbage_closes_only_who_sent_it(server: HubServer, bus: HubBus, garbage: bytes) -> None:
    async with bus.subscribe("a") as messages, asyncio.timeout(10):
        reader, writer = await dial(server)
        writer.write(garbage)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        await bus.publish("a", b"still here")
        assert (await anext(aiter(messages))).body == b"still here"
        assert messages.interruptions == 0


async def test_a_client_that_does_not_read_loses_messages_and_holds_nobody_up(
    server: HubServer, bus: HubBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_server, "QUEUE_BYTES", 1 << 20)
    _, writer = await dial(server)
    writer.write(encode(Kind.HELLO, body=GREETING) + encode(Kind.SUBSCRIBE, "a"))
    await writer.drain()
    async with bus.subscribe("a", size=1000) as messages, asyncio.timeout(20):
        for number in range(200):
            await bus.publish("a", number.to_bytes(2, "big") + bytes(50_000))
        iterator = aiter(messages)
        assert [int.from_bytes((await anext(iterator)).body[:2], "big") for _ in range(200)] == list(
            range(200)
        )
        assert server.dropped > 100
    writer.transport.abort()


async def test_a_full_house_turns_a_client_away_and_takes_the_next(
    server: HubServer, bus: HubBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_server, "MAX_CLIENTS", 1)
    async with bus.subscribe("a"), asyncio.timeout(10):
        reader, writer = await dial(server)
        assert await reader.read() == b""
        writer.close()
        assert server.clients == 1


async def test_two_hubs_do_not_share_a_path_but_a_dead_ones_socket_is_taken_over(server: HubServer) -> None:
    with pytest.raises(OSError, match="already"):
        await HubServer(server.path).start()
    stale = server.path.with_name("stale.sock")
    async with HubServer(stale) as dead:
        os.link(stale, stale.with_name("kept.sock"))
        await dead.close()
    async with HubServer(stale.with_name("kept.sock")) as living:
        assert living.path.stat().st_mode & 0o777 == 0o600

"""OBS Studio as people use it: pushes to the product, and is seen by viewers. What it sends is noted on the way.

The numbers in docs/decisions/0003-rtmp-server.md come from this test's output (``pytest -s``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from media.ingest.rtmp.chunks import ChunkReader
from tests.support.browser import browser, open_page
from tests.support.obs import need_obs, obs
from tests.support.product import SMALL, Product, Seed

KEY = "obs-has-this-key"
HANDSHAKE = 1 + 1536 + 1536
"""Bytes of C0, C1 and C2 (RTMP 1.0, 5.2)."""
pytestmark = [pytest.mark.e2e, pytest.mark.peer, pytest.mark.timeout(180)]


@dataclass
class Tap:
    """What one connection sent, as far as it says something about the encoder."""

    chunk_size: int = 0
    profile: int = 0
    constraints: int = 0
    level: int = 0
    offsets: set[int] = field(default_factory=set)
    """Composition offsets, milliseconds: 0 alone where there are no B-frames."""
    keyframes: list[int] = field(default_factory=list)
    """Milliseconds of the key frames."""
    pictures: int = 0
    connections: int = 0

    def read(self, reader: ChunkReader, data: bytes) -> None:
        reader.feed(data)
        while (message := reader.next()) is not None:
            body = message.payload
            if (
                message.type == 9 and body[1] == 0
            ):  # AVC sequence header: the tag's head, then the avcC record
                self.profile, self.constraints, self.level = body[6], body[7], body[8]
            elif message.type == 9 and body[1] == 1:
                self.pictures += 1
                self.offsets.add(int.from_bytes(body[2:5], "big", signed=True))
                if body[0] >> 4 == 1:
                    self.keyframes.append(message.timestamp)
        self.chunk_size = reader.chunk_size


@asynccontextmanager
async def tapped(port: int) -> AsyncIterator[tuple[int, Tap]]:
    """A port that passes everything on to `port` and listens in."""
    tap = Tap()

    async def passing(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: ChunkReader | None
    ) -> None:
        skipped = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
                if chunks is not None:
                    handshake = min(HANDSHAKE - skipped, len(data))
                    skipped += handshake
                    tap.read(chunks, data[handshake:])
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tap.connections += 1
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(passing(reader, onward, ChunkReader(8 << 20)))
            tasks.create_task(passing(onward_reader, writer, None))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], tap


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    need_obs()
    with Product.start(
        tmp_path_factory.mktemp("obs"),
        channels={"main": SMALL},
        feeds=(Seed("camera", key=KEY),),
        program={"main": ("camera", None)},
    ) as running:
        yield running


async def test_obs_is_seen(product: Product, tmp_path: Path) -> None:
    async with (
        product.client() as client,
        tapped(product.rtmp_port) as (port, tap),
        obs(tmp_path, f"rtmp://127.0.0.1:{port}/live", KEY),
    ):
        began = time.monotonic()
        await client.state("camera", "live", within=60)
        await client.picture("main", "camera", within=30)
        print(f"OBS on air {time.monotonic() - began:.1f} s after it was started")
        feed = await client.feed("camera")
        assert "obs" in feed["peer"]
        assert (feed["video_codec"], feed["width"], feed["height"]) == ("h264", 640, 360)
        assert feed["audio_codec"] == "aac"
        async with browser() as chrome, open_page(chrome, f"{product.url}/live/main?debug") as viewer:
            await viewer.plays()
            await viewer.look()
            await viewer.sees("blue")
            before = await viewer.player()
            await asyncio.sleep(2)
            assert (await viewer.player())["audio"] > before["audio"]
            assert viewer.errors == []
        for _ in range(100):  # two key frames tell their distance
            if len(tap.keyframes) >= 2:
                break
            await asyncio.sleep(0.2)
        await client.picture("main", "camera")
        assert tap.connections == 1
    apart = [b - a for a, b in zip(tap.keyframes, tap.keyframes[1:], strict=False)]
    print(
        f"OBS ({feed['peer'].partition(' ')[2]}): chunks of {tap.chunk_size}, H.264 profile {tap.profile} "
        f"constraints {tap.constraints:#04x} level {tap.level / 10}, composition offsets {sorted(tap.offsets)} ms, "
        f"key frames {apart} ms apart, {tap.pictures} pictures"
    )
    assert tap.chunk_size >= 128
    assert tap.pictures > 60

"""The disk below the running product fills up: live goes on, the tape keeps what it had and says what it lacks, and
recording resumes by itself when there is room again.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conformance.checker import seams
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support.product import SMALL, Client, Product, Seed, until

pytestmark = pytest.mark.timeout(300)
"""A machine that does much else may take a minute or two to start the product."""

MB = 1 << 20
LADDER = [{"height": 180, "bitrate": 2_000_000}, {"height": 120, "bitrate": 500_000}]
LOST = re.compile(
    r'^gachi_recorder_lost_segments_total{[^}]*process="worker-main"[^}]*} ([\d.e+]+)$', re.MULTILINE
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a full disk below the whole product is not tested: mounting a small one takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a full disk below the whole product is not tested: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


@pytest.fixture
def product(tmp_path: Path, small_disk: Path) -> Iterator[Product]:
    _noise(tmp_path / "noise.mp4")
    with Product.start(
        tmp_path / "product",
        data=small_disk / "var",
        # Noise, which cannot be made small, and little memory for what waits: that is full within seconds.
        channels={"main": {**SMALL, "ladder": LADDER}, "side": SMALL},
        feeds=(
            Seed("noise", "file", options={"path": "noise.mp4", "loop": "true"}),
            Seed("pattern", "test", options={"width": "320", "height": "180"}),
        ),
        program={"main": ("noise", None), "side": ("pattern", None)},
        settings={"ingest": {"media_dir": str(tmp_path)}, "tape": {"min_free_bytes": 0, "held_bytes": MB}},
    ) as running:
        yield running


def _noise(path: Path) -> None:
    """A clip of two seconds."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "bf": "0", "g": "30"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 180, "yuv420p", 4_000_000
        for _ in range(60):
            luma = random.integers(16, 235, (270, 320), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(luma, format="yuv420p")))
        out.mux(stream.encode(None))


async def test_a_full_disk_stops_the_tape_and_nothing_else(
    product: Product, client: Client, small_disk: Path
) -> None:
    before = product.living()
    show = await client.api("POST", "/shows", {"title": "Full", "channel": "main"})
    show = await client.api("POST", f"/shows/{show['id']}/start")
    await asyncio.sleep(4)
    ballast = small_disk / "ballast"
    async with asyncio.TaskGroup() as tasks:
        viewers = [
            tasks.create_task(collect(client.session, product.hls(name), 20)) for name in ("main", "side")
        ]
        await asyncio.to_thread(_fill, ballast)

        async def told() -> bool:
            return any(entry["type"] == "tape.trouble" for entry in await client.log(show["id"]))

        await until(told, 15, "the log to tell of the full disk")

        async def lost() -> bool:
            figures = LOST.search((await client.get_as_staff("/metrics"))[1].decode())
            return figures is not None and float(figures[1]) > 0

        await until(lost, 30, "the memory to be full, and a segment to be lost")
        ballast.unlink()

        async def over() -> bool:
            troubles = [e for e in await client.log(show["id"]) if e["type"] == "tape.trouble"]
            return not troubles[-1]["data"]["reason"]

        await until(over, 30, "the tape to go on")
        await asyncio.sleep(3)
    for each in viewers:
        assert not check(each.result())
        assert seams(each.result()) == []
    assert product.living() == before, product.log_tail()
    stopped = await client.api("POST", f"/shows/{show['id']}/stop")
    status, text = await client.get(f"/replays/{show['id']}/v180/index.m3u8")
    assert status == 200
    assert b"#EXT-X-ENDLIST" in text
    recording = await client.api("GET", f"/recordings/{stopped['recording']}")
    # What the memory could hold while there was no room is on tape too; what is missing is told, with its cause.
    assert recording["gaps"]
    assert {gap["cause"] for gap in recording["gaps"]} == {"disk"}
    # And after the gap the tape goes on to the show's end.
    resumed, ended = (datetime.fromisoformat(at) for at in (recording["gaps"][-1]["ends"], stopped["ended"]))
    assert (ended - resumed).total_seconds() > 2
    assert text.count(b"#EXTINF") >= 5


def _fill(path: Path) -> None:
    """Take all that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (MB, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue

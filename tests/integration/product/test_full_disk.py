"""The disk below the running product fills up: live goes on, the tape keeps what it had and says what it lacks, and
recording resumes by itself when there is room again.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conformance.checker import check_playlists
from tests.conformance.collect import collect
from tests.support.product import SMALL, Client, Product, Seed, until

pytestmark = pytest.mark.timeout(300)
"""A machine that does much else may take a minute or two to start the product."""

MB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a full disk below the whole product is not tested: mounting a small one takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)],
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
    with Product.start(
        tmp_path / "product",
        data=small_disk / "var",
        channels={"main": SMALL},
        feeds=(Seed("pattern", "test", options={"width": "320", "height": "180"}),),
        program={"main": ("pattern", None)},
    ) as running:
        yield running


async def test_a_full_disk_stops_the_tape_and_nothing_else(
    product: Product, client: Client, small_disk: Path
) -> None:
    before = product.living()
    show = await client.api("POST", "/shows", {"title": "Full", "channel": "main"})
    show = await client.api("POST", f"/shows/{show['id']}/start")
    await asyncio.sleep(4)
    ballast = small_disk / "ballast"
    async with asyncio.TaskGroup() as tasks:
        viewer = tasks.create_task(collect(client.session, product.hls("main"), 24, fetch=False))
        await asyncio.to_thread(_fill, ballast)

        async def told() -> bool:
            return any(entry["type"] == "tape.trouble" for entry in await client.log(show["id"]))

        await until(told, 15, "the log to tell of the full disk")
        await asyncio.sleep(3)
        ballast.unlink()

        async def over() -> bool:
            troubles = [e for e in await client.log(show["id"]) if e["type"] == "tape.trouble"]
            return not troubles[-1]["data"]["reason"]

        await until(over, 30, "the tape to go on")
        await asyncio.sleep(3)
    assert not check_playlists(viewer.result().answers)[1]
    assert product.living() == before, product.log_tail()
    assert "EXT-X-DISCONTINUITY\n" not in viewer.result().answers[-1].text
    stopped = await client.api("POST", f"/shows/{show['id']}/stop")
    status, text = await client.get(f"/replays/{show['id']}/v180/index.m3u8")
    assert status == 200
    assert b"#EXT-X-ENDLIST" in text
    recording = await client.api("GET", f"/recordings/{stopped['recording']}")
    # What the memory could hold while there was no room is on tape too; what is missing is told, with its cause.
    assert {gap["cause"] for gap in recording["gaps"]} <= {"disk"}
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

"""SRT and a pulled camera through the whole product: swapped on program, and what ends them, without a discontinuity."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from tests.conformance.checker import seams
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support.ffmpeg_sender import ffmpeg, publishing
from tests.support.iso import packets_of
from tests.support.product import SMALL, Product, Seed, newest, until
from tests.support.rtsp_server import Habits, RtspServer
from tests.support.watching import watch

# What each of them does alone, and what ends it, is tested at ingest (test_srt_feeds.py, test_rtsp_feeds.py) every time.
pytestmark = [pytest.mark.soak, pytest.mark.peer, pytest.mark.timeout(240)]
SRT_PORT = 19_710
FEEDS = ("pattern", "desk", "door")


async def test_a_camera_and_an_srt_sender_are_swapped_without_a_seam(tmp_path: Path) -> None:
    ffmpeg()
    settings = {"ingest": {"srt_port": SRT_PORT, "rtsp_networks": ["127.0.0.0/8"], "rtsp_silence": 2.0}}
    async with RtspServer(Habits(user=("admin", "p@ss word"), digest=True)) as camera:
        with Product.start(
            tmp_path,
            channels={"main": SMALL},
            feeds=(Seed("pattern", "test", options={"width": "320", "height": "180"}),),
            program={"main": ("pattern", None)},
            settings=settings,
        ) as product:
            async with product.client() as client:
                made = await client.api("POST", "/feeds", {"id": "desk", "kind": "srt"})
                assert made["publish_url"].startswith(f"srt://127.0.0.1:{SRT_PORT}?")
                assert made["stream_key"] in made["publish_url"]
                options = {"url": camera.url(), "username": "admin", "password": "p@ss word"}
                door = await client.api("POST", "/feeds", {"id": "door", "kind": "rtsp", "options": options})
                assert door["options"] == {"url": camera.url()}
                assert door["stream_key"] == ""
                async with publishing(made["publish_url"], "green", form="mpegts"):
                    await client.state("desk", "live")
                    await client.state("door", "live")
                    isos = {feed: (await client.api("POST", "/isos", {"feed": feed}))["id"] for feed in FEEDS}
                    await client.program("main", "door", "desk")
                    await client.picture("main", "door")
                    since, _ = newest(await client.playlist("main", "v180"))
                    collecting = asyncio.create_task(collect(client.session, product.hls("main"), 14))
                    await asyncio.sleep(3)
                    camera.habits.silent_after = 0.1  # it hangs: the backup is on air
                    await client.picture("main", "desk")
                    camera.habits.silent_after = 0
                    await client.state("door", "live", within=30)
                    await client.picture("main", "door")
                    killed = receivers(product)
                    assert len(killed) == 2  # one a feed
                    for command in product.processes().values():
                        assert made["stream_key"] not in command
                    for pid in killed:
                        os.kill(pid, signal.SIGKILL)  # both at once

                    async def again() -> bool:
                        # The camera is asked anew. The sender by SRT is told, ends, and nobody waits for it with a process.
                        there = set(receivers(product))
                        return len(there) == 1 and not there & killed.keys()

                    async def recorded_anew() -> bool:
                        return len((await client.api("GET", f"/isos/{isos['door']}"))["parts"]) == 2

                    await until(again, 30, "the camera's receiver to be started again")
                    await client.state("desk", "lost", within=30)
                    await client.state("door", "live", within=30)
                    await until(recorded_anew, 30, "the camera to be recorded on")
                    recording = await collecting
                    recorded = {
                        feed: await client.api("POST", f"/isos/{iso}/stop") for feed, iso in isos.items()
                    }
                assert not check(recording)
                assert seams(recording) == []
                watched = watch(recording, since=since)
                assert len(watched.flashes) >= 2
                assert len(watched.beeps) >= 2
                # Meanwhile all were recorded as they came; a camera that was lost and came back is in files of its own.
                assert [len(recorded[feed]["parts"]) for feed in FEEDS] == [1, 1, 2]
                for feed, iso in recorded.items():
                    for part in iso["parts"]:
                        status, film = await client.get_as_staff(part["url"])
                        assert (status, len(film)) == (200, part["size"])
                        kinds = {kind for kind, _, _ in packets_of(film)}
                        assert kinds == {"video", *(["audio"] if part["audio"] else [])}
                    on_main = [
                        p for part in iso["parts"] for p in part["placements"] if p["channel"] == "main"
                    ]
                    assert on_main or feed == "pattern"
                log = (product.folder / "serve.log").read_text(encoding="utf-8")
                for secret in (made["stream_key"], "p@ss word", "p%40ss"):
                    assert secret not in log
                _, figures = await client.get_as_staff("/metrics")
                for name, feed in (
                    ("gachi_srt_children_total", "desk"),
                    ("gachi_rtsp_connections_total", "door"),
                ):
                    assert re.search(rf'{name}{{[^}}]*feed="{feed}"[^}}]*}} [1-9]', figures.decode()), name


def receivers(product: Product) -> dict[int, str]:
    """The ffmpeg children that receive, by pid with their command lines."""
    commands = product.processes()
    return {pid: each for pid, each in commands.items() if "concat" in each and "tether" not in each}

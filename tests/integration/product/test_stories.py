"""What the product is for, from outside: a channel that is swapped between sources for minutes, with readers and
senders who come and go, and a show from its start to its MP4. Short in `make test`, in full in `make soak`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import pytest

from media.packaging.fmp4 import fragments
from media.packaging.playlist_parser import parse_media, parse_multivariant
from tests.conformance.checker import check_playlists
from tests.conformance.collect import collect
from tests.conformance.media_checks import check, starts_with_idr
from tests.support.media import flashes, offsets
from tests.support.product import SMALL, Client, Product, Seed, breaks, newest, until
from tests.support.publisher import Publisher
from tests.support.watching import heard, pictures

pytestmark = pytest.mark.timeout(300)
"""A machine that does much else may take a minute or two to start the product."""

KEYS = {"camera": "story-camera-key", "second": "story-second-key"}
STEADY_MB = 25
"""A worker's resident memory may differ by so much between two looks at the same load."""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product.start(
        tmp_path_factory.mktemp("stories"),
        channels={"main": SMALL, "witness": SMALL},
        feeds=(
            *(Seed(feed, key=key) for feed, key in KEYS.items()),
            Seed("pattern", "test", options={"width": "320", "height": "180"}),
        ),
        program={"main": ("pattern", None), "witness": ("pattern", None)},
        # A cache that fills within seconds: what web grows by after that is no cache.
        settings={"playback": {"cache_mb": 8}},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


@contextlib.asynccontextmanager
async def cameras(product: Product, client: Client) -> AsyncIterator[dict[str, Publisher]]:
    """Both send."""
    async with contextlib.AsyncExitStack() as stack:
        sending = {
            feed: await stack.enter_async_context(Publisher(product.rtmp_port, key))
            for feed, key in KEYS.items()
        }
        for feed in KEYS:
            await client.state(feed, "live")
        yield sending


async def swap_for(client: Client, seconds: float, every: float) -> int:
    """Put one source after another on program; returns how many."""
    until_ = time.monotonic() + seconds
    count = 0
    for feed in itertools.cycle(("camera", "pattern", "second", "nobody", "pattern")):
        if time.monotonic() > until_:
            return count
        await client.program("main", None if feed == "nobody" else feed)
        count += 1
        await asyncio.sleep(every)
    return count


@pytest.mark.parametrize("seconds", [20, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(0)])])
async def test_minutes_of_swaps_keep_every_rule(product: Product, client: Client, seconds: int) -> None:
    before = product.living()
    async with cameras(product, client):
        first = newest(await client.playlist("main", "v180"))[0]
        async with asyncio.TaskGroup() as tasks:
            viewer = tasks.create_task(collect(client.session, product.hls("main"), seconds))
            beside = tasks.create_task(collect(client.session, product.hls("witness"), seconds, fetch=False))
            swaps = tasks.create_task(swap_for(client, seconds - 2, 1.7))
        assert not check(viewer.result())
        assert not check_playlists(beside.result().answers)[1]
        assert swaps.result() >= seconds / 3
        # Nobody saw a break: not the one that swaps, nor the one beside it.
        for channel in ("main", "witness"):
            assert [n for n in breaks(await client.playlist(channel, "v180")) if n >= first] == []
    assert product.living() == before, product.log_tail()
    print(
        f"{swaps.result()} swaps, {len(viewer.result().answers)} playlists, {len(viewer.result().objects)} objects"
    )


async def read_and_leave(client: Client, until_: float, dice: random.Random) -> int:
    """A viewer who joins, follows for a moment, and leaves in the midst of an answer."""
    served = 0
    while time.monotonic() < until_:
        rendition = dice.choice(("v180", "v120", "audio"))
        playlist = await client.playlist("main", rendition)
        for _ in range(dice.randrange(1, 4)):
            msn, part = newest(playlist)
            playlist = await client.playlist("main", rendition, msn=msn, part=part)
            status, _ = await client.get(f"/hls/main/{rendition}/{playlist.segments[-1].uri}")
            assert status == 200
            served += 1
        ahead = {"_HLS_msn": str(newest(playlist)[0] + 1)}
        asking = asyncio.create_task(client.get(f"/hls/main/{rendition}/index.m3u8", ahead))
        await asyncio.sleep(dice.random() / 4)
        asking.cancel()
        await asyncio.wait((asking,))
    return served


@pytest.mark.parametrize(
    ("swaps", "readers", "reconnects"),
    [(16, 10, 8), pytest.param(256, 50, 200, marks=[pytest.mark.soak, pytest.mark.timeout(0)])],
)
async def test_swaps_under_churning_readers_and_reconnects(
    product: Product, client: Client, swaps: int, readers: int, reconnects: int
) -> None:
    before = product.living()
    first = newest(await client.playlist("main", "v180"))[0]
    dice = random.Random(7)
    used: dict[str, list[int]] = {"worker main": [], "ingest": [], "web": []}

    async def look() -> None:
        for name, sizes in used.items():
            sizes.append(product.rss(before[name]) >> 20)

    async def reconnect(count: int) -> None:
        for _ in range(count):
            async with Publisher(product.rtmp_port, KEYS["camera"], reconnects=False) as sender:
                await until(lambda: _sent(sender), 20, "the camera to send")

    async def swap(count: int) -> None:
        for feed in itertools.islice(itertools.cycle(("camera", "pattern", "second", "pattern")), count):
            await client.program("main", feed)
            await asyncio.sleep(0.5)

    async with Publisher(product.rtmp_port, KEYS["second"]), asyncio.TaskGroup() as tasks:
        # The first eighth warms everything up: caches fill, decoders and connections are made.
        warm = time.monotonic() + swaps / 8 * 0.5 + 4
        await asyncio.gather(
            swap(swaps // 8),
            reconnect(reconnects // 8),
            *(read_and_leave(client, warm, dice) for _ in range(readers)),
        )
        await look()
        beside = tasks.create_task(collect(client.session, product.hls("witness"), swaps * 0.4, fetch=False))
        working = asyncio.gather(swap(swaps), reconnect(reconnects))
        crowd = [tasks.create_task(_while(working, client, dice)) for _ in range(readers)]
        await working
        for reader in crowd:
            await reader
        await look()
    print(f"resident MB before and after {swaps} swaps, {reconnects} reconnects: {used}")
    assert not check_playlists(beside.result().answers)[1]
    assert product.living() == before, product.log_tail()
    assert [n for n in breaks(await client.playlist("main", "v180")) if n >= first] == []
    for name, (one, two) in used.items():
        assert two - one < STEADY_MB, f"{name} grew from {one} to {two} MB"


async def _sent(sender: Publisher) -> bool:
    return sender.sent > 20


async def _while(working: asyncio.Future[Any], client: Client, dice: random.Random) -> None:
    while not working.done():
        await read_and_leave(client, time.monotonic() + 1, dice)


@pytest.mark.parametrize(
    "stretch", [6.0, pytest.param(100.0, marks=[pytest.mark.soak, pytest.mark.timeout(0)])]
)
async def test_a_show_from_its_start_to_its_mp4(product: Product, client: Client, stretch: float) -> None:
    async with cameras(product, client):
        await client.program("main", "camera", "pattern")
        await client.picture("main", "camera")
        show = await client.api("POST", "/shows", {"title": "딸기 특가", "channel": "main"})
        path = f"/shows/{show['id']}"
        assert (await client.get(f"/replays/{show['id']}/index.m3u8"))[0] == 404
        show = await client.api("POST", f"{path}/start")
        await asyncio.sleep(stretch)
        await client.api("POST", f"{path}/marks", {"label": "strawberries"})
        await client.program("main", "second", "pattern")
        await asyncio.sleep(stretch)
        await client.program("main", "camera", "pattern")
        await asyncio.sleep(stretch)
        show = await client.api("POST", f"{path}/stop")
    stopped = time.monotonic()
    length = (datetime.fromisoformat(show["ended"]) - datetime.fromisoformat(show["started"])).total_seconds()
    assert abs(length - 3 * stretch) < 2
    await replay_is_whole(client, show, length)
    at_once = time.monotonic() - stopped
    log_tells(await client.log(show["id"]))
    recording = await client.api("GET", f"/recordings/{show['recording']}")
    assert recording["gaps"] == []
    assert recording["size"] > 0
    job = await client.api("POST", f"{path}/export")

    async def done() -> bool:
        state = (await client.api("GET", f"/jobs/{job['id']}"))["state"]
        assert state != "failed"
        return bool(state == "done")

    took = await until(done, 30 + stretch, "the export")
    status, data = await client.get_as_staff(f"/api/v1{path}/export.mp4")
    assert status == 200
    first, last = in_step(data, length, min(60.0, stretch))
    print(
        f"replay read whole {at_once:.2f} s after stop, export in {took:.2f} s, sound − picture {first}, {last}"
    )


async def replay_is_whole(client: Client, show: dict[str, Any], length: float) -> None:
    """Every rendition of the replay is VOD from the show's start to its end, each segment decodes alone."""
    base = f"/replays/{show['id']}/index.m3u8"
    status, text = await client.get(base)
    assert status == 200
    multivariant = parse_multivariant(text.decode())
    uris = {v.uri for v in multivariant.variants} | {r.uri for r in multivariant.renditions if r.uri}
    assert len(uris) == 3
    for uri in uris:
        status, text = await client.get(urljoin(base, uri))
        assert status == 200
        playlist = parse_media(text.decode())
        assert playlist.ended
        assert playlist.playlist_type == "VOD"
        assert breaks(playlist) == []
        total = sum(entry.duration for entry in playlist.segments) / 1e6
        assert length <= total + 0.05 <= length + 5, (uri, total, length)
        due: int | None = None
        for entry in playlist.segments:
            status, data = await client.get(urljoin(urljoin(base, uri), entry.uri))
            assert status == 200
            found = fragments(data)
            assert found[0].sync
            assert due is None or found[0].decode_time == due
            due = found[-1].decode_time + found[-1].duration
            assert "audio" in uri or starts_with_idr(data)


def log_tells(log: list[dict[str, Any]]) -> None:
    """What a host did is in the log, in order, and what was on air."""
    assert [entry["seq"] for entry in log] == list(range(1, len(log) + 1))
    types = [entry["type"] for entry in log]
    assert (types[0], types[-1]) == ("show.started", "show.stopped")
    (mark,) = (entry for entry in log if entry["type"] == "mark")
    assert mark["data"]["label"] == "strawberries"
    # What the switcher did by itself (a busy machine may freeze for a moment) is in the log too, without a command.
    pictures = [entry["data"] for entry in log if entry["type"] == "picture"]
    shown = [data["picture"] for data in pictures if data["command"]]
    assert shown[-2:] == ["second", "camera"], pictures
    # A line is written when it is heard of: a picture that a busy worker told late stands after what came meanwhile. What
    # the worker tells, and what the others do, are in order each.
    for told_by_worker in (True, False):
        times = [entry["time"] for entry in log if (entry["type"] == "picture") is told_by_worker]
        assert times == sorted(times)


def in_step(data: bytes, length: float, within: float) -> tuple[float, float]:
    """Median of sound minus picture, milliseconds, in the first and the last seconds of an MP4."""
    flash, beep = flashes(pictures(data)), heard(data)
    medians = []
    for since, until_ in ((0.0, within), (length - within, length + 5)):
        found = offsets([at for at in flash if since <= at < until_], beep)
        assert len(found) >= 3, (flash, beep)
        medians.append(statistics.median(found))
    assert all(abs(each) <= 0.020 for each in medians), medians
    return round(medians[0] * 1000, 1), round(medians[1] * 1000, 1)

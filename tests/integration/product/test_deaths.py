"""Processes that die, hang or cannot write, in the whole product: what was not hit goes on, what was hit comes back by
itself, viewers keep one time line with the one discontinuity that a new epoch is, and the tape keeps what it had.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from media.packaging.playlist import MediaPlaylist
from tests.conformance.checker import Recording, check_playlists, seams
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support.product import SMALL, Client, Product, Seed, breaks, newest, until
from tests.support.publisher import Publisher

pytestmark = pytest.mark.timeout(300)
"""A machine that does much else may take a minute or two to start the product."""

KEY = "camera-main-key"
BACK_TARGET = 3.0
"""Seconds from a worker's death to the first new part that viewers get; the deadline is five times it."""
BACK_WITHIN = 5 * BACK_TARGET
PART = 1 / 3
"""Seconds of a part: 10 frames at 30 per second."""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product.start(
        tmp_path_factory.mktemp("deaths"),
        channels={"main": SMALL, "witness": SMALL},
        feeds=(
            Seed("camera", key=KEY, second_publisher="take_over"),
            Seed("pattern", "test", options={"width": "320", "height": "180"}),
        ),
        program={"main": ("camera", "pattern"), "witness": ("pattern", None)},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


@pytest.fixture
async def camera(product: Product, client: Client) -> AsyncIterator[Publisher]:
    """On air on `main`."""
    product.wait_ready()
    async with Publisher(product.rtmp_port, KEY) as sender:
        await client.picture("main", "camera")
        await spare_is_warm(product)
        yield sender


async def spare_is_warm(product: Product) -> None:
    """Wait until a spare worker stands by, as it does in real life long before the next fault."""

    async def there() -> bool:
        workers = [pid for pid, command in product.processes().items() if "media.worker" in command]
        spares = set(workers) - set(product.workers().values())
        return any(product.rss(pid) > 60 << 20 for pid in spares)

    await until(there, 30, "a warm spare")


@contextlib.asynccontextmanager
async def show(client: Client, channel: str = "main") -> AsyncIterator[dict[str, Any]]:
    """A show that is live meanwhile; at the end the view has its recording's manifest under `recorded`."""
    view = await client.api("POST", "/shows", {"title": "Fault", "channel": channel})
    view = await client.api("POST", f"/shows/{view['id']}/start")
    try:
        yield view
    except BaseException:  # the tests after this one need the channel too
        await client.try_api("POST", f"/shows/{view['id']}/stop")
        raise
    view |= await client.api("POST", f"/shows/{view['id']}/stop")
    # The replay is answered once the end is on tape; so is what the manifest says final then.
    status, _ = await client.get(f"/replays/{view['id']}/index.m3u8")
    assert status == 200
    view["recorded"] = await client.api("GET", f"/recordings/{view['recording']}")


@contextlib.contextmanager
def only(product: Product, *hit: str) -> Iterator[None]:
    """No process but those named comes or goes meanwhile."""
    before = product.living()
    yield
    after = product.living()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == set(hit), product.log_tail()


async def first_part_after(client: Client, channel: str, epoch: int, at: float) -> float:
    """Seconds from `at` until a part of another epoch than `epoch` is listed for viewers."""

    async def arrived() -> bool:
        _, body = await client.get(f"/hls/{channel}/v180/index.m3u8")
        lines = body.decode().splitlines()
        return any(line.startswith("#EXT-X-PART:") and f'"{epoch}-' not in line for line in lines[-12:])

    await until(arrived, BACK_WITHIN, f"{channel} to be back")
    return time.monotonic() - at


def told_once(recording: Recording, playlist: MediaPlaylist, before: int) -> None:
    """Every rule kept; one break came, and media sequence numbers went on without a hole."""
    assert not check(recording)
    seen = check_playlists(recording.answers)[0]
    for rendition in seen.values():
        numbers = sorted(rendition.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len([number for number in breaks(playlist) if number >= before]) == 1


def instants(recorded: dict[str, Any]) -> list[tuple[float, str]]:
    """(seconds, cause) of a manifest's gaps."""
    from datetime import datetime

    return [
        (
            (datetime.fromisoformat(gap["ends"]) - datetime.fromisoformat(gap["starts"])).total_seconds(),
            gap["cause"],
        )
        for gap in recorded["gaps"]
    ]


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(signal.SIGKILL, id="kill"),
        # The supervisor's own suite has a child that hangs; here the product around it is added.
        pytest.param(signal.SIGSTOP, id="stop", marks=pytest.mark.soak),
    ],
)
async def test_a_worker_dies_and_viewers_go_on(
    product: Product, client: Client, camera: Publisher, by: signal.Signals
) -> None:
    was_sent = camera.sent
    first = newest(await client.playlist("witness", "v180"))[0]
    async with asyncio.TaskGroup() as tasks:
        witness = tasks.create_task(collect(client.session, product.hls("witness"), 14))
        viewer = tasks.create_task(collect(client.session, product.hls("main"), 14))
        with only(product, "worker main"):
            async with show(client) as live:
                await asyncio.sleep(4)
                epoch = (await client.channel("main"))["epoch"]
                edge = newest(await client.playlist("main", "v180"))
                died = product.kill(product.workers()["main"], by)
                back = await first_part_after(client, "main", epoch, died)
                await client.picture("main", "camera")
                shown = time.monotonic() - died
                await asyncio.sleep(1)
    now = await client.playlist("main", "v180")
    told_once(viewer.result(), now, edge[0])
    assert not check(witness.result())
    assert [n for n in breaks(await client.playlist("witness", "v180")) if n >= first] == []
    assert camera.connections == 1
    assert camera.sent > was_sent
    gaps = instants(live["recorded"])
    print(f"{by.name}: back after {back:.2f} s, the camera's picture after {shown:.2f} s, gaps {gaps}")
    assert len(gaps) == 1
    assert gaps[0][1] == "worker"
    # The tape misses the time without a worker (a hung one made nothing either) and the part that was open.
    assert gaps[0][0] < back + 2 * PART
    types = [entry["type"] for entry in await client.log(live["id"])]
    assert "tape.gap" in types, types


@pytest.mark.parametrize(
    "role",
    [
        "web",
        "ingest",
        "node",
        *(pytest.param(each, marks=pytest.mark.soak) for each in ("studio", "jobs", "bridge")),
    ],
)
async def test_a_role_dies_and_comes_back(
    product: Product, client: Client, camera: Publisher, role: str
) -> None:
    """The node takes its workers with it (they die with their parent); what every other role does goes on."""
    lost = ("worker main", "worker witness") if role == "node" else ()
    epoch = (await client.channel("main"))["epoch"]
    async with show(client) as live:
        await asyncio.sleep(2)
        with only(product, role, *lost):
            died = product.kill(product.role(role))
            recovered: Callable[[], Awaitable[bool]] = _recovered(product, client, role)
            took = await until(recovered, 45, f"{role} to be back")
            await client.picture("main", "camera", 30)
            shown = time.monotonic() - died
        if role != "node":
            assert (await client.channel("main"))["epoch"] == epoch
        # Nothing of the time line was lost but by the node's own death.
        recording = await collect(client.session, product.hls("main"), 6)
        assert not check(recording)
    print(f"{role}: back after {took:.2f} s, the camera's picture after {shown:.2f} s")
    assert camera.connections == (2 if role == "ingest" else 1)
    gaps = instants(live["recorded"])
    assert [cause for _, cause in gaps] == (["worker"] if role == "node" else [])
    log = await client.log(live["id"])
    assert [entry["seq"] for entry in log] == list(range(1, len(log) + 1))
    assert (log[0]["type"], log[-1]["type"]) == ("show.started", "show.stopped")


def _recovered(product: Product, client: Client, role: str) -> Callable[[], Awaitable[bool]]:
    """Whether the work of a role is done again."""
    paths = {
        "ingest": "/feeds",
        "node": "/channels",
        "studio": "/shows",
        "jobs": "/recordings",
        "bridge": "/products",
        "web": "/session",
    }
    dead = product.role(role) or -1

    async def answers() -> bool:
        pid = product.role(role)
        if not pid or pid == dead or pid in product.killed:
            return False
        with contextlib.suppress(Exception):
            status, _ = await client.try_api("GET", paths[role])
            return status == 200 and (await client.get("/readyz"))[0] == 200
        return False

    return answers


async def test_a_locked_database_stops_nobody(product: Product, client: Client, camera: Publisher) -> None:
    """Somebody (a backup, an administrator's shell) holds the write lock for 10 s while a show is live."""
    since = {name: newest(await client.playlist(name, "v180"))[0] + 1 for name in ("main", "witness")}
    async with show(client) as live:
        with only(product):
            async with asyncio.TaskGroup() as tasks:
                collecting = {
                    name: tasks.create_task(collect(client.session, product.hls(name), 14)) for name in since
                }
                await asyncio.sleep(1)
                await asyncio.to_thread(_hold, product, 10.0)
        for name, each in collecting.items():
            assert not check(each.result())
            assert seams(each.result(), since[name]) == []
        await asyncio.sleep(1)
    assert live["recorded"]["gaps"] == []
    assert camera.connections == 1


def _hold(product: Product, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(product.data / "gachi.db", timeout=20)) as database:
        database.isolation_level = None
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        database.execute("ROLLBACK")

"""Senders that misbehave, against the whole product: viewers get one continuous time line whatever a sender does, a
channel beside it notices nothing, and no process dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import pytest

from tests.conformance.checker import Recording
from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support import rtmp_client
from tests.support.media import ClipSpec
from tests.support.product import SMALL, Client, Product, Seed, breaks, newest
from tests.support.publisher import CAMERA, Publisher, Wrong
from tests.support.watching import watch

pytestmark = pytest.mark.timeout(300)
"""A machine that does much else may take a minute or two to start the product."""

LANES = ("one", "two", "three", "four")
WITNESS = "witness"
SECONDS = 13.0
IN_STEP = 0.045
"""Seconds that sound and picture may be apart: the nearest of pictures 33 ms apart, with the encoder's own."""

STRAYS = 1
"""Flashes of one run that may be further off: a picture that a busy machine decodes late is repeated, not waited for."""


@dataclass
class Case:
    """One sender, and what viewers shall see."""

    name: str
    spec: ClipSpec = field(default_factory=lambda: CAMERA)
    wrong: Wrong = field(default_factory=Wrong)
    shows: frozenset[str] = frozenset({"feed"})
    """Pictures that may be seen from the time on at which it is on air."""
    in_step: bool = True
    """Whether flash and beep can be compared."""


def key_of(lane: str) -> str:
    return f"sender-{lane}-key"


CALM = frozenset({"feed"})
BLINK = frozenset({"feed", "freeze"})
BATCHES = (
    (
        Case("b-frames", replace(CAMERA, bframes=2)),
        Case("jump of 6 s", wrong=Wrong(jumps=((6.0, 6.0), (9.0, -6.0)))),
        Case("negative start", wrong=Wrong(start=-2.0)),
        Case("disordered stamps", wrong=Wrong(disordered=True), in_step=False),
    ),
    (
        Case("wrap of 2^24 ms", wrong=Wrong(start=16_777.216 - 6)),
        Case("wrap of 2^32 ms", wrong=Wrong(start=4_294_967.296 - 6)),
        Case("variable frame rate", replace(CAMERA, variable=True), in_step=False),
        Case("mono", replace(CAMERA, channels=1, sample_rate=44_100)),
    ),
    (
        Case("other size", wrong=Wrong(then=replace(CAMERA, width=426, height=240)), shows=BLINK),
        Case("other rate", wrong=Wrong(then=replace(CAMERA, rate=25 * CAMERA.rate / 30)), shows=BLINK),
        Case("other codec parameters", wrong=Wrong(then=replace(CAMERA, bframes=2, channels=1)), shows=BLINK),
        Case("missing packets", wrong=Wrong(lossy=True), shows=BLINK, in_step=False),
    ),
    (
        Case("sound alone", replace(CAMERA, video=False), shows=frozenset({"slate"}), in_step=False),
        Case("picture alone", replace(CAMERA, audio=None), in_step=False),
        Case("mute", wrong=Wrong(silent=(5.0, 10.0))),
        Case("right in every way"),
    ),
)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    pattern = Seed("pattern", "test", options={"width": "320", "height": "180"})
    with Product.start(
        tmp_path_factory.mktemp("senders"),
        channels=dict.fromkeys((WITNESS, *LANES), SMALL),
        feeds=(pattern, *(Seed(f"from-{lane}", key=key_of(lane)) for lane in LANES)),
        program={WITNESS: ("pattern", None), **{lane: (f"from-{lane}", None) for lane in LANES}},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as speaking:
        yield speaking


@contextlib.asynccontextmanager
async def nothing_else_happens(product: Product) -> AsyncIterator[None]:
    """No process dies or comes meanwhile."""
    before = product.living()
    yield
    assert product.living() == before, product.log_tail()


def faultless(recording: Recording) -> None:
    """Every rule kept, and no discontinuity."""
    assert not check(recording)
    assert len(recording.answers) > 20
    for answer in recording.answers[-3:]:
        assert answer.text.count("EXT-X-DISCONTINUITY\n") == 0


async def pictures_of(client: Client, channel: str, seconds: float) -> list[str]:
    """What viewers saw, looked at ten times a second."""
    seen = []
    async with asyncio.timeout(seconds + 20):
        for _ in range(int(seconds * 10)):
            seen.append((await client.channel(channel))["picture"])
            await asyncio.sleep(0.1)
    return seen


async def figures_of(client: Client, lane: str) -> str:
    """What the worker's figures say of the lane's input, for whoever reads a failure."""
    _, text = await client.get_as_staff("/metrics")
    return "\n".join(
        line
        for line in text.decode().splitlines()
        if line.startswith("gachi_input") and f"from-{lane}" in line
    )


@pytest.mark.parametrize("cases", BATCHES, ids=lambda cases: ", ".join(case.name for case in cases))
async def test_viewers_see_one_time_line(product: Product, client: Client, cases: tuple[Case, ...]) -> None:
    async with nothing_else_happens(product), contextlib.AsyncExitStack() as stack:
        for lane in LANES:  # who sent here before is gone
            await client.picture(lane, "slate")
        for lane, case in zip(LANES, cases, strict=True):
            sender = Publisher(product.rtmp_port, key_of(lane), case.spec, case.wrong, reconnects=False)
            await stack.enter_async_context(sender)
        for lane, case in zip(LANES, cases, strict=True):
            await client.picture(lane, f"from-{lane}" if "feed" in case.shows else "slate")
        since = {lane: newest(await client.playlist(lane, "v180"))[0] for lane in LANES}
        async with asyncio.TaskGroup() as tasks:
            collecting = {
                name: tasks.create_task(collect(client.session, product.hls(name), SECONDS))
                for name in (WITNESS, *LANES)
            }
            looking = {lane: tasks.create_task(pictures_of(client, lane, SECONDS * 0.75)) for lane in LANES}
        witness = collecting[WITNESS].result()
        faultless(witness)
        for lane, case in zip(LANES, cases, strict=True):
            seen = set(looking[lane].result())
            allowed = {f"from-{lane}" if picture == "feed" else picture for picture in case.shows}
            assert seen <= allowed, f"{case.name}: {seen}"
            recording = collecting[lane].result()
            assert not check(recording), case.name
            watched = watch(recording, since=since[lane])
            if case.spec.audio is not None:
                assert len(watched.beeps) >= 4, f"{case.name}: {watched} {await figures_of(client, lane)}"
            if case.in_step:
                found = watched.offsets
                assert len(found) >= 3, f"{case.name}: {watched}"
                halves = found[: len(found) // 2], found[len(found) // 2 :]
                assert all(abs(statistics.median(half)) < IN_STEP for half in halves), f"{case.name}: {found}"
                assert sum(abs(each) >= IN_STEP for each in found) <= STRAYS, f"{case.name}: {found}"


async def test_a_sender_that_stops_with_its_socket_open_and_returns(product: Product, client: Client) -> None:
    lane, feed = LANES[0], f"from-{LANES[0]}"
    async with nothing_else_happens(product), Publisher(product.rtmp_port, key_of(lane)) as sender:
        await client.program(lane, feed, "pattern")
        await client.program(LANES[1], feed)
        await client.picture(lane, feed)
        await client.picture(LANES[1], feed)
        async with asyncio.TaskGroup() as tasks:
            collecting = [
                tasks.create_task(collect(client.session, product.hls(name), 13))
                for name in (lane, LANES[1], WITNESS)
            ]
            await asyncio.sleep(1)
            sender.paused = True
            await client.picture(LANES[1], "freeze")
            await client.picture(lane, "pattern")
            await client.picture(LANES[1], "slate")
            assert (await client.feed(feed))["state"] == "stalled"
            assert (await client.channel(LANES[1]))["reason"]
            sender.paused = False
            await client.picture(lane, feed)
            await client.picture(LANES[1], feed)
        for each in collecting:
            faultless(each.result())
        assert sender.connections == 1
        await client.program(lane, feed)
        await client.program(LANES[1], f"from-{LANES[1]}")


async def test_what_is_no_sender_costs_nobody_anything(product: Product, client: Client) -> None:
    """A wrong key, garbage, one who says nothing, and a hundred who come and go, while another is on air."""
    lane, feed = LANES[2], f"from-{LANES[2]}"
    async with nothing_else_happens(product), Publisher(product.rtmp_port, key_of(lane)) as sender:
        await client.picture(lane, feed)

        async def say(data: bytes, *, wait: float = 10) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", product.rtmp_port)
            writer.write(data)
            try:
                return await rtmp_client.until_closed(reader, wait)
            finally:
                writer.close()

        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(collect(client.session, product.hls(lane), 8))
            silent = tasks.create_task(say(b"", wait=50))
            refused = tasks.create_task(say(rtmp_client.opening("no-such-key")))
            second = tasks.create_task(say(rtmp_client.opening(key_of(lane))))
            for junk in (
                b"\0" * 5000,
                b"GET / HTTP/1.1\r\n\r\n",
                bytes(range(256)) * 40,
                b"\x03" + b"\xff" * 9000,
            ):
                tasks.create_task(say(junk, wait=50))
            for _ in range(20):
                await asyncio.gather(*(say(rtmp_client.opening("no-such-key")) for _ in range(5)))
        assert b"not known here" in refused.result()
        assert b"NetStream.Publish.BadName" in second.result()
        assert silent.done()
        faultless(collecting.result())
        assert sender.connections == 1


async def test_nobody_ever_saw_a_break(product: Product, client: Client) -> None:
    """Whatever the tests before this one sent: no channel's list has a discontinuity."""
    for channel in (WITNESS, *LANES):
        assert breaks(await client.playlist(channel, "v180")) == []

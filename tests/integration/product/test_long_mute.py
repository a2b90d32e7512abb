"""A sender whose microphone is off for half a minute (an encoder with DTX sends no sound at all meanwhile), against the
whole product: the picture goes on, viewers hear silence, and the sound comes back in step with the picture.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.collect import collect
from tests.conformance.media_checks import check
from tests.support.product import SMALL, Client, Product, Seed, newest
from tests.support.publisher import Publisher, Wrong
from tests.support.watching import watch

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]
"""The senders' test mutes one for five seconds in every run; half a minute of it belongs to the long counts."""

KEY = "mute-sender-key"
FEED = "camera"
MUTE = (3.0, 33.0)
"""Seconds from the sender's first packet."""
AFTER = 5.0
"""Seconds that are watched behind it."""
IN_STEP = 0.045
"""Seconds that sound and picture may be apart: the nearest of pictures 33 ms apart, with the encoder's own."""


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product.start(
        tmp_path,
        channels={"main": SMALL},
        feeds=(Seed(FEED, key=KEY),),
        program={"main": (FEED, None)},
        settings={"supervision": {"roles": ["ingest", "node", "web"]}},
    ) as running:
        yield running


async def shown(client: Client, seconds: float) -> set[str]:
    """Every picture that viewers saw, looked at five times a second."""
    seen = set()
    for _ in range(int(seconds * 5)):
        seen.add((await client.channel("main"))["picture"])
        await asyncio.sleep(0.2)
    return seen


async def test_half_a_minute_without_sound(product: Product) -> None:
    before = product.living()
    wrong = Wrong(silent=MUTE)
    async with product.client() as client, Publisher(product.rtmp_port, KEY, wrong=wrong) as sender:
        await client.picture("main", FEED)
        since = newest(await client.playlist("main", "v180"))[0]
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(collect(client.session, product.hls("main"), MUTE[1] + AFTER))
            looking = tasks.create_task(shown(client, MUTE[1]))
        assert sender.connections == 1
    assert looking.result() == {FEED}
    assert product.living() == before, product.log_tail()
    recording = collecting.result()
    assert not check(recording)
    assert all("EXT-X-DISCONTINUITY\n" not in answer.text for answer in recording.answers[-3:])

    watched = watch(recording, since=since)
    # The clip flashes and beeps once a second.
    flashes = list(itertools.pairwise(watched.flashes))
    assert len(flashes) > MUTE[1]
    assert all(0.8 < later - earlier < 1.2 for earlier, later in flashes), watched
    silence, back = max((later - earlier, later) for earlier, later in itertools.pairwise(watched.beeps))
    assert MUTE[1] - MUTE[0] - 0.1 < silence < MUTE[1] - MUTE[0] + 1.1, watched
    again = [
        min(watched.beeps, key=lambda beep: abs(beep - flash)) - flash
        for flash in watched.flashes
        if flash > back - 0.5
    ]
    assert len(again) >= 3, watched
    assert abs(statistics.median(again)) < IN_STEP, again
    assert sum(abs(each) >= IN_STEP for each in again) <= 1, again

"""A WebRTC sender in a network of its own, over a link that loses packets whatever they carry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from media.model.feed import FeedPhase
from media.model.tracks import MediaKind
from tests.support.lossy_link import HERE, THERE, lossy_link
from tests.support.whip_house import a_house, figure, known, until, watching
from tests.support.whip_sender import RATE, sending

LOSS = 10
"""Percent, each way."""
WORSE = 80
"""Nearly no repeat comes in time, and what does come tells that something is missing."""
DROPPED = "gachi_whip_pictures_dropped_total"


async def test_a_tenth_of_everything_lost_both_ways_freezes_and_never_smears(tmp_path: Path) -> None:
    """ICE, DTLS, media, reports and requests for repeats all go through the loss; then it gets worse for a moment."""
    with lossy_link(LOSS) as link:
        async with a_house(tmp_path, address=HERE) as house, watching(house) as watched:

            async def publish() -> None:
                async with aiohttp.ClientSession() as http, sending(http, house.endpoint()):
                    await asyncio.sleep(120)

            async with link.beyond(publish):
                await until(lambda: len(watched.pictures) >= 2 * RATE, 30, "pictures in spite of loss")
                assert (await house.feed()).peer.startswith(THERE)
                dropped, seen = figure(DROPPED), len(watched.pictures)
                link.lose(WORSE)
                await asyncio.sleep(0.8)
                link.lose(LOSS)
                await until(
                    lambda: len(watched.pictures) >= seen + RATE and min(link.lost) > 0,
                    20,
                    "the picture to come back by itself, and the link to lose something each way",
                )
                dropped = figure(DROPPED) - dropped
                phases = watched.phases[watched.phases.index(FeedPhase.LIVE) :]
    assert phases == [FeedPhase.LIVE], "the feed did not stay live"
    assert watched.errors == 0
    assert set(watched.pictures) <= known("h264"), "a smear was passed on"
    times = watched.times[MediaKind.VIDEO]
    missing = round((times[-1] - times[0]) * RATE / 1e6) + 1 - len(times)
    assert 0 < dropped <= missing, "freezes were not counted"
    assert watched.sounds > RATE

"""Packets lost on the way from a WebRTC sender against pictures that did not come: over a link that loses by chance, both ways.

Everything goes through it: ICE, DTLS, media, reports, requests for repeats and the repeats. The peer is the same with a
sender that repeats nothing, so that only keyframes mend what is lost. A damaged picture is never passed on: until the
next whole one the picture stands still.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from media.model.tracks import MediaKind
from tests.bench.rows import Row, missed
from tests.support.lossy_link import HERE, Link, lossy_link
from tests.support.whip_house import a_house, until, watching
from tests.support.whip_sender import RATE, Loss, sending

LOSSES = (1, 5, 10, 20)
"""Percent, each way."""
SECONDS = 12.0
START_WITHIN = 30.0


@dataclass
class Found:
    """What came of the pictures of one run."""

    missing: float
    """Percent of the pictures."""
    freezes: int
    longest: int
    """Milliseconds, beyond the distance of two pictures."""
    lost: int
    """Packets, both ways together."""


async def run() -> list[Row]:
    """The bench."""
    try:
        with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder, lossy_link(LOSSES[0]) as link:
            found = {
                percent: [
                    await _pictures(link, percent, Path(folder), repeats=repeats) for repeats in (True, False)
                ]
                for percent in LOSSES
            }
    except pytest.skip.Exception as error:
        return [missed("loss", "WebRTC ingest over a network that loses packets", str(error))]
    return [_row(percent, *each) for percent, each in found.items()]


def _row(percent: int, ours: Found, peer: Found) -> Row:
    return Row(
        f"loss-{percent}",
        f"WebRTC ingest: pictures that did not come, {percent} % of all packets lost each way",
        "% of pictures",
        ours.missing,
        peer.missing,
        "without repeats",
        notes=[
            (
                f"{ours.freezes} freezes in {SECONDS:g} s, the longest {ours.longest} ms "
                f"(without repeats {peer.freezes}, {peer.longest} ms); 320×180 at {RATE} pictures a second, 0.8 Mb/s, "
                "sender and server on one machine, so that a repeat comes within a millisecond or two of being asked for"
            )
        ],
        details={"ours": vars(ours), "peer": vars(peer)},
    )


async def _pictures(link: Link, percent: int, folder: Path, *, repeats: bool) -> Found:
    link.lose(percent)
    # What the link takes is taken from all; this drops the repeats alone.
    drops = None if repeats else Loss(0.0, repairs=False)
    async with (
        a_house(folder / f"{percent}-{repeats}", address=HERE) as house,
        watching(house) as watched,
    ):

        async def publish() -> None:
            async with aiohttp.ClientSession() as http, sending(http, house.endpoint(), loss=drops):
                await asyncio.sleep(START_WITHIN + 2 * SECONDS)

        async with link.beyond(publish):
            await until(lambda: len(watched.pictures) >= RATE, START_WITHIN, "pictures in spite of loss")
            before = sum(link.lost)
            begin = watched.times[MediaKind.VIDEO][-1]
            await asyncio.sleep(SECONDS)
            lost = sum(link.lost) - before
    times = [at for at in watched.times[MediaKind.VIDEO] if begin <= at <= begin + SECONDS * 1e6]
    apart = [round((b - a) * RATE / 1e6) for a, b in itertools.pairwise(times)]
    missing = sum(each - 1 for each in apart)
    return Found(
        missing=100 * missing / (missing + len(times)),
        freezes=sum(each > 1 for each in apart),
        longest=round((max(apart) - 1) * 1000 / RATE),
        lost=lost,
    )

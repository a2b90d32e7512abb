"""WHIP requests that come while ingest is being started anew."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from media.contracts.feeds import FeedView, GetFeed
from media.contracts.whip import WhipEnd
from runtime.bus.calls import serve
from runtime.bus.contract import CommandError, Done, Fault
from runtime.bus.local import LocalBus
from web.compose import asking
from web.metrics import WebMetrics
from web.settings import AuthSettings, HttpSettings
from web.whip import Whip


async def test_a_command_waits_for_ingest_and_is_not_lost_on_it() -> None:
    """The bus repeats questions alone: what nobody heard would be waited for until its time-out."""
    ended: list[str] = []

    async def no_such_feed(_: GetFeed) -> FeedView:
        raise CommandError(Fault.NOT_FOUND, "there is no such feed")

    async def end(command: WhipEnd) -> Done:
        ended.append(command.session)
        return Done()

    bus = LocalBus()
    whip = Whip(asking(bus, 30.0), HttpSettings(), AuthSettings(), WebMetrics(CollectorRegistry()))
    command = WhipEnd(feed="cam", session="s1", key="k")
    asked = asyncio.create_task(whip._ask_ingest("cam", command))
    await asyncio.sleep(0.1)
    async with serve(bus, {GetFeed: no_such_feed, WhipEnd: end}), asyncio.timeout(10):
        await asked
    assert ended == ["s1"]

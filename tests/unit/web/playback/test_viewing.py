"""How viewers fared: kept for an hour, the same whichever web process is asked, and never more than it may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from media.contracts.channels import ChannelView, RungValue
from runtime.bus.local import LocalBus
from tests.support.sites import site, until
from web.api.wire_qoe import QoeReport
from web.playback import viewing as subject
from web.playback.viewing import MOST_CHANNELS, MOST_RUNGS, STEPS, Viewing, quantile

REPORT: dict[str, Any] = {
    "sid": "0123456789abcdef",
    "cid": "main",
    "st": "l",
    "msd": 820,
    "ltc": 1500,
    "bsd": [400, 1600],
    "ec": ["network"],
    "played": 28_000,
    "lines": 480,
}


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def report(**change: Any) -> QoeReport:
    return QoeReport.model_validate({**REPORT, **change})


def test_minutes_add_up_and_go_after_an_hour() -> None:
    clock = Clock()
    viewing = Viewing(LocalBus(), "web", clock)
    for _ in range(3 * STEPS):
        viewing.take("main", "480", report(), 2)
        viewing.take("main", "480", report(msd=None, bsd=[]), 3)
        clock.now += 60
    clock.now -= 60
    kept = viewing.read(STEPS)["main"]
    assert len(kept.sums) == STEPS
    newest = kept.sums[max(kept.sums)]
    assert (newest.reports, newest.viewers, newest.stalls, newest.stalled) == (2, 3, 2, 2000)
    assert newest.played == {"480": 56_000}
    assert newest.errors == {"network": 2}
    assert (sum(newest.startup), sum(newest.latency)) == (1, 2)
    assert len(viewing.read(5)["main"].sums) == 5


def test_what_anybody_may_send_is_bounded() -> None:
    viewing = Viewing(LocalBus(), "web", Clock())
    for number in range(100):
        viewing.take(f"channel-{number}", "480", report(), 1)
        viewing.take("channel-0", str(number), report(), 1)
    found = viewing.read(STEPS)
    assert len(found) == MOST_CHANNELS
    (sums,) = found["channel-0"].sums.values()
    assert len(sums.played) <= MOST_RUNGS + 1
    assert sum(sums.played.values()) == 101 * 28_000


@asynccontextmanager
async def running(*processes: Viewing) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in processes]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_each_process_answers_for_all() -> None:
    bus, clock = LocalBus(), Clock()
    one, two = Viewing(bus, "web", clock), Viewing(bus, "web-2", clock)
    async with running(one, two):
        one.take("main", "480", report(), 4)
        two.take("main", "360", report(), 5)
        for _ in range(2):  # telling twice counts nothing twice
            await one.tell()
            await two.tell()
        async with asyncio.timeout(5):
            while one.read(5)["main"].watching != 9 or two.read(5)["main"].watching != 9:
                await asyncio.sleep(0.01)
        for each in (one, two):
            (sums,) = each.read(5)["main"].sums.values()
            assert (sums.reports, sums.viewers, sums.played) == (2, 9, {"480": 28_000, "360": 28_000})
        # A process that is gone leaves what it counted, and no viewers.
        clock.now += subject.SILENT_SECONDS + 1
        assert one.read(5)["main"].watching == 4
    await bus.close()


def test_quantiles_lie_between_the_bounds() -> None:
    counts = [0] * (len(subject.BOUNDS) + 1)
    assert quantile(counts, 0.5) is None
    counts[2] = 10  # between 0.5 and 1
    assert quantile(counts, 0.5) == pytest.approx(0.75)
    counts[-1] = 30  # beyond the last: it is at least that
    assert quantile(counts, 0.95) == 30


async def test_staff_are_told_by_channel(tmp_path: Path) -> None:
    async with site(tmp_path) as live:
        rungs = [RungValue(height=480, bitrate=1_200_000)]
        await live.owners.put(ChannelView(id="main", settings={}, version=1, wanted=True, rungs=rungs))
        await until(lambda: live.web.board.get("main"))
        reports = [REPORT, {**REPORT, "sid": "1" * 16, "lines": 0}, {**REPORT, "cid": "a-show", "st": "v"}]
        reports.append({**REPORT, "cid": "made-up", "sid": "2" * 16})
        await live.ask("POST", "/api/v1/qoe", json={"reports": reports}, token=None, status=204)
        await live.ask("GET", "/api/v1/viewing", token=None, status=401)
        await live.ask("GET", "/api/v1/viewing?minutes=4", status=422)
        told = await live.ask("GET", "/api/v1/viewing?minutes=15", status=200)
    assert told["bounds"] == list(subject.BOUNDS)
    main, replay = told["channels"]  # and nothing of what there is not
    assert (main["channel"], replay["channel"]) == ("main", "replay")
    assert main["rungs"] == [{"lines": 480, "seconds": 28}, {"lines": 0, "seconds": 28}]
    assert main["minutes"][0]["stalled"] == 4
    assert main["minutes"][0]["latency"] == pytest.approx(1.25)
    assert (main["watching"], sum(main["startup"]), main["errors"]) == (1, 2, {"network": 2})
    assert sum(replay["latency"]) == 0

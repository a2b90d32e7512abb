"""Reports of players: what is taken in, what is refused, and that nobody can fill memory or the metrics with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from media.contracts.channels import ChannelView, RungValue
from runtime.bus.local import LocalBus
from tests.support.sites import Site, site, until
from web.api.wire_qoe import QoeReport
from web.playback import qoe as subject
from web.playback.viewing import Viewing

PATH = "/api/v1/qoe"
REPORT: dict[str, Any] = {
    "sid": "0123456789abcdef",
    "cid": "main",
    "st": "l",
    "msd": 820,
    "ltc": 1500,
    "br": 1200,
    "bsd": [400, 1600],
    "ec": ["network"],
    "played": 28_000,
    "lines": 480,
}


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        rungs = [RungValue(height=480, bitrate=1_200_000)]
        await made.owners.put(ChannelView(id="main", settings={}, version=1, wanted=True, rungs=rungs))
        await until(lambda: made.web.board.get("main"))
        yield made


async def send(live: Site, *reports: dict[str, Any], status: int = 204) -> Any:
    return await live.ask("POST", PATH, json={"reports": list(reports)}, token=None, status=status)


async def test_a_report_becomes_figures(live: Site) -> None:
    await send(live, REPORT)
    await send(live, {**REPORT, "msd": None, "bsd": [], "ec": [], "played": 2000})
    assert live.metric("gachi_qoe_reports_total", channel="main") == 2
    assert live.metric("gachi_qoe_startup_seconds_sum", channel="main") == pytest.approx(0.82)
    assert live.metric("gachi_qoe_startup_seconds_count", channel="main") == 1
    assert live.metric("gachi_qoe_latency_seconds_count", channel="main") == 2
    assert live.metric("gachi_qoe_stalls_total", channel="main") == 2
    assert live.metric("gachi_qoe_stall_seconds_total", channel="main") == pytest.approx(2.0)
    assert live.metric("gachi_qoe_played_seconds_total", channel="main", lines="480") == pytest.approx(30)
    assert live.metric("gachi_qoe_errors_total", channel="main", cause="network") == 1
    assert live.metric("gachi_qoe_viewers", channel="main") == 1


async def test_what_is_not_known_here_is_no_label_of_its_own(live: Site) -> None:
    for number in range(5):
        await send(live, {**REPORT, "cid": f"made-up-{number}", "lines": 100 + number})
    await send(live, {**REPORT, "lines": 333}, {**REPORT, "st": "v", "cid": "some_show"})
    labels = {
        tuple(sample.labels.items())
        for family in live.registry.collect()
        if family.name.startswith("gachi_qoe_played")
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert labels == {
        (("channel", "other"), ("lines", "other")),
        (("channel", "main"), ("lines", "other")),
        (("channel", "replay"), ("lines", "other")),
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sid": "short"}, "reports.0.sid"),
        ({"cid": "../x"}, "reports.0.cid"),
        ({"ltc": -1}, "reports.0.ltc"),
        ({"played": 1e12}, "reports.0.played"),
        ({"bsd": [1] * 101}, "reports.0.bsd"),
        ({"ec": ["anything"]}, "reports.0.ec.0"),
        ({"name": "somebody"}, "reports.0.name"),
    ],
)
async def test_what_no_player_sends_is_refused(live: Site, change: dict[str, Any], field: str) -> None:
    told = await send(live, {**REPORT, **change}, status=422)
    assert told["field"] == field
    assert live.metric("gachi_qoe_reports_total", channel="main") == 0


async def test_reports_are_bounded_and_not_in_the_audit_log(live: Site) -> None:
    assert (await send(live, *[REPORT] * 9, status=422))["field"] == "reports"
    assert (await send(live, {**REPORT, "sid": "a" * 9000}, status=413))["type"] == "/problems/too-large"
    await send(live, *[REPORT] * 8)
    noted = await live.ask("GET", "/api/v1/audit")
    assert not [line for line in noted["items"] if "qoe" in str(line)]


class _Board:
    def get(self, _: str) -> ChannelView | None:
        return None


def test_viewers_are_counted_while_they_report_and_forgotten_after(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, now = CollectorRegistry(), 0.0
    viewing = Viewing(LocalBus(), "web", lambda: now)
    taking = subject.Qoe(registry, _Board(), viewing, lambda: now)  # type: ignore[arg-type]  # a board without channels

    def viewers() -> float:
        return registry.get_sample_value("gachi_qoe_viewers", {"channel": "other"}) or 0.0

    for number in range(3):
        taking.take(QoeReport.model_validate({**REPORT, "sid": f"session-{number}"}))
    now = 60.0
    taking.take(QoeReport.model_validate({**REPORT, "sid": "session-0"}))
    assert viewers() == 3
    now = 80.0
    taking.sweep()
    assert viewers() == 1
    assert viewing.read(60)["other"].watching == 1
    monkeypatch.setattr(subject, "MOST_VIEWERS", 10)
    for number in range(50):
        taking.take(QoeReport.model_validate({**REPORT, "sid": f"another-{number}"}))
    assert viewers() == 10

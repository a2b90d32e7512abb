"""Handlers: what players report of themselves, and how viewers fare by that."""

from __future__ import annotations

from collections.abc import Mapping

from web.api import wire_qoe as wire
from web.api.routing import Answer, Call
from web.api.wire import time_of
from web.playback.qoe import OTHER, REPLAY
from web.playback.viewing import BOUNDS, STEP_SECONDS, Minutes, Sums, quantile


async def report_qoe(call: Call) -> Answer:
    """Take reports of players in."""
    for report in call.reads(wire.QoeBatch).reports:
        call.services.qoe.take(report)
    return Answer()


async def get_viewing(call: Call) -> Answer:
    """How viewers fared in the last minutes."""
    minutes, now = call.asks(wire.ViewingQuery).minutes, call.services.wall()
    found = call.services.qoe.viewing.read(minutes)
    # Of channels that there are not anybody can tell what they like.
    shown = sorted((name for name in found if name != OTHER), key=lambda name: (name == REPLAY, name))
    since = (int(now // STEP_SECONDS) - minutes + 1) * STEP_SECONDS
    return Answer(
        wire.Viewing(
            since=time_of(since * 1_000_000),
            until=time_of(int(now * 1_000_000)),
            bounds=list(BOUNDS),
            channels=[_channel(name, found[name]) for name in shown],
        )
    )


def _channel(name: str, found: Minutes) -> wire.ViewingChannel:
    total = Sums()
    for sums in found.sums.values():
        total.add(sums)
    return wire.ViewingChannel(
        channel=name,
        watching=found.watching,
        reports=total.reports,
        minutes=[_minute(at, sums) for at, sums in sorted(found.sums.items())],
        startup=total.startup,
        latency=total.latency,
        rungs=_rungs(total.played),
        errors=dict(sorted(total.errors.items())),
    )


def _minute(at: int, sums: Sums) -> wire.ViewingMinute:
    return wire.ViewingMinute(
        at=time_of(at * STEP_SECONDS * 1_000_000),
        viewers=sums.viewers,
        played=sum(sums.played.values()) / 1000,
        stalled=sums.stalled / 1000,
        stalls=sums.stalls,
        latency=quantile(sums.latency, 0.5),
    )


def _rungs(played: Mapping[str, int]) -> list[wire.ViewingRung]:
    rungs = [
        wire.ViewingRung(lines=int(lines) if lines.isdecimal() else None, seconds=time / 1000)
        for lines, time in played.items()
    ]
    return sorted(rungs, key=lambda rung: -1 if rung.lines is None else rung.lines, reverse=True)

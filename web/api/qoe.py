"""Handlers: what players report of themselves."""

from __future__ import annotations

from web.api.routing import Answer, Call
from web.api.wire_qoe import QoeBatch


async def report_qoe(call: Call) -> Answer:
    """Take reports of players in."""
    for report in call.reads(QoeBatch).reports:
        call.services.qoe.take(report)
    return Answer()

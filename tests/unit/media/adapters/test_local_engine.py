"""Work as processes of this machine: what failed for good is told, and tried anew when it is asked for again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media.adapters.local_engine import LocalEngine
from media.ports import EngineEvent
from runtime.supervision.process import Limits


async def test_what_failed_for_good_is_tried_anew_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `start` did nothing once a worker had failed for good: only stop and start brought the channel back.
    monkeypatch.setenv("GACHI_DATA", str(tmp_path))
    told: asyncio.Queue[tuple[EngineEvent, dict[str, object]]] = asyncio.Queue()
    engine = LocalEngine(
        "tests.support.children:misconfigured",
        lambda _name, event, data: told.put_nowait((event, data)),
        limits=Limits(),
        spares=0,
    )
    async with engine, asyncio.timeout(40):
        for _ in range(2):
            await engine.ensure("main", {})
            event, data = await told.get()
            assert event is EngineEvent.EXITED
            assert data == {"reason": "PermanentError: rate must not be 0", "permanent": True}
            while engine.supervisor.children["main"].pid:
                await asyncio.sleep(0.01)

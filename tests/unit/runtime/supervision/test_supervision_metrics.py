from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from prometheus_client import CollectorRegistry

from runtime.figures import watched
from runtime.supervision.metrics import children
from runtime.supervision.supervisor import ChildSpec, Supervisor


async def test_state_restarts_and_memory_of_a_child_are_told(tmp_path: Path) -> None:
    registry = CollectorRegistry()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    async with Supervisor({"GACHI_DATA": str(tmp_path)}) as supervisor:
        with watched(children(supervisor), registry=registry):
            assert value("gachi_spares_warm") == 0
            child = await supervisor.start(ChildSpec("one", "tests.support.children:good"))
            assert await child.wait_ready(20)
            assert value("gachi_child_state", child="one", state="ready") == 1
            assert value("gachi_child_state", child="one", state="failed") == 0
            assert value("gachi_child_restarts_total", child="one") == 0
            async with asyncio.timeout(10):
                while not (value("gachi_child_rss_bytes", child="one") or 0) > 1 << 20:
                    await asyncio.sleep(0.05)
            os.kill(child.pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while value("gachi_child_restarts_total", child="one") != 1:
                    await asyncio.sleep(0.05)

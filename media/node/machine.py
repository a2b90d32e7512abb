"""How fast this machine is, and how many of its cores channels may take: measured once, kept in the data folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from media.encode.cost import REFERENCE, PresetCost, Speed
from runtime import logs

log = logs.get("media.node.machine")

MEASURE_TIMEOUT = 30.0
"""Seconds after which a measurement is given up: it takes one, on a machine that does nothing else."""
PATIENCE = 2.5
"""Seconds that a command waits for the first measurement: who sent it waits for five at most."""
AGAIN = (20.0, 120.0, 600.0)
"""Seconds after which a measurement is made once more: beside other work pictures cost more than they do, so that the smallest
figure of several moments is the machine's."""
_CGROUP = Path("/sys/fs/cgroup/cpu.max")
_CPUINFO = Path("/proc/cpuinfo")

Measure = Callable[[str], Awaitable[dict[str, Any]]]
"""Measures one preset, as `media.adapters.av_cost` tells it. Raises OSError, ValueError, TimeoutError."""


def usable_cores(cgroup: Path = _CGROUP) -> float:
    """Cores that this process may use: its affinity, and its container's quota where there is one."""
    cores = float(len(os.sched_getaffinity(0)))
    with contextlib.suppress(OSError, ValueError):
        quota, period = cgroup.read_text().split()
        cores = min(cores, int(quota) / int(period))
    return cores


def cpu_name(cpuinfo: Path = _CPUINFO) -> str:
    """What the processor calls itself; the machine's architecture where it does not say."""
    with contextlib.suppress(OSError):
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return os.uname().machine


async def measured_apart(preset: str) -> dict[str, Any]:
    """Measure in a niced process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "media.adapters.av_cost",
        preset,
        str(os.getpid()),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(MEASURE_TIMEOUT):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found: dict[str, Any] = json.loads(told)
    return found


class Machine:
    """The measured speed, by preset: each is measured when a decision first needs it, and kept in `file` with the CPU's name.

    It is measured again a few times later, `again` seconds after the one before, and the smallest figures count. While a measurement runs longer than a command waits, `media.encode.cost.REFERENCE` stands in.
    """

    def __init__(
        self,
        file: Path,
        tasks: asyncio.TaskGroup,
        *,
        capacity: float,
        cores: float,
        cpu: str = "",
        measure: Measure = measured_apart,
        patience: float = PATIENCE,
        again: Sequence[float] = AGAIN,
    ) -> None:
        self._file = file
        self._tasks = tasks
        self._measure = measure
        self._patience = patience
        self._again = tuple(again)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._repeats: dict[str, asyncio.Task[None]] = {}
        self.cpu = cpu or cpu_name()
        self.cores = cores
        self.capacity = capacity
        self._found: dict[str, dict[str, Any]] = {}
        self._speed = REFERENCE

    @property
    def limit(self) -> float:
        """Cores that channels may take together."""
        return round(self.cores * self.capacity, 2)

    @property
    def speed(self) -> Speed:
        """What is known now."""
        return self._speed

    def load(self) -> None:
        """Take up what was measured at an earlier start; of another processor nothing is."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["cpu"] != self.cpu:
                return
            for preset, found in kept["presets"].items():
                self._take(preset, found)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the kept measurement cannot be read; it is made anew", error=str(error))
            self._found.clear()
            self._speed = REFERENCE

    async def speed_for(self, preset: str) -> Speed:
        """The speed with this preset measured, if that comes in time."""
        if preset not in self._found and preset in REFERENCE.presets:
            task = self._running.get(preset)
            if task is None:
                task = self._tasks.create_task(self._measured(preset), name=f"measure {preset}")
                self._running[preset] = task
            await asyncio.wait((task,), timeout=self._patience)
        return self._speed

    def close(self) -> None:
        """Give up what is being measured."""
        for task in (*self._running.values(), *self._repeats.values()):
            task.cancel()

    async def _repeated(self, preset: str) -> None:
        for seconds in self._again:
            await asyncio.sleep(seconds)
            await self._measured(preset)

    async def _measured(self, preset: str) -> None:
        try:
            found = await self._measure(preset)
            self._take(preset, found)
        except (OSError, ValueError, KeyError, TypeError, TimeoutError) as error:
            log.warning("the machine's speed was not measured", preset=preset, error=repr(error))
            return
        finally:
            self._running.pop(preset, None)
        log.info("machine measured", preset=preset, cpu=self.cpu, **found)
        if preset not in self._repeats:
            repeats = self._tasks.create_task(self._repeated(preset), name=f"measure {preset} again")
            self._repeats[preset] = repeats
        kept = {"cpu": self.cpu, "presets": self._found}
        await asyncio.to_thread(self._keep, json.dumps(kept, indent=1))

    def _take(self, preset: str, found: dict[str, Any]) -> None:
        found = _smaller(found, self._found.get(preset))
        (few, quick), (many, slow) = found["encode"]
        cost = PresetCost.through((int(few), float(quick)), (int(many), float(slow)))
        self._speed = replace(
            self._speed,
            presets={**self._speed.presets, preset: cost},
            scale=min(float(each["scale"]) for each in (found, *self._found.values())),
            decode=min(float(each["decode"]) for each in (found, *self._found.values())),
        )
        self._found[preset] = found

    @property
    def measured(self) -> set[str]:
        """Presets whose cost was measured here."""
        return set(self._found)

    def _keep(self, text: str) -> None:
        try:
            fresh = self._file.with_suffix(".new")
            fresh.write_text(text + "\n", encoding="utf-8")
            fresh.replace(self._file)
        except OSError as error:
            log.warning("the measurement could not be kept; it is made again", error=str(error))


def _smaller(found: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Of two measurements of one preset the smaller of each figure."""
    if before is None:
        return found
    encode = [
        [pixels, min(seconds, earlier)]
        for (pixels, seconds), (_, earlier) in zip(found["encode"], before["encode"], strict=True)
    ]
    return {
        "encode": encode,
        "scale": min(found["scale"], before["scale"]),
        "decode": min(found["decode"], before["decode"]),
    }

"""Admission: the arithmetic, who is refused, what `auto` takes, and that a measurement is made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from media.contracts.channels import ChannelSettings, RungValue
from media.encode.auto import auto_ladder, fitting
from media.encode.cost import REFERENCE, PresetCost, channel_cores
from media.model.channel import ChannelSpec, Rung
from media.model.errors import CapacityError
from media.node.admission import Admission
from media.node.machine import Machine, cpu_name, usable_cores

HD = ChannelSettings()
TALL = ChannelSettings(width=720, height=1280)
FOUND: dict[str, Any] = {"encode": [[230_400, 2e-3], [921_600, 8e-3]], "scale": 7e-10, "decode": 2e-9}


class Measuring:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.slow = False

    async def __call__(self, preset: str) -> dict[str, Any]:
        self.asked.append(preset)
        if self.slow:
            await asyncio.sleep(3600)
        return FOUND


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


def machine(folder: Path, tasks: asyncio.TaskGroup, measure: Measuring, **more: Any) -> Machine:
    known: dict[str, Any] = {
        "capacity": 0.9,
        "cores": 2.0,
        "cpu": "a processor",
        "patience": 0.05,
        "again": (),
    }
    made = Machine(folder / "machine.json", tasks, measure=measure, **{**known, **more})
    made.load()
    return made


async def test_a_channel_that_would_exceed_the_machine_is_refused_with_the_arithmetic(
    tmp_path: Path, tasks: asyncio.TaskGroup
) -> None:
    admission = Admission(machine(tmp_path, tasks, Measuring()))
    await admission.admit("main", HD)
    one = admission.needs("main")
    assert 0.4 < one < 0.9
    await admission.admit("second", HD)
    taken = int(1.8 / one)
    for number in range(2, taken):
        await admission.admit(f"channel-{number}", HD)
    with pytest.raises(CapacityError) as refused:
        await admission.admit("last", HD)
    left = round(1.8 - one * taken, 2)
    assert left < one
    said = str(refused.value)
    assert "1.80 of this machine's 2 cores" in said
    assert f"main takes {one:.2f}, second takes {one:.2f};" in said
    assert f"needs {one:.2f}, and {left:.2f} is left" in said
    assert refused.value.field == "force"
    assert admission.needs("last") == 0
    await admission.admit("last", HD, force=True)
    assert admission.needs("last") == one
    for name in ("main", "last"):
        admission.release(name)
    await admission.admit("next", HD)


async def test_a_change_that_costs_no_more_is_never_refused(tmp_path: Path, tasks: asyncio.TaskGroup) -> None:
    admission = Admission(machine(tmp_path, tasks, Measuring(), capacity=0.1))
    with pytest.raises(CapacityError, match="no part of its ladder would fit"):
        await admission.admit("main", HD)
    await admission.admit("main", HD, force=True)
    await admission.admit("main", HD.model_copy(update={"name": "renamed"}))
    await admission.admit("main", HD.model_copy(update={"ladder": HD.ladder[:2]}))
    with pytest.raises(CapacityError):
        await admission.admit("main", HD)


async def test_what_is_said_to_fit_does_fit(tmp_path: Path, tasks: asyncio.TaskGroup) -> None:
    admission = Admission(machine(tmp_path, tasks, Measuring(), capacity=0.25))
    with pytest.raises(CapacityError) as refused:
        await admission.admit("main", HD)
    assert "480p + 360p would fit" in str(refused.value)
    view = await admission.view("main", HD)
    assert view.fits_needs <= view.left < view.needs
    await admission.admit("main", HD.model_copy(update={"ladder": view.fits}))
    assert admission.needs("main") == view.fits_needs


async def test_auto_takes_the_whole_ladder_or_the_part_that_fits_and_says_so(
    tmp_path: Path, tasks: asyncio.TaskGroup
) -> None:
    admission = Admission(machine(tmp_path, tasks, Measuring(), capacity=0.5))
    auto = ChannelSettings.model_validate({"ladder": "auto"})
    assert auto.ladder == []
    load = await admission.admit("main", auto)
    assert [rung.height for rung in load.spec.ladder] == [720, 480, 360]
    assert load.why == "auto: the whole ladder for 1280x720"
    assert load.config == {"channel": "main", "ladder": [[720, 2_500_000], [480, 1_200_000], [360, 700_000]]}
    second = await admission.admit("second", auto)
    assert 0 < len(second.spec.ladder) < 3
    assert "is left out" in second.why
    assert "and 0." in second.why
    assert admission.needs("main") + admission.needs("second") <= 1.0
    assert "ladder" not in (await admission.admit("third", HD, force=True)).config


@pytest.mark.parametrize(
    ("width", "height", "rate", "heights"),
    [
        (1920, 1080, 30, [1080, 720, 480, 360]),
        (1280, 720, 30, [720, 480, 360]),
        (720, 1280, 30, [720, 480, 360]),
        (960, 540, 25, [540, 360, 240]),
        (320, 180, 30, [180, 144]),
        (64, 64, 30, [64]),
        (3840, 2160, 60, [2160, 1440, 1080, 720]),
    ],
)
def test_a_chosen_ladder_follows_the_canvas(width: int, height: int, rate: int, heights: list[int]) -> None:
    ladder = auto_ladder(width, height, Fraction(rate))
    assert [rung.height for rung in ladder] == heights
    ChannelSpec("a", width=width, height=height, ladder=ladder)
    assert [rung.bitrate for rung in ladder] == sorted((rung.bitrate for rung in ladder), reverse=True)


def test_two_rungs_come_before_one_and_then_the_highest_top() -> None:
    ladder = [Rung(720, 3), Rung(480, 2), Rung(360, 1)]

    def cost(part: Any) -> float:
        return float(sum(rung.height for rung in part))

    assert fitting(ladder, cost, 2000) == tuple(ladder)
    assert fitting(ladder, cost, 1200) == (ladder[0], ladder[1])
    assert fitting(ladder, cost, 1100) == (ladder[0], ladder[2])
    assert fitting(ladder, cost, 900) == (ladder[1], ladder[2])
    assert fitting(ladder, cost, 500) == (ladder[1],)
    assert fitting(ladder, cost, 300) == ()


async def test_each_preset_is_measured_once_for_a_processor(tmp_path: Path, tasks: asyncio.TaskGroup) -> None:
    measuring = Measuring()
    first = machine(tmp_path, tasks, measuring)
    await asyncio.gather(*(first.speed_for("veryfast") for _ in range(5)))
    await first.speed_for("medium")
    assert measuring.asked == ["veryfast", "medium"]
    again = machine(tmp_path, tasks, measuring)
    speed = await again.speed_for("veryfast")
    assert measuring.asked == ["veryfast", "medium"]
    assert speed.presets["veryfast"].seconds(921_600) == pytest.approx(8e-3)
    assert again.measured == {"veryfast", "medium"}
    other = machine(tmp_path, tasks, measuring, cpu="another processor")
    assert other.measured == set()
    await other.speed_for("veryfast")
    assert machine(tmp_path, tasks, measuring, cpu="another processor").measured == {"veryfast"}


async def test_what_was_measured_beside_other_work_is_measured_again_and_the_smaller_counts(
    tmp_path: Path, tasks: asyncio.TaskGroup
) -> None:
    scales, done = iter((1.5, 0.9, 1.2)), list[str]()

    async def measure(preset: str) -> dict[str, Any]:
        done.append(preset)
        factor = next(scales)
        encode = [[pixels, seconds * factor] for pixels, seconds in FOUND["encode"]]
        return {"encode": encode, "scale": FOUND["scale"] * factor, "decode": FOUND["decode"] * factor}

    again = Machine(
        tmp_path / "machine.json",
        tasks,
        capacity=0.9,
        cores=2.0,
        cpu="one",
        measure=measure,
        again=(0.01, 0.01),
    )
    busy = await again.speed_for("veryfast")
    assert busy.presets["veryfast"].seconds(921_600) == pytest.approx(1.5 * 8e-3)
    async with asyncio.timeout(10):
        while len(done) < 3:
            await asyncio.sleep(0.02)
    assert again.speed.presets["veryfast"].seconds(921_600) == pytest.approx(0.9 * 8e-3)
    assert again.speed.decode == pytest.approx(0.9 * FOUND["decode"])
    kept = Machine(tmp_path / "machine.json", tasks, capacity=0.9, cores=2.0, cpu="one", measure=measure)
    kept.load()
    assert kept.speed == again.speed


async def test_a_measurement_that_takes_long_keeps_no_command(
    tmp_path: Path, tasks: asyncio.TaskGroup
) -> None:
    measuring = Measuring()
    measuring.slow = True
    slow = machine(tmp_path, tasks, measuring)
    assert await slow.speed_for("veryfast") is REFERENCE
    assert await slow.speed_for("veryfast") is REFERENCE
    assert measuring.asked == ["veryfast"]
    slow.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cpu": "a processor", "presets": {"veryfast": {}}}'])
async def test_a_broken_measurement_is_made_anew(tmp_path: Path, tasks: asyncio.TaskGroup, text: str) -> None:
    (tmp_path / "machine.json").write_text(text)
    measuring = Measuring()
    made = machine(tmp_path, tasks, measuring)
    await made.speed_for("veryfast")
    assert measuring.asked == ["veryfast"]
    assert machine(tmp_path, tasks, measuring).measured == {"veryfast"}


def test_a_line_through_noise_never_goes_below_nothing() -> None:
    assert PresetCost.through((100, 1.0), (200, 3.0)) == PresetCost(0.0, 3.0 / 200)
    assert PresetCost.through((100, 2.0), (200, 3.0)) == PresetCost(1.0, 0.01)


def test_a_faster_preset_fewer_pixels_and_fewer_frames_cost_less() -> None:
    def cores(**more: Any) -> float:
        return channel_cores(ChannelSpec("a", **more), REFERENCE)

    assert cores(preset="ultrafast") < cores() < cores(preset="medium")
    assert cores(rate=Fraction(15)) < cores() < cores(rate=Fraction(60))
    assert cores(ladder=(Rung(720, 2_500_000),)) < cores()


def test_the_machine_tells_its_cores_and_its_processor(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert usable_cores(quota) == 0.5
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "none") >= 1
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: A Processor 3000\n")
    assert cpu_name(info) == "A Processor 3000"
    assert cpu_name(tmp_path / "none")


def test_rungs_of_a_portrait_canvas_cost_what_those_of_a_landscape_one_do() -> None:
    rungs = tuple(Rung(rung.height, rung.bitrate) for rung in HD.ladder)
    wide = ChannelSpec("a", ladder=rungs)
    tall = ChannelSpec("a", width=TALL.width, height=TALL.height, ladder=rungs)
    assert channel_cores(wide, REFERENCE) == channel_cores(tall, REFERENCE)
    assert RungValue(height=720, bitrate=2_500_000) in HD.ladder

"""Channels against a real store (SQLite) and an engine that only remembers what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from media.adapters.sql.channels import SqlChannelStore
from media.adapters.sql.tape import SqlTapeIndex
from media.contracts.channels import (
    AddDateRange,
    ChannelChanged,
    ChannelSettings,
    CreateChannel,
    DateRange,
    DeleteChannel,
    GetChannel,
    ListChannels,
    Program,
    ProgrammeNow,
    RungValue,
    SetProgram,
    StartChannel,
    StopChannel,
    UpdateChannel,
    WatchChannel,
    WorkerLost,
    WorkerStarted,
)
from media.model.channel import ChannelState
from media.model.errors import CapacityError, ConflictError, NotFoundError, SpecError
from media.model.time import ProgrammeTime
from media.node.admission import Admission
from media.node.channels import Channels
from media.node.machine import Machine
from media.node.settings import ChannelSeed
from media.ports import EngineEvent
from runtime.bus.contract import Event
from tests.support.media_database import fresh


class Remembering:
    """An engine whose work is this: to know what should run."""

    def __init__(self) -> None:
        self.running: dict[str, dict[str, object]] = {}
        self.starts: list[str] = []
        self.told: list[tuple[str, str, dict[str, object]]] = []

    async def ensure(self, name: str, config: dict[str, object]) -> None:
        if name not in self.running:
            self.running[name] = config
            self.starts.append(name)

    async def stop(self, name: str) -> None:
        self.running.pop(name, None)

    def tell(self, name: str, kind: str, data: dict[str, object]) -> None:
        if name in self.running:
            self.told.append((name, kind, data))


async def measured(preset: str) -> dict[str, Any]:
    """A machine on which a pixel costs ten nanoseconds to encode, one to decode, and one to scale."""
    return {"encode": [[100_000, 1e-3], [1_000_000, 1e-2]], "scale": 1e-9, "decode": 1e-9}


class World:
    def __init__(self, store: SqlChannelStore, tape: SqlTapeIndex, machine: Machine) -> None:
        self.store = store
        self.tape = tape
        self.machine = machine
        self.now = 1000.0
        self.engine = Remembering()
        self.events: list[Event] = []
        self.channels = Channels(
            store, self.engine, tape, self.events.append, Admission(machine), clock=lambda: self.now
        )

    def restarted(self) -> World:
        return World(self.store, self.tape, self.machine)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with fresh("sqlite", tmp_path) as database, asyncio.TaskGroup() as tasks:
        machine = Machine(
            tmp_path / "machine.json", tasks, capacity=0.9, cores=2.0, cpu="test", measure=measured, again=()
        )
        yield World(SqlChannelStore(database.engine), SqlTapeIndex(database.engine), machine)


SMALL = ChannelSettings(width=320, height=180, ladder=[RungValue(height=180, bitrate=200_000)])


def report(epoch: int = 1, **values: object) -> dict[str, object]:
    return {
        "epoch": epoch,
        "anchor": 5_000_000,
        "origin": "unix:/x",
        "state": "live",
        "ready": True,
        **values,
    }


async def test_a_seed_is_made_once_and_later_changes_win(world: World) -> None:
    seed = ChannelSeed(id="main", settings=SMALL, program="cam", backup="bars")
    await world.channels.load([seed])
    assert world.engine.running == {"main": {"channel": "main"}}
    await world.channels.set_program(SetProgram(channel="main", feed="other"))
    again = world.restarted()
    await again.channels.load([seed])
    view = await again.channels.get(GetChannel(channel="main"))
    assert view.program == Program(feed="other", backup=None)
    assert again.engine.starts == ["main"]


async def test_a_stopped_channel_stays_off_air_over_a_restart(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    await world.channels.stop(StopChannel(channel="a"))
    again = world.restarted()
    await again.channels.load([])
    assert again.engine.running == {}
    view = await again.channels.start(StartChannel(channel="a"))
    assert view.wanted
    assert again.engine.starts == ["a"]


async def test_worker_reports_become_state_and_events(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    world.events.clear()
    world.channels.listen("a", EngineEvent.READY, report(state="slate", ready=False))
    world.channels.listen("a", EngineEvent.TOLD, {"kind": "state", **report(picture="cam")})
    view = await world.channels.get(GetChannel(channel="a"))
    assert (view.state, view.picture, view.ready, view.origin) == (ChannelState.LIVE, "cam", True, "unix:/x")
    world.channels.listen("a", EngineEvent.EXITED, {"reason": "killed by SIGKILL"})
    view = await world.channels.get(GetChannel(channel="a"))
    assert (view.state, view.origin, view.epoch) == (ChannelState.OFFLINE, "", 0)
    started, *_ = [event for event in world.events if isinstance(event, WorkerStarted)]
    lost, *_ = [event for event in world.events if isinstance(event, WorkerLost)]
    assert (started.epoch, lost.epoch, lost.reason) == (1, 1, "killed by SIGKILL")
    assert [e.channel.state for e in world.events if isinstance(e, ChannelChanged)] == [
        ChannelState.SLATE,
        ChannelState.LIVE,
        ChannelState.OFFLINE,
    ]


async def test_reports_of_a_stopped_channel_are_ignored(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    await world.channels.stop(StopChannel(channel="a"))
    world.channels.listen("a", EngineEvent.TOLD, {"kind": "state", **report()})
    world.channels.listen("never-made", EngineEvent.TOLD, {"kind": "state", **report()})
    assert (await world.channels.get(GetChannel(channel="a"))).state is ChannelState.OFFLINE


async def test_programme_time_is_carried_forward_from_the_last_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    with pytest.raises(ConflictError):
        await world.channels.now(ProgrammeNow(channel="a"))
    world.channels.listen("a", EngineEvent.READY, report(time=7_000_000, monotonic=1_000_000_000))
    monkeypatch.setattr("time.monotonic_ns", lambda: 3_500_000_000)
    reply = await world.channels.now(ProgrammeNow(channel="a"))
    assert (reply.time, reply.epoch) == (9_500_000, 1)


async def test_the_tape_is_told_of_a_stop_on_purpose_and_of_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told() -> list[tuple[int, int, str]]:
        known = await world.tape.known_gaps("a", ProgrammeTime(0), ProgrammeTime(1 << 60))
        return [(gap.starts, gap.ends, gap.cause) for gap in known]

    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    world.channels.listen("a", EngineEvent.EXITED, {"reason": "killed by SIGKILL"})
    await world.channels.stop(StopChannel(channel="a"))  # it was not on air any more
    assert await told() == []
    await world.channels.start(StartChannel(channel="a"))
    world.channels.listen("a", EngineEvent.READY, report(time=7_000_000, monotonic=1_000_000_000))
    monkeypatch.setattr("time.monotonic_ns", lambda: 3_500_000_000)
    await world.channels.stop(StopChannel(channel="a"))
    assert await told() == [(9_500_000, 9_500_000, "stopped")]
    await world.channels.start(StartChannel(channel="a"))
    world.channels.listen("a", EngineEvent.READY, report(epoch=2, time=20_000_000, monotonic=3_500_000_000))
    changed = SMALL.model_copy(update={"name": "Kitchen"})
    await world.channels.update(UpdateChannel(channel="a", version=1, settings=changed))
    assert (await told())[1:] == [(20_000_000, 20_000_000, "stopped")]


async def test_new_settings_take_a_new_epoch_and_a_stale_version_is_refused(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    changed = SMALL.model_copy(update={"name": "Kitchen"})
    view = await world.channels.update(UpdateChannel(channel="a", version=1, settings=changed))
    assert (view.version, view.settings.name) == (2, "Kitchen")
    assert world.engine.starts == ["a", "a"]
    with pytest.raises(ConflictError):
        await world.channels.update(UpdateChannel(channel="a", version=1, settings=SMALL))


async def test_staff_see_why_a_channel_is_not_on_air(world: World) -> None:
    view = await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    assert view.reason == "its worker is starting"
    exited = EngineEvent.EXITED
    world.channels.listen("a", exited, {"reason": "killed by SIGKILL", "permanent": False})
    assert world.channels.view("a").reason == "its worker is started again: killed by SIGKILL"
    world.channels.listen("a", exited, {"reason": "no font", "permanent": True})
    view = world.channels.view("a")
    assert (view.state, view.epoch) == (ChannelState.OFFLINE, 0)
    assert view.reason == "its worker failed for good: no font"
    assert [event.channel.reason for event in world.events if isinstance(event, ChannelChanged)][
        -1
    ] == view.reason
    world.channels.listen("a", EngineEvent.READY, report())
    assert world.channels.view("a").reason == ""
    assert (await world.channels.stop(StopChannel(channel="a"))).reason == ""


async def test_the_program_reaches_a_running_worker_with_its_command(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    command = SetProgram(channel="a", feed="cam", backup="bars")
    await world.channels.set_program(command)
    told = {"feed": "cam", "backup": "bars", "command": command.id}
    assert world.engine.told == [("a", "program", told)]


async def test_of_two_who_switch_at_once_the_second_is_told(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    first = await world.channels.set_program(SetProgram(channel="a", feed="cam", version=1))
    assert first.version == 2
    with pytest.raises(ConflictError):
        await world.channels.set_program(SetProgram(channel="a", feed="bars", version=1))
    assert world.channels.view("a").program.feed == "cam"
    again = await world.channels.set_program(SetProgram(channel="a", feed="cam"))
    assert again.version == 2, "who asks again must not make others stale"
    assert (await world.store.get("a")).version == 2
    with pytest.raises(ConflictError):
        await world.channels.update(UpdateChannel(channel="a", version=1, settings=SMALL))


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (CreateChannel(channel="Bad Id", settings=SMALL), "channel"),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"rate": "0/0"})), "rate"),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"rate": "1000"})), "rate"),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"width": 321})), "width"),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"part_frames": 7})), "part_frames"),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"part_frames": 1})), "part_frames"),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"preset": "placebo"})), "preset"),
        (
            CreateChannel(channel="a", settings=SMALL.model_copy(update={"ladder": SMALL.ladder * 2})),
            "ladder",
        ),
        (CreateChannel(channel="a", settings=SMALL.model_copy(update={"idle_seconds": 1})), "idle_seconds"),
    ],
)
async def test_a_channel_that_cannot_work_is_refused_by_field(
    world: World, command: CreateChannel, field: str
) -> None:
    with pytest.raises(SpecError) as refused:
        await world.channels.create(command)
    assert refused.value.field == field
    assert (await world.channels.list(ListChannels())).channels == []


async def test_conflicts_and_unknown_channels(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    with pytest.raises(ConflictError):
        await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    with pytest.raises(ConflictError):
        await world.channels.delete(DeleteChannel(channel="a"))
    with pytest.raises(SpecError) as refused:
        await world.channels.set_program(SetProgram(channel="a", feed="x", backup="x"))
    assert refused.value.field == "backup"
    with pytest.raises(NotFoundError):
        await world.channels.start(StartChannel(channel="nowhere"))
    await world.channels.stop(StopChannel(channel="a"))
    await world.channels.delete(DeleteChannel(channel="a"))
    with pytest.raises(NotFoundError):
        await world.channels.get(GetChannel(channel="a"))


async def test_a_date_range_that_cannot_be_written_never_reaches_the_worker(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    world.channels.listen("a", EngineEvent.READY, report())
    bad = DateRange(id="card", starts=1, attributes={"PRICE": "1"})
    with pytest.raises(SpecError):
        await world.channels.add_date_range(AddDateRange(channel="a", range=bad))
    assert world.engine.told == []
    good = DateRange(id="card", starts=1, attributes={"X-PRICE": "1"})
    await world.channels.add_date_range(AddDateRange(channel="a", range=good))
    assert [kind for _, kind, _ in world.engine.told] == ["daterange"]


async def test_names_of_channels_that_never_were_leave_nothing_behind(world: World) -> None:
    for number in range(10):
        with pytest.raises(NotFoundError):
            await world.channels.start(StartChannel(channel=f"nobody-{number}"))
    assert not world.channels._locks


AUTO = SMALL.model_copy(update={"ladder": []})
ON_DEMAND = SMALL.model_copy(update={"on_demand": True, "idle_seconds": 30})


async def test_a_refused_channel_is_not_made_and_a_refused_change_not_kept(world: World) -> None:
    world.machine.capacity = 0.05
    large = ChannelSettings()
    with pytest.raises(CapacityError):
        await world.channels.create(CreateChannel(channel="a", settings=large))
    assert (await world.channels.list(ListChannels())).channels == []
    assert list(await world.store.all()) == []
    await world.channels.create(CreateChannel(channel="a", settings=large, start=False))
    with pytest.raises(CapacityError):
        await world.channels.start(StartChannel(channel="a"))
    assert not world.channels.view("a").wanted
    await world.channels.update(UpdateChannel(channel="a", settings=SMALL))
    await world.channels.start(StartChannel(channel="a"))
    with pytest.raises(CapacityError):
        await world.channels.update(UpdateChannel(channel="a", settings=large))
    view = world.channels.view("a")
    assert (view.settings, view.version) == (SMALL, 2)
    assert view.needs == world.channels.admission.needs("a") > 0
    assert world.engine.starts == ["a"]
    await world.channels.update(UpdateChannel(channel="a", settings=large, force=True))
    assert world.engine.starts == ["a", "a"]
    await world.channels.stop(StopChannel(channel="a"))
    assert world.channels.view("a").needs == 0
    # What was on air when the node ended comes back whatever it costs.
    await world.channels.start(StartChannel(channel="a", force=True))
    again = world.restarted()
    await again.channels.load([])
    assert again.engine.starts == ["a"]


async def test_a_chosen_ladder_goes_to_the_worker_and_into_the_view(world: World) -> None:
    view = await world.channels.create(CreateChannel(channel="a", settings=AUTO))
    assert [rung.height for rung in view.rungs] == [180, 144]
    assert view.ladder_why
    assert world.engine.running["a"]["ladder"] == [[rung.height, rung.bitrate] for rung in view.rungs]
    await world.channels.stop(StopChannel(channel="a"))
    assert world.channels.view("a").rungs == []


async def test_an_idle_channel_starts_when_asked_for_and_rests_when_not(world: World) -> None:
    view = await world.channels.create(CreateChannel(channel="a", settings=ON_DEMAND))
    assert (view.wanted, view.idle, view.needs) == (True, True, 0)
    assert view.reason == "it starts when somebody watches"
    assert world.engine.running == {}
    again = world.restarted()
    await again.channels.load([])
    assert again.engine.starts == []
    view = await world.channels.watch(WatchChannel(channel="a"))
    assert (view.idle, view.reason) == (False, "its worker is starting")
    assert world.engine.starts == ["a"]
    world.channels.listen("a", EngineEvent.READY, report())
    world.now += 29
    await world.channels.rest("a")
    await world.channels.watch(WatchChannel(channel="a"))
    world.now += 29
    await world.channels.rest("a")
    assert world.channels.view("a").state is ChannelState.LIVE
    world.now += 1
    await world.channels.rest("a")
    assert (world.channels.view("a").idle, world.channels.view("a").needs) == (True, 0)
    assert world.engine.running == {}
    assert world.channels.on_demand() == ("a",)


async def test_watching_starts_no_channel_that_staff_took_off_or_that_is_not_on_demand(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=ON_DEMAND, start=False))
    await world.channels.create(CreateChannel(channel="b", settings=SMALL, start=False))
    for name in "ab":
        assert not (await world.channels.watch(WatchChannel(channel=name))).wanted
    assert world.engine.running == {}


async def test_a_channel_without_room_says_so_and_starts_once_there_is(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=ON_DEMAND))
    world.machine.capacity = 0.001
    for _ in range(2):
        with pytest.raises(CapacityError):
            await world.channels.watch(WatchChannel(channel="a"))
    view = world.channels.view("a")
    assert view.idle
    assert view.reason.startswith("it cannot start: channels may take")
    world.machine.capacity = 0.9
    assert not (await world.channels.watch(WatchChannel(channel="a"))).idle


async def test_a_channel_changes_between_always_and_on_demand_without_a_new_worker(world: World) -> None:
    await world.channels.create(CreateChannel(channel="a", settings=SMALL))
    await world.channels.update(UpdateChannel(channel="a", settings=ON_DEMAND))
    assert world.engine.starts == ["a"]
    world.now += 31
    await world.channels.rest("a")
    assert world.channels.view("a").idle
    view = await world.channels.update(UpdateChannel(channel="a", settings=SMALL))
    assert not view.idle
    assert world.engine.starts == ["a", "a"]
    await world.channels.rest("a")
    assert world.engine.running

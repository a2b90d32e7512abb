"""Shows from end to end of the studio: over a bus, with a database, log files, and a media that behaves."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from commerce_bridge.contracts.links import LinkClicked
from media.contracts.channels import PictureChanged, Program, SetProgram, WorkerLost, WorkerStarted
from media.contracts.tape import Gap, TapeGap, TapeTrouble
from media.model.feed import FeedPhase
from runtime.bus.calls import call, events, publish
from runtime.bus.contract import CommandError, Event, Fault
from runtime.bus.local import LocalBus
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.migrations import upgrade
from studio import compose
from studio.adapters.logfile import FileShowLogs
from studio.adapters.migrations import BRANCH
from studio.adapters.sql import SqlShowStore
from studio.adapters.sql_lineups import SqlLineupStore
from studio.contracts.shows import (
    AddMark,
    CreateShow,
    DeleteShow,
    GetShow,
    ListShows,
    LogAppended,
    LogEntry,
    ReadLog,
    ShowChanged,
    ShowDeleted,
    ShowState,
    ShowView,
    StartShow,
    StopShow,
    UpdateShow,
)
from studio.settings import StudioSettings
from tests.support import databases
from tests.support.media_owner import AHEAD, MediaOwner, feed

DEADLINE = 10.0
CLOCK = SystemClock()


class House:
    """A studio that can be stopped, started, and started anew, on a bus that stays."""

    def __init__(self, bus: LocalBus, database: Database, root: Path) -> None:
        self.bus = bus
        self.root = root
        self.media = MediaOwner(bus, CLOCK)
        self.media.add_channel("main", Program(feed="cam", backup="pattern"))
        self.media.add_channel("second", Program(feed="pattern"))
        self.media.feeds = {"cam": feed("cam"), "pattern": feed("pattern")}
        self.store = SqlShowStore(database)
        self.lineups = SqlLineupStore(database)

    @asynccontextmanager
    async def studio(self, *, crash: bool = False) -> AsyncIterator[None]:
        """A studio process; `crash` ends it without a word at the end of the block."""
        ready, stop = asyncio.Event(), asyncio.Event()

        async def stopping() -> None:
            await stop.wait()

        running = asyncio.create_task(
            compose.run(
                self.bus,
                self.store,
                FileShowLogs(self.root / "shows"),
                self.lineups,
                settings=StudioSettings(media_timeout=1.5, upkeep_interval=0.05),
                clock=CLOCK,
                ready=ready.set,
                stopping=stopping,
            )
        )
        try:
            async with asyncio.timeout(DEADLINE):
                await ready.wait()
            yield
        finally:
            if crash:
                running.cancel()
            stop.set()
            await asyncio.wait([running], timeout=DEADLINE)
            if not running.cancelled():
                running.result()

    async def planned(self, channel: str = "main", title: str = "빵 한 판") -> ShowView:
        return await call(self.bus, CreateShow(title=title, channel=channel))

    async def live(self) -> ShowView:
        show = await self.planned()
        return await call(self.bus, StartShow(show=show.id))

    async def entries(self, show: str) -> list[LogEntry]:
        return (await call(self.bus, ReadLog(show=show))).entries

    async def entry(
        self, show: str, type_: str, matches: Callable[[LogEntry], bool] = lambda _: True
    ) -> LogEntry:
        """The first entry of a type, once it is there."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for each in await self.entries(show):
                    if each.type == type_ and matches(each):
                        return each
                await asyncio.sleep(0.01)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    bus = LocalBus()
    async with databases.fresh("sqlite", tmp_path) as database:
        await upgrade(database, [BRANCH])
        house = House(bus, database, tmp_path)
        async with house.media.serving():
            yield house
    await bus.close()


async def refused(bus: LocalBus, command: Any) -> CommandError:
    with pytest.raises(CommandError) as error:
        await call(bus, command)
    return error.value


def is_sound(entries: list[LogEntry]) -> bool:
    return [e.seq for e in entries] == list(range(1, len(entries) + 1))


async def test_a_show_from_plan_to_end(house: House) -> None:
    async with house.studio(), events(house.bus, ShowChanged, LogAppended) as told:
        show = await house.planned()
        assert (show.state, show.recording, show.started) == (ShowState.DRAFT, "", 0)
        live = await call(house.bus, StartShow(show=show.id, cause="button"))
        assert live.state is ShowState.LIVE
        assert house.media.recordings[live.recording].started == live.started
        over = await call(house.bus, StopShow(show=show.id))
        assert over.state is ShowState.ENDED
        assert house.media.recordings[live.recording].ended == over.ended >= over.started

        entries = await house.entries(show.id)
        assert [e.type for e in entries] == ["show.started", "show.stopped"]
        assert is_sound(entries)
        assert entries[0].time == live.started
        assert entries[0].data["title"] == "빵 한 판"
        assert entries[0].data["channel"] == "main"
        assert entries[0].data["program"] == {
            "feed": "cam",
            "backup": "pattern",
            "feeds": {"cam": "live", "pattern": "live"},
        }
        assert entries[1].time == over.ended
        heard: list[Event] = []
        async with asyncio.timeout(DEADLINE):
            async for event in told:
                heard.append(event)
                if isinstance(event, ShowChanged) and event.show.state is ShowState.ENDED:
                    break
        assert [e.show.state for e in heard if isinstance(e, ShowChanged)] == list(ShowState)
        assert [e.entry for e in heard if isinstance(e, LogAppended)] == entries
    text = (house.root / "shows" / show.id / "log.ndjson").read_text()
    assert [json.loads(line)["type"] for line in text.splitlines()] == ["show.started", "show.stopped"]


async def test_commands_may_be_said_twice(house: House) -> None:
    async with house.studio():
        live = await house.live()
        assert await call(house.bus, StartShow(show=live.id)) == live
        over = await call(house.bus, StopShow(show=live.id))
        assert await call(house.bus, StopShow(show=live.id)) == over
        assert (await refused(house.bus, StartShow(show=live.id))).fault is Fault.CONFLICT
        assert len(await house.entries(live.id)) == 2
        await call(house.bus, DeleteShow(show=live.id))
        assert (await refused(house.bus, DeleteShow(show=live.id))).fault is Fault.NOT_FOUND


async def test_one_show_at_a_time_is_live_on_a_channel(house: House) -> None:
    async with house.studio():
        shows = [await house.planned() for _ in range(4)]
        tries = await asyncio.gather(
            *(call(house.bus, StartShow(show=s.id)) for s in shows), return_exceptions=True
        )
        errors = [t for t in tries if isinstance(t, CommandError)]
        assert len(errors) == 3
        assert {e.fault for e in errors} == {Fault.CONFLICT}
        assert len(house.media.recordings) == 1
        other = await house.planned("second")
        assert (await call(house.bus, StartShow(show=other.id))).state is ShowState.LIVE


async def test_what_the_media_tells_is_in_the_log_of_the_show_on_that_channel(house: House) -> None:
    async with house.studio():
        live = await house.live()
        bus, now = house.bus, house.media.programme_now()
        await house.media.set_phase("cam", FeedPhase.LOST, "the sender went away")
        await publish(
            bus, PictureChanged(channel="main", epoch=1, time=now + 7, picture="pattern", reason="lost")
        )
        await publish(bus, PictureChanged(channel="second", epoch=1, time=now, picture="slate"))
        await publish(bus, WorkerLost(channel="main", epoch=1, reason="killed"))
        await publish(bus, WorkerStarted(channel="main", epoch=2, anchor=now + 9))
        await publish(bus, TapeGap(channel="main", gap=Gap(starts=now + 3, ends=now + 5, cause="worker")))
        await publish(
            bus, TapeTrouble(channel="main", epoch=2, time=now + 11, reason="disk full", lost_segments=1)
        )
        await house.media.set_program(SetProgram(channel="main", feed="pattern"))
        await house.media.set_phase("cam", FeedPhase.LIVE)  # on no channel any more: no news
        program = await house.entry(live.id, "program")
        entries = await house.entries(live.id)

    assert is_sound(entries)
    by_type = {e.type: e for e in entries}
    assert list(by_type) == [
        "show.started",
        "feed.lost",
        "picture",
        "worker.lost",
        "worker.started",
        "tape.gap",
        "tape.trouble",
        "program",
    ]
    lost = by_type["feed.lost"]
    assert (lost.data["feed"], lost.data["role"], lost.data["from"]) == ("cam", "program", "live")
    assert lost.data["reason"] == "the sender went away"
    # Wall time is mapped to programme time, which the media keeps a quarter of a second ahead.
    assert abs(lost.time - lost.at - AHEAD) < 50_000
    assert (by_type["picture"].time, by_type["picture"].data["picture"]) == (now + 7, "pattern")
    assert (by_type["worker.started"].time, by_type["worker.started"].data["epoch"]) == (now + 9, 2)
    assert (by_type["tape.gap"].time, by_type["tape.gap"].data["cause"]) == (now + 3, "worker")
    assert by_type["tape.trouble"].data["reason"] == "disk full"
    assert program.data == {"feed": "pattern", "backup": None, "feeds": {"pattern": "live"}}


async def test_clicks_on_purchase_links(house: House) -> None:
    async with house.studio():
        live = await house.live()
        seen = live.started + 1
        for show, click in (("another", "c0"), (live.id, "c1")):
            await publish(
                house.bus, LinkClicked(click=click, product="p", show=show, origin="embed", time=seen)
            )
        entry = await house.entry(live.id, "click")
        assert (entry.time, entry.data) == (seen, {"click": "c1", "product": "p", "origin": "embed"})
        await call(house.bus, StopShow(show=live.id))
        await publish(house.bus, LinkClicked(click="c2", product="p", show=live.id, origin="page"))
        assert [e.data["click"] for e in await house.entries(live.id) if e.type == "click"] == ["c1"]


async def test_marks_now_and_at_a_time(house: House) -> None:
    async with house.studio():
        live = await house.live()
        now = await call(house.bus, AddMark(show=live.id, label="첫 주문", by="host"))
        assert abs(now.time - now.at - AHEAD) < 50_000
        assert (now.data["label"], now.data["by"]) == ("첫 주문", "host")
        then = await call(house.bus, AddMark(show=live.id, time=live.started))
        assert (then.seq, then.time) == (now.seq + 1, live.started)
        early = await refused(house.bus, AddMark(show=live.id, time=live.started - 1))
        assert (early.fault, early.field) == (Fault.INVALID, "time")
        await call(house.bus, StopShow(show=live.id))
        assert (await refused(house.bus, AddMark(show=live.id))).fault is Fault.CONFLICT


async def test_a_title_may_change_live_and_is_in_the_log_a_channel_may_not(house: House) -> None:
    async with house.studio():
        show = await house.planned()
        moved = await call(house.bus, UpdateShow(show=show.id, version=1, channel="second"))
        assert (moved.channel, moved.version) == ("second", 2)
        live = await call(house.bus, StartShow(show=show.id))
        renamed = await call(house.bus, UpdateShow(show=show.id, version=live.version, title="New"))
        assert renamed.version == live.version + 1
        assert (await house.entry(show.id, "show.renamed")).data["title"] == "New"
        assert (
            await refused(house.bus, UpdateShow(show=show.id, version=1, title="Old"))
        ).fault is Fault.CONFLICT
        assert (await refused(house.bus, UpdateShow(show=show.id, channel="main"))).fault is Fault.CONFLICT


async def test_pages_are_newest_first_and_complete(house: House) -> None:
    async with house.studio():
        made = [(await house.planned(title=f"{i}")).id for i in range(5)]
        seen, cursor = [], ""
        while True:
            page = await call(house.bus, ListShows(limit=2, cursor=cursor))
            seen += [s.id for s in page.shows]
            cursor = page.next
            if not cursor:
                break
        assert seen == made[::-1]
        await call(house.bus, StartShow(show=made[2]))
        live = await call(house.bus, ListShows(state=ShowState.LIVE, channel="main"))
        assert [s.id for s in live.shows] == [made[2]]
        far = base64.urlsafe_b64encode(b"9999999999999999999999/x").decode()
        for wrong in ("%", far):
            assert (await refused(house.bus, ListShows(cursor=wrong))).field == "cursor"


async def test_a_channel_that_does_not_exist_starts_nothing(house: House) -> None:
    async with house.studio():
        show = await house.planned("nowhere")
        error = await refused(house.bus, StartShow(show=show.id))
        assert error.fault is Fault.NOT_FOUND
        assert "not started" in str(error)
        assert await call(house.bus, GetShow(show=show.id)) == show
        assert not house.media.recordings
        assert not (house.root / "shows").exists()


async def test_media_that_does_not_answer_leaves_nothing_half_done(house: House) -> None:
    """The recording was begun, but the answer never came: it is taken back once the media answers again."""
    async with house.studio():
        show = await house.planned()
        house.media.answering.clear()
        error = await refused(house.bus, StartShow(show=show.id))
        assert error.fault is Fault.UNAVAILABLE
        assert "not started" in str(error)
        assert await call(house.bus, GetShow(show=show.id)) == show
        assert len(house.media.recordings) == 1
        house.media.answering.set()
        async with asyncio.timeout(DEADLINE):
            while house.media.recordings:
                await asyncio.sleep(0.01)
        live = await call(house.bus, StartShow(show=show.id))
        assert list(house.media.recordings) == [live.recording]
        assert is_sound(await house.entries(show.id))

        house.media.answering.clear()
        error = await refused(house.bus, StopShow(show=show.id))
        assert error.fault is Fault.UNAVAILABLE
        assert "still live" in str(error)
        assert (await call(house.bus, GetShow(show=show.id))).state is ShowState.LIVE
        house.media.answering.set()
        assert (await call(house.bus, StopShow(show=show.id))).state is ShowState.ENDED


async def test_a_studio_that_crashed_takes_its_live_show_up_again(house: House) -> None:
    async with house.studio(crash=True):
        live = await house.live()
        await call(house.bus, AddMark(show=live.id, label="before"))
        await house.entry(live.id, "mark")
    path = house.root / "shows" / live.id / "log.ndjson"
    with path.open("ab") as file:
        file.write(b'{"seq":3,"at":17')  # what a power cut may leave
    await house.media.set_program(SetProgram(channel="main", feed="pattern"))  # nobody hears it
    async with house.studio():
        restarted = await house.entry(live.id, "studio.restarted")
        assert restarted.data["torn_bytes"] == 16
        assert restarted.data["program"]["feed"] == "pattern"
        assert await call(house.bus, StartShow(show=live.id)) == live
        await publish(
            house.bus, PictureChanged(channel="main", epoch=1, time=live.started + 1, picture="slate")
        )
        await house.entry(live.id, "picture")
        over = await call(house.bus, StopShow(show=live.id))
        assert over.recording == live.recording
        entries = await house.entries(live.id)
        assert is_sound(entries)
        assert [e.type for e in entries] == [
            "show.started",
            "mark",
            "studio.restarted",
            "picture",
            "show.stopped",
        ]


async def test_a_stop_that_was_cut_short_is_finished_by_the_next_studio(house: House) -> None:
    async with house.studio():
        live = await house.live()
        was = await house.store.get(live.id)
        over = await call(house.bus, StopShow(show=live.id))
        await house.store.save(
            was, was=await house.store.get(live.id)
        )  # as if the studio died before this write
    async with house.studio():
        async with asyncio.timeout(DEADLINE):
            while (await call(house.bus, GetShow(show=live.id))).state is ShowState.LIVE:
                await asyncio.sleep(0.01)
        assert await call(house.bus, GetShow(show=live.id)) == over
        assert [e.type for e in await house.entries(live.id)] == ["show.started", "show.stopped"]


async def test_a_start_that_was_cut_short_before_its_log_is_finished_by_the_next_studio(house: House) -> None:
    async with house.studio(crash=True):
        live = await house.live()
    (house.root / "shows" / live.id / "log.ndjson").unlink(missing_ok=True)
    async with house.studio():
        await house.entry(live.id, "studio.restarted")
        entries = await house.entries(live.id)
        assert [e.type for e in entries] == ["show.started", "studio.restarted"]
        assert entries[0].time == live.started


async def test_deleting_takes_tape_log_and_show(house: House) -> None:
    async with house.studio(), events(house.bus, ShowDeleted) as told:
        live = await house.live()
        assert (await refused(house.bus, DeleteShow(show=live.id))).fault is Fault.CONFLICT
        await call(house.bus, StopShow(show=live.id))
        await call(house.bus, DeleteShow(show=live.id))
        async with asyncio.timeout(DEADLINE):
            assert (await anext(aiter(told))).show == live.id
        assert not house.media.recordings
        assert not (house.root / "shows" / live.id).exists()
        assert (await refused(house.bus, ReadLog(show=live.id))).fault is Fault.NOT_FOUND


async def test_a_long_log_is_read_in_pages_that_fit_the_bus(house: House) -> None:
    async with house.studio():
        live = await house.live()
        for i in range(1, 1501):
            await publish(
                house.bus,
                PictureChanged(
                    channel="main", epoch=1, time=live.started + i, picture="slate", reason="x" * 900
                ),
            )
            if i % 100 == 0:
                await house.entry(
                    live.id, "show.started"
                )  # lets the studio keep up: the bus drops, it does not wait
        seen: list[LogEntry] = []
        async with asyncio.timeout(DEADLINE):
            while len(seen) < 1501:
                page = await call(house.bus, ReadLog(show=live.id, after=len(seen), limit=2000))
                seen += page.entries
                await asyncio.sleep(0.005)
        assert is_sound(seen)

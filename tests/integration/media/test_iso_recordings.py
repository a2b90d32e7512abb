"""Feeds recorded as they came: real files, a real database, a disk that fills up, and processes that are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from media.adapters.sql.isos import SqlIsoStore
from media.contracts.feeds import FeedDeleted
from media.contracts.isos import (
    DeleteIso,
    FeedPlaced,
    GetIso,
    IsoChanged,
    IsoDeleted,
    IsoState,
    IsoView,
    ListIsos,
    StartIso,
    StopIso,
)
from media.jobs.isos import Isos
from media.model.errors import ConflictError, NotFoundError
from media.record.iso import recorder as timing
from media.record.iso import writer as writing
from media.record.iso.isos import SHORTEST_GAP, PartCause
from media.record.iso.settings import IsoSettings
from media.record.iso.store import IsoStore, MemoryIsoStore
from runtime.bus.calls import publish
from runtime.bus.contract import Event
from runtime.bus.local import LocalBus
from tests.support import media_database
from tests.support.iso import LOST, ScriptedTap, packets_of, script
from tests.support.media import ClipSpec, make_clip

SECOND = 1_000_000
CLIP = make_clip(ClipSpec(seconds=3))
LATER = make_clip(ClipSpec(seconds=3, start=3 * SECOND))
LARGER = make_clip(ClipSpec(seconds=3, width=480, height=270, start=6 * SECOND))


@dataclass
class House:
    root: Path
    store: IsoStore
    bus: LocalBus = field(default_factory=LocalBus)
    taps: dict[str, ScriptedTap] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)
    settings: IsoSettings = field(default_factory=lambda: IsoSettings(min_free_bytes=0))

    def tap(self, feed: str) -> ScriptedTap:
        return self.taps.setdefault(feed, ScriptedTap())

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Isos]:
        isos = Isos(self.store, self.tap, self.root, self.settings, self.told.append)
        running = asyncio.create_task(isos.run(self.bus))
        try:
            yield isos
        finally:
            running.cancel()
            await asyncio.wait([running])

    def file(self, view: IsoView, number: int) -> Path:
        return self.root / view.parts[number - 1].key


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SAVE_EVERY", 0.05)
    monkeypatch.setattr(timing, "RETRY", 0.2)
    monkeypatch.setattr(writing, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(writing, "IDLE", 0.05)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with media_database.fresh("sqlite", tmp_path) as database:
        yield House(tmp_path / "tape", SqlIsoStore(database.engine))


async def until(right: Callable[[], Awaitable[bool]], what: str, within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not await right():
        assert time.monotonic() < deadline, f"{what} did not come true within {within:g} s"
        await asyncio.sleep(0.02)


async def grown(isos: Isos, iso: str, part: int, micros: int) -> None:
    async def right() -> bool:
        view = await isos.get(GetIso(iso=iso))
        return len(view.parts) >= part and view.parts[part - 1].duration >= micros

    await until(right, f"part {part} of {micros} µs")


def files(root: Path, kind: str = "*.mkv") -> list[Path]:
    return sorted(root.rglob(kind))


def clip_packets(*clips: object) -> list[tuple[str, bytes]]:
    return sorted((p.kind.value, p.data) for clip in clips for p in clip.packets)  # type: ignore[attr-defined]


async def test_a_feed_is_recorded_listed_and_deleted(house: House) -> None:
    async with house.owner() as isos:
        house.tap("cam").play(script(CLIP))
        started = await isos.start(StartIso(feed="cam"))
        assert (await isos.start(StartIso(feed="cam"))).id == started.id
        await grown(isos, started.id, 1, 29 * SECOND // 10)
        running = await isos.get(GetIso(iso=started.id))
        assert running.state is IsoState.RECORDING
        # While it runs it can be played as far as it is.
        assert len(packets_of(house.file(running, 1))) > 100
        with pytest.raises(ConflictError):
            await isos.delete(DeleteIso(iso=started.id))
        ended = await isos.stop(StopIso(iso=started.id))
        assert await isos.stop(StopIso(iso=started.id)) == ended
        (part,) = ended.parts
        assert (part.video, part.width, part.height, part.audio, part.closed) == (
            "h264",
            320,
            180,
            "aac",
            True,
        )
        assert house.file(ended, 1).stat().st_size == part.size == ended.size
        assert sorted((kind, data) for kind, _, data in packets_of(house.file(ended, 1))) == clip_packets(
            CLIP
        )
        (listed,) = (await isos.list(ListIsos())).isos
        assert (listed.id, listed.parts, listed.part_count, listed.state) == (ended.id, [], 1, IsoState.ENDED)
        assert (await isos.list(ListIsos(feed="other"))).isos == []
        await isos.delete(DeleteIso(iso=ended.id))
        assert not (house.root / "isos" / ended.id).exists()
        with pytest.raises(NotFoundError):
            await isos.get(GetIso(iso=ended.id))
    states = [event.iso.state for event in house.told if isinstance(event, IsoChanged)]
    assert states[0] is IsoState.WAITING
    assert IsoState.RECORDING in states
    assert states[-1] is IsoState.ENDED
    assert house.told[-1] == IsoDeleted(iso=ended.id, at=house.told[-1].at)


async def test_a_sender_that_goes_and_one_that_changes_its_size_make_parts(house: House) -> None:
    async with house.owner() as isos:
        tap = house.tap("cam")
        iso = (await isos.start(StartIso(feed="cam"))).id
        tap.play([*script(CLIP), LOST])
        await grown(isos, iso, 1, 2 * SECOND)
        lost = await isos.get(GetIso(iso=iso))
        assert (lost.state, lost.reason) == (IsoState.WAITING, "the sender went away")
        tap.play([*script(LATER), *script(LARGER)])
        await grown(isos, iso, 3, 29 * SECOND // 10)
        view = await isos.stop(StopIso(iso=iso))
    assert [(p.cause, p.width) for p in view.parts] == [("start", 320), ("feed", 320), ("format", 480)]
    for number, clip in enumerate((CLIP, LATER, LARGER), 1):
        file = house.file(view, number)
        assert sorted((kind, data) for kind, _, data in packets_of(file)) == clip_packets(clip)


async def test_channels_words_lay_a_part_beside_the_programme(house: House) -> None:
    async with house.owner() as isos:
        house.tap("cam").play(script(make_clip(ClipSpec(seconds=3, start=500 * SECOND))))
        iso = (await isos.start(StartIso(feed="cam"))).id
        await grown(isos, iso, 1, 29 * SECOND // 10)
        # The sender's clock read 500 s at the part's time 0.
        now = 1_700_000_000 * SECOND
        await publish(house.bus, FeedPlaced(channel="main", feed="cam", offset=now - 500 * SECOND))
        await publish(house.bus, FeedPlaced(channel="main", feed="other", offset=0))

        async def told() -> bool:
            (part,) = (await isos.get(GetIso(iso=iso))).parts
            return any(p.channel == "main" for p in part.placements)

        await until(told, "a placement")
        view = await isos.stop(StopIso(iso=iso))
    placement = next(p for p in view.parts[0].placements if p.channel == "main")
    assert placement.offset == now


async def test_a_feed_that_is_deleted_is_recorded_no_longer(house: House) -> None:
    async with house.owner() as isos:
        house.tap("cam").play(script(CLIP))
        iso = (await isos.start(StartIso(feed="cam"))).id
        await grown(isos, iso, 1, SECOND)
        await publish(house.bus, FeedDeleted(feed="cam"))

        async def ended() -> bool:
            return (await isos.get(GetIso(iso=iso))).ended != 0

        await until(ended, "the end")


async def test_the_process_that_is_started_again_takes_recordings_up(house: House) -> None:
    async with house.owner() as isos:
        house.tap("cam").play(script(CLIP))
        iso = (await isos.start(StartIso(feed="cam"))).id
        await grown(isos, iso, 1, 29 * SECOND // 10)
    async with house.owner() as isos:
        house.tap("cam").play(script(LATER))
        await grown(isos, iso, 2, 29 * SECOND // 10)
        view = await isos.stop(StopIso(iso=iso))
    assert [part.cause for part in view.parts] == ["start", "restart"]
    assert all(part.closed for part in view.parts)
    assert sorted((kind, data) for n in (1, 2) for kind, _, data in packets_of(house.file(view, n))) == (
        clip_packets(CLIP, LATER)
    )


async def test_too_many_at_once_are_refused(house: House) -> None:
    house.settings = IsoSettings(max_running=1)
    async with house.owner() as isos:
        await isos.start(StartIso(feed="cam"))
        with pytest.raises(ConflictError, match=r"iso\.max_running"):
            await isos.start(StartIso(feed="phone"))


async def test_a_full_disk_is_told_and_the_feed_recorded_on_once_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    house = House(small_disk / "tape", MemoryIsoStore())
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((2 << 20) - 200_000))
    async with house.owner() as isos:
        tap = house.tap("cam")
        iso = (await isos.start(StartIso(feed="cam"))).id
        tap.play(script(CLIP))

        async def full() -> bool:
            view = await isos.get(GetIso(iso=iso))
            return view.state is IsoState.TROUBLE and "No space left" in view.reason

        await until(full, "the trouble")
        ballast.unlink()
        await asyncio.sleep(timing.RETRY * 2)
        tap.play(script(LATER))
        await grown(isos, iso, 2, 2 * SECOND)

        async def well() -> bool:
            return (await isos.get(GetIso(iso=iso))).state is IsoState.RECORDING

        await until(well, "the recovery")
        view = await isos.stop(StopIso(iso=iso))
    assert [part.cause for part in view.parts] == ["start", PartCause.DISK]
    # What was written before is whole, and no longer than that is claimed.
    first = packets_of(house.file(view, 1))
    assert first
    assert max(at for _, at, _ in first) * 1000 == pytest.approx(view.parts[0].duration, abs=2000)
    assert sorted((k, d) for k, _, d in packets_of(house.file(view, 2))) == clip_packets(LATER)


async def test_a_nearly_full_disk_is_left_to_the_tape(tmp_path: Path) -> None:
    free = [10_000]
    isos = Isos(
        MemoryIsoStore(),
        lambda _: ScriptedTap(script(CLIP)),
        tmp_path,
        IsoSettings(min_free_bytes=1 << 20),
        lambda _: None,
        free=lambda _: free[0],
    )
    running = asyncio.create_task(isos.run(LocalBus()))
    iso = (await isos.start(StartIso(feed="cam"))).id

    async def told() -> bool:
        return "nearly full" in (await isos.get(GetIso(iso=iso))).reason

    await until(told, "the reason")
    assert files(tmp_path) == []
    running.cancel()
    await asyncio.wait([running])


async def test_a_disk_that_does_not_keep_up_costs_a_part_and_delays_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, write = [True], os.pwrite

    def slow(file: int, data: bytes, at: int) -> int:
        while stuck[0]:
            time.sleep(0.01)
        return write(file, data, at)

    monkeypatch.setattr(os, "pwrite", slow)
    # Less than the setting allows, so that a small clip is more than enough.
    house.settings = IsoSettings.model_construct(held_bytes=60_000, min_free_bytes=0)
    async with house.owner() as isos:
        tap = house.tap("cam")
        iso = (await isos.start(StartIso(feed="cam"))).id
        tap.play(script(CLIP))
        (recorder,) = isos.recorders
        worst = 0.0
        for _ in range(40):
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            worst = max(worst, time.perf_counter() - began)
        assert worst < 0.3

        async def behind() -> bool:
            return recorder.state == (IsoState.TROUBLE, "the disk does not keep up")

        await until(behind, "the trouble")
        assert recorder.backlog <= 60_000
        stuck[0] = False

        async def caught_up() -> bool:
            return recorder.backlog == 0

        await until(caught_up, "the end of the backlog")
        await asyncio.sleep(timing.RETRY * 2)
        tap.play(script(LATER))
        await grown(isos, iso, 2, SECOND)
        view = await isos.stop(StopIso(iso=iso))
    assert [part.cause for part in view.parts] == ["start", "disk"]
    assert packets_of(house.file(view, 1))


RECORDING = """
    import asyncio, sys, time
    from dataclasses import replace
    from pathlib import Path
    from media.adapters.sql.isos import SqlIsoStore
    from media.contracts.isos import StartIso
    from media.jobs.isos import Isos
    from media.record.iso.settings import IsoSettings
    from runtime.bus.local import LocalBus
    from runtime.database import Database
    from tests.support.iso import LIVE
    from tests.support.media import ClipSpec, make_clip

    class Paced:
        async def __aiter__(self):
            clip = make_clip(ClipSpec(seconds=4))
            yield LIVE
            for header in clip.headers:
                yield header
            began = time.monotonic()
            for packet in clip.packets:
                await asyncio.sleep(max(0, began + packet.dts / 1e6 - time.monotonic()))
                yield replace(packet, arrived=time.time_ns() // 1000)
                print("given", packet.pts, flush=True)
            await asyncio.Event().wait()

    async def main(root, url):
        async with Database(url) as database:
            isos = Isos(SqlIsoStore(database.engine), lambda _: Paced(), root, IsoSettings(), lambda _: None)
            running = asyncio.create_task(isos.run(LocalBus()))
            await isos.start(StartIso(feed="cam"))
            await running

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_kill_dash_nine_loses_less_than_a_second(house: House, tmp_path: Path) -> None:
    (database,) = files(tmp_path, "*.db")
    child = subprocess.Popen(  # noqa: ASYNC220 - starting it takes a millisecond, and nothing else runs here
        [
            sys.executable,
            "-c",
            textwrap.dedent(RECORDING),
            str(house.root),
            f"sqlite:///{database}",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    given = 0
    try:
        while given < 23 * SECOND // 10:
            line = await asyncio.to_thread(child.stdout.readline)
            assert line, "it ended by itself"
            if line.startswith("given "):
                given = int(line.split()[1])
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    (file,) = files(house.root)
    torn = packets_of(file)  # as it is, before anybody mends it
    assert max(at for _, at, _ in torn) * 1000 > given - SECOND
    async with house.owner() as isos:
        (iso,) = (await isos.list(ListIsos())).isos
        house.tap("cam").play(script(LATER))
        await grown(isos, iso.id, 2, SECOND)
        view = await isos.stop(StopIso(iso=iso.id))
    assert isos.mended == 1
    assert [part.cause for part in view.parts] == ["start", "restart"]
    assert view.parts[0].duration > given - SECOND
    assert view.parts[0].closed
    assert (view.parts[0].video, view.parts[0].width, view.parts[0].audio) == ("h264", 320, "aac")
    mended = packets_of(house.file(view, 1))
    assert mended == torn[: len(mended)]
    clip = make_clip(ClipSpec(seconds=4))
    assert {(kind, data) for kind, _, data in mended} <= {(p.kind.value, p.data) for p in clip.packets}
    # What nobody recorded is told, unless it was as short as a first picture is late by: a quick machine loses less.
    first, second = view.parts
    told = [gap.cause for gap in view.gaps if gap.ends > first.started + first.duration]
    assert told or second.started - first.started - first.duration < 2 * SHORTEST_GAP
    assert set(told) <= {"restart", "feed"}

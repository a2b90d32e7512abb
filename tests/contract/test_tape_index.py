"""What the tape's index does, on each database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.adapters.sql.tape import SqlTapeIndex
from media.model.errors import StoreError
from media.model.time import ProgrammeTime
from media.ports import TapeInit
from media.record.gaps import KnownGap
from media.record.ranges import Range
from runtime.database import Database
from runtime.migrations import differences
from tests.support import databases, media_database
from tests.support.tape import ANCHOR, SECOND, entry


@pytest.fixture(params=databases.KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with media_database.fresh(request.param, tmp_path) as database:
        yield database


@pytest.fixture
def index(database: Database) -> SqlTapeIndex:
    return SqlTapeIndex(database.engine)


def at(seconds: float) -> ProgrammeTime:
    return ProgrammeTime(ANCHOR + round(seconds * SECOND))


def init(epoch: int, rendition: str = "v360") -> TapeInit:
    return TapeInit(
        "main",
        epoch,
        rendition,
        f"main/{rendition}/init-{epoch}.mp4",
        "avc1.64001f",
        640,
        360,
        300_000,
        29_970,
    )


async def test_the_migration_makes_what_the_metadata_says(database: Database) -> None:
    assert await differences(database, media_database.BRANCH) == []


async def test_epochs_are_counted_for_each_channel(index: SqlTapeIndex) -> None:
    assert await index.current_epoch("main") == await index.first_epoch("main") == 0
    assert [await index.claim_epoch("main", at(i)) for i in range(3)] == [1, 2, 3]
    assert await index.claim_epoch("other", at(9)) == 1
    assert (await index.first_epoch("main"), await index.current_epoch("main")) == (1, 3)
    assert await index.anchors("main") == {1: at(0), 2: at(1), 3: at(2)}


async def test_a_database_made_anew_gives_no_epoch_again(database: Database, tmp_path: Path) -> None:
    index, now = SqlTapeIndex(database.engine), 1_796_000_000 * SECOND
    before = [await index.claim_epoch("main", ProgrammeTime(now)) for _ in range(3)]
    assert before == list(range(before[0], before[0] + 3))
    assert await index.first_epoch("main") == before[0]
    async with media_database.fresh("sqlite", tmp_path / "anew") as other:
        # A minute later: a channel is not started so often.
        assert (
            await SqlTapeIndex(other.engine).claim_epoch("main", ProgrammeTime(now + 60 * SECOND))
            > before[-1]
        )


async def test_no_two_claimants_get_the_same_epoch(index: SqlTapeIndex) -> None:
    claimed = await asyncio.gather(*(index.claim_epoch("main", at(0)) for _ in range(20)))
    assert sorted(claimed) == list(range(1, 21))


async def test_segments_are_found_by_the_time_they_overlap(index: SqlTapeIndex) -> None:
    await index.add([entry(n, rendition=r) for n in range(5) for r in ("v360", "audio")])
    found = await index.between("main", at(2), at(6))
    assert [(s.msn, s.rendition) for s in found] == [(1, "audio"), (1, "v360"), (2, "audio"), (2, "v360")]
    assert [s.msn for s in await index.between("main", at(7.999))] == [3, 3, 4, 4]
    assert found[1] == entry(1)
    assert await index.between("other", at(0)) == []
    assert await index.last_msn("main") == 4
    assert await index.last_msn("other") is None
    assert await index.newest("main") == at(10)
    assert await index.size("main", at(3), at(5)) == 4000


async def test_an_entry_that_is_there_stays_as_it_is(index: SqlTapeIndex) -> None:
    await index.add([entry(1, size=10)])
    await index.add([entry(1, size=20), entry(2)])
    assert [(s.msn, s.size) for s in await index.between("main", at(0))] == [(1, 10), (2, 1000)]
    await index.add([])


async def test_many_entries_fit_one_call(index: SqlTapeIndex) -> None:
    await index.add([entry(n) for n in range(2500)])
    assert len(await index.between("main", at(0))) == 2500


async def test_inits_stay_while_they_are_needed(index: SqlTapeIndex) -> None:
    for epoch in (1, 2, 3):
        await index.claim_epoch("main", at(epoch))
        await index.add_init(init(epoch))
        await index.add_init(init(epoch))
    await index.add([entry(1, epoch=1)])
    assert [i.epoch for i in await index.inits("main")] == [1, 3]
    assert (await index.inits("main"))[0] == init(1)
    keys = await index.forget_before("main", at(100), [])
    # Epoch 2 left nothing behind, so its init segment goes with the first that is swept.
    assert sorted(keys) == ["main/v360/1-1.m4s", "main/v360/init-1.mp4", "main/v360/init-2.mp4"]
    assert [i.epoch for i in await index.inits("main")] == [3]


async def test_only_what_is_old_and_unprotected_is_forgotten(index: SqlTapeIndex) -> None:
    await index.add([entry(n) for n in range(10)])
    await index.add([entry(n, channel="other") for n in range(10)])
    keys = await index.forget_before("main", at(15), [(at(3), at(5)), (at(9), at(9.5))])
    # 1 and 2 overlap the first kept range, 4 the second, 7 ends after the limit.
    assert keys == [f"main/v360/1-{n}.m4s" for n in (0, 3, 5, 6)]
    assert [s.msn for s in await index.between("main", at(0))] == [1, 2, 4, 7, 8, 9]
    assert len(await index.between("other", at(0))) == 10
    assert await index.forget_before("main", at(15), [(at(3), at(5)), (at(9), at(9.5))]) == []


async def test_unrecorded_tape_is_measured_by_the_minute(index: SqlTapeIndex) -> None:
    await index.add([entry(n) for n in range(100)])
    slices = await index.slices("main", [Range(at(0), at(20)), Range(at(100), at(160))])
    assert sum(s.size for s in slices) == 40 * 1000
    assert all(s.range.end - s.range.start <= 62 * SECOND for s in slices)
    assert slices == sorted(slices, key=lambda s: s.range)
    assert await index.known_keys(["main/v360/1-5.m4s", "nothing"]) == {"main/v360/1-5.m4s"}
    assert await index.channels() == []
    await index.claim_epoch("main", at(0))
    assert await index.channels() == ["main"]


async def test_a_gap_grows(index: SqlTapeIndex) -> None:
    await index.add_gap(KnownGap("main", at(1), at(3), "disk"))
    await index.add_gap(KnownGap("main", at(1), at(5), "disk"))
    await index.add_gap(KnownGap("main", at(1), at(4), "disk"))
    await index.add_gap(KnownGap("main", at(9), at(10), "disk"))
    assert await index.known_gaps("main", at(0), at(9)) == [KnownGap("main", at(1), at(5), "disk")]
    await index.forget_before("main", at(6), [])
    assert await index.known_gaps("main", at(0), at(20)) == [KnownGap("main", at(9), at(10), "disk")]


async def test_a_database_that_cannot_be_reached_is_a_store_error(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'empty.db'}", "postgresql://nobody@127.0.0.1:1/none"):
        async with Database(url) as unusable:
            with pytest.raises(StoreError):
                await SqlTapeIndex(unusable.engine).current_epoch("main")

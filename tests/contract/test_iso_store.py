"""What every store of recordings of feeds does: the one in memory, and on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from media.adapters.sql.isos import SqlIsoStore
from media.model.errors import ConflictError, NotFoundError
from media.record.iso.isos import Hole, Iso, IsoPart, PartCause, Placement
from media.record.iso.store import IsoStore, MemoryIsoStore
from tests.support import databases, media_database

T = 1_700_000_000_000_000
PART = IsoPart(
    iso="i1",
    number=1,
    cause=PartCause.START,
    started=T + 5,
    duration=2_000_000,
    size=8 << 40,
    video="h264",
    width=1280,
    height=720,
    audio="aac",
    sample_rate=48_000,
    channels=2,
    placements=(Placement("", 0, 2_000_000, T + 5), Placement("main", 500, 1_900_000, T + 90_005)),
    holes=(Hole(10, 20),),
)


@pytest.fixture(params=["memory", *databases.KINDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[IsoStore]:
    if request.param == "memory":
        yield MemoryIsoStore()
        return
    async with media_database.fresh(request.param, tmp_path) as database:
        yield SqlIsoStore(database.engine)


async def test_one_starts_once_and_stops_once(store: IsoStore) -> None:
    first = await store.start("i1", "cam", T)
    assert first == Iso("i1", "cam", T)
    assert first.running
    assert await store.start("i1", "cam", T + 9) == first
    with pytest.raises(ConflictError):
        await store.start("i1", "other", T)
    ended = await store.stop("i1", T - 5)
    assert ended.ended == T + 1
    assert await store.stop("i1", T + 50) == ended
    with pytest.raises(ConflictError):
        await store.start("i1", "cam", T)


async def test_they_are_listed_newest_first_with_the_sums_of_their_parts(store: IsoStore) -> None:
    for n, feed in ((1, "cam"), (2, "phone"), (3, "cam")):
        await store.start(f"i{n}", feed, T + n)
    await store.put_part(PART)
    await store.put_part(replace(PART, number=2, size=7, duration=5))
    assert [each.id for each in await store.list()] == ["i3", "i2", "i1"]
    assert [each.id for each in await store.list("cam")] == ["i3", "i1"]
    await store.put_part(replace(PART, number=3, size=0, duration=0))  # nothing ever came into it
    one = await store.get("i1")
    assert (one.parts, one.size, one.duration) == (2, (8 << 40) + 7, 2_000_005)
    assert (await store.list())[-1] == one


async def test_a_part_is_kept_as_it_is_now(store: IsoStore) -> None:
    await store.start("i1", "cam", T)
    await store.put_part(PART)
    assert await store.parts("i1") == [PART]
    assert await store.open_parts() == [PART]
    longer = replace(PART, closed=True, size=9, placements=PART.placements[:1], holes=())
    await store.put_part(longer)
    await store.put_part(replace(PART, number=2, cause=PartCause.FORMAT))
    assert [part.number for part in await store.open_parts()] == [2]
    assert await store.parts("i1") == [longer, replace(PART, number=2, cause=PartCause.FORMAT)]


async def test_a_deleted_one_is_gone_and_its_id_used_up(store: IsoStore) -> None:
    await store.start("i1", "cam", T)
    await store.put_part(PART)
    with pytest.raises(ConflictError):
        await store.delete("i1", T)
    await store.stop("i1", T + 1)
    await store.delete("i1", T + 2)
    for attempt in (store.get("i1"), store.stop("i1", T), store.delete("i1", T), store.get("i2")):
        with pytest.raises(NotFoundError):
            await attempt
    with pytest.raises(ConflictError):
        await store.start("i1", "cam", T)
    assert await store.list() == []
    assert await store.open_parts() == []

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cache import BytesCache, Flights, TooManyFlightsError


@dataclass(frozen=True)
class Lump:
    cost: int


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 120))))
def test_the_cache_never_holds_more_than_its_limit(puts: list[tuple[int, int]]) -> None:
    cache: BytesCache[Lump] = BytesCache(200)
    for key, cost in puts:
        cache.put(str(key), Lump(cost))
        assert cache.bytes <= 200
    kept = [item for key in range(21) if (item := cache.get(str(key)))]
    assert cache.bytes == sum(item.cost for item in kept)


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    cache: BytesCache[Lump] = BytesCache(100)
    for key in "abcd":
        cache.put(key, Lump(25))
    cache.get("a")
    cache.put("e", Lump(25))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.put("f", Lump(26))
    assert cache.get("f") is None, "larger than a quarter: one object must not empty the cache"


async def test_one_who_leaves_does_not_take_the_fetch_along() -> None:
    flights: Flights[int] = Flights(2)
    landed = asyncio.Event()
    runs = 0

    async def fetch() -> int:
        nonlocal runs
        runs += 1
        await landed.wait()
        return 7

    first = asyncio.create_task(flights.join("k", fetch))
    second = asyncio.create_task(flights.join("k", fetch))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    other = asyncio.create_task(flights.join("other", fetch))
    await asyncio.sleep(0)
    with pytest.raises(TooManyFlightsError):
        await flights.join("third", fetch)
    landed.set()
    assert await second == 7
    assert await other == 7
    assert runs == 2
    await asyncio.sleep(0)
    assert len(flights) == 0
    await flights.close()

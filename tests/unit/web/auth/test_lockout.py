from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.migrations import upgrade
from tests.support import databases
from web.adapters.migrations import BRANCH
from web.adapters.sql_audit import SqlTriesStore
from web.auth.lockout import ADDRESS, LOGIN, PAIR, SECOND, Keys, Lockout, begin, network_of, succeed
from web.auth.ports import Tries

DAY = 86_400 * SECOND


class Memory:
    """A `TriesStore` in a dictionary, for what is asked of the policy alone."""

    def __init__(self) -> None:
        self.rows: dict[str, Tries] = {}

    async def step(
        self, keys: Sequence[str], change: Callable[[Mapping[str, Tries]], Mapping[str, Tries | None]]
    ) -> None:
        for key, row in change({key: self.rows.get(key, Tries()) for key in keys}).items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row

    async def forget(self, now: int) -> int:
        gone = [key for key, row in self.rows.items() if row.expires <= now]
        for key in gone:
            del self.rows[key]
        return len(gone)


class World:
    def __init__(self) -> None:
        self.now = 1_000 * DAY
        self.lockout = Lockout(Memory(), lambda: self.now)

    async def fail(self, login: str, address: str) -> int:
        return (await self.lockout.begin(login, address)).wait

    async def enter(self, login: str, address: str) -> int:
        made = await self.lockout.begin(login, address)
        if not made.wait:
            await self.lockout.succeed(made)
        return made.wait


@pytest.fixture
def world() -> World:
    return World()


async def test_waits_grow_and_are_not_longer_for_hammering(world: World) -> None:
    for _ in range(PAIR.free):
        assert await world.fail("ann", "198.51.100.1") == 0
    waits = []
    for _ in range(12):
        waits.append(await world.fail("ann", "198.51.100.1"))
        assert await world.fail("ann", "198.51.100.1") == waits[-1], "tries while waiting are not counted"
        world.now += waits[-1] * SECOND
        assert await world.fail("ann", "198.51.100.1") == 0
    assert waits == sorted(waits)
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == PAIR.most
    world.now += DAY
    assert await world.fail("ann", "198.51.100.1") == 0
    assert await world.fail("ann", "198.51.100.1") == 0, "after a quiet day it begins anew"


async def test_an_attacker_elsewhere_locks_nobody_out(world: World) -> None:
    assert await world.enter("ann", "203.0.113.5") == 0
    for n in range(400):  # a whole botnet on one login
        await world.fail("ann", f"198.51.{n % 100}.{n}")
    assert await world.enter("ann", "203.0.113.5") == 0, "she comes from where she came before"
    assert await world.enter("bob", "203.0.113.9") == 0, "others notice nothing"
    wait = await world.fail("ann", "192.0.2.77")
    assert 0 < wait <= LOGIN.most, "from a new place it takes a minute at most"


async def test_one_office_does_not_pay_for_one_of_its_own(world: World) -> None:
    office = "203.0.113.5"
    assert await world.enter("ann", office) == 0
    for n in range(200):
        await world.fail(f"guess-{n}", office)
    assert await world.fail("guess", office) > 0
    assert await world.enter("ann", office) == 0


async def test_an_own_account_does_not_reset_the_count_of_others(world: World) -> None:
    evil = "198.51.100.9"
    assert await world.enter("evil", evil) == 0
    guesses = 0
    for _ in range(500):
        guesses += await world.fail("ann", evil) == 0
        await world.enter("evil", evil)
    assert guesses <= PAIR.free
    guesses = 0
    for n in range(500):
        guesses += await world.fail(f"user{n}", evil) == 0
        await world.enter("evil", evil)
    assert guesses <= ADDRESS.free


async def test_ipv6_customers_count_as_one(world: World) -> None:
    for n in range(PAIR.free):
        assert await world.fail("ann", f"2001:db8:1:2::{n + 1}") == 0
    assert await world.fail("ann", "2001:db8:1:2:ffff::1") > 0
    assert await world.fail("ann", "2001:db8:1:3::1") == 0
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("") == ""


async def test_nothing_that_was_typed_is_kept(world: World) -> None:
    await world.fail("my-secret-password", "192.0.2.1")
    assert "my-secret" not in repr(world.lockout.store.rows)  # type: ignore[attr-defined]  # of the memory above


@given(
    st.lists(st.tuples(st.sampled_from(["fail", "enter"]), st.integers(0, 2), st.integers(0, 1)), max_size=60)
)
def test_a_pair_never_gets_more_guesses_than_its_rule(steps: list[tuple[str, int, int]]) -> None:
    rows: dict[str, Tries] = {}
    now, failed = DAY * 1_000, 0
    for what, who, where in steps:
        keys = Keys.of(f"user{who}", f"192.0.2.{where}")
        seen = {key: rows.get(key, Tries()) for key in keys.all()}
        wait, kept = begin(keys, seen, now)
        if wait:
            assert not kept
            continue
        seen |= {key: row for key, row in kept.items() if row is not None}
        if what == "enter":
            after = succeed(keys, tuple(kept), seen, now)
            rows |= {key: row or Tries() for key, row in after.items()}
            failed = 0 if (who, where) == (0, 0) else failed
        else:
            rows |= {key: row or Tries() for key, row in kept.items()}
            failed += (who, where) == (0, 0)
        assert failed <= PAIR.free, "no time goes by here"
        assert all(row.failures >= 0 for row in rows.values())


@pytest.fixture(params=databases.KINDS)
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Lockout, Lockout]]:
    """Two web processes on one database."""
    async with databases.fresh(request.param, tmp_path) as database:
        await upgrade(database, [BRANCH])
        yield (
            Lockout(SqlTriesStore(database), lambda: 1_000 * DAY),
            Lockout(SqlTriesStore(database), lambda: 1_000 * DAY),
        )


async def test_tries_at_once_are_all_counted_and_in_all_processes(two: tuple[Lockout, Lockout]) -> None:
    tries = await asyncio.gather(*(two[n % 2].begin("ann", "192.0.2.1") for n in range(30)))
    assert sum(made.wait == 0 for made in tries) == PAIR.free
    assert (await two[1].begin("ann", "192.0.2.1")).wait > 0
    assert (await two[0].begin("bob", "192.0.2.1")).wait == 0
    assert await two[0].store.forget(1_002 * DAY) > 0
    assert (await two[1].begin("ann", "192.0.2.1")).wait == 0


async def test_a_try_that_was_not_looked_at_is_taken_back(two: tuple[Lockout, Lockout]) -> None:
    for _ in range(PAIR.free * 3):
        made = await two[0].begin("ann", "192.0.2.1")
        assert made.wait == 0
        await two[0].undo(made)


async def test_a_clock_that_ran_ahead_and_was_set_right_keeps_nobody_out_for_years() -> None:
    world = World()
    world.now += 365 * DAY
    for _ in range(PAIR.free + 1):
        await world.fail("ann", "10.0.0.1")
    world.now -= 365 * DAY
    assert 0 < await world.fail("ann", "10.0.0.1") <= PAIR.most

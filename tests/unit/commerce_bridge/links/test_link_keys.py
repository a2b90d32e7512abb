from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.adapters.link_key_memory import MemoryLinkKeys
from commerce_bridge.contracts.links import GetLinkKeys
from commerce_bridge.links.keys import MOST_KEYS, ROTATE_AFTER, keys_of, link_handlers, rotated
from commerce_bridge.links.tokens import Link, LinkKey, by_id, read, sign
from commerce_bridge.model.errors import StoreError
from runtime.bus.calls import call, serve
from runtime.bus.contract import CommandError, Fault
from runtime.bus.port import Bus
from tests.support.buses import WORLDS

START = 1_700_000_000_000_000


@given(st.lists(st.integers(0, 2 * ROTATE_AFTER), max_size=300))
def test_keys_rotate_and_stay_apart(steps: list[int]) -> None:
    keys: list[LinkKey] = []
    now = START
    for number, step in enumerate(steps):
        now += step
        after = rotated(keys, now=now, secret=number.to_bytes(32, "big"))
        assert now - after[-1].made < ROTATE_AFTER
        assert after[-2:][0] == keys[-1] if keys and after != keys else after == keys or not keys
        keys = after
        assert len({key.id for key in keys}) == len(keys) <= MOST_KEYS
        assert all(1 <= key.id <= 255 for key in keys)


def test_no_id_is_used_twice_in_a_century_of_keys() -> None:
    keys: list[LinkKey] = []
    for number in range(600):
        keys = rotated(keys, now=START + number * ROTATE_AFTER, secret=bytes(32))
        assert len({key.id for key in keys}) == len(keys)
    assert len(keys) == MOST_KEYS


@pytest.mark.parametrize("world", WORLDS)
async def test_a_link_stays_good_when_keys_rotate(world: str) -> None:
    now = [START]
    store = MemoryLinkKeys()
    async with WORLDS[world]() as made:
        bus: Bus = await made.connect()
        async with serve(bus, link_handlers(store, now=lambda: now[0])):
            first = keys_of(await call(bus, GetLinkKeys()))
            token = sign(Link("p", "s"), first[-1])
            assert keys_of(await call(bus, GetLinkKeys())) == first
            now[0] += ROTATE_AFTER
            second = keys_of(await call(bus, GetLinkKeys()))
        assert [key.id for key in second] == [1, 2]
        assert read(token, by_id(second)) == Link("p", "s")
        assert sign(Link("p", "s"), second[-1]) != token
        async with serve(bus, link_handlers(store, now=lambda: now[0])):  # a new process
            assert keys_of(await call(bus, GetLinkKeys())) == second


class BrokenStore(MemoryLinkKeys):
    def load(self) -> list[LinkKey]:
        raise StoreError("the disk is gone")


async def test_keys_that_cannot_be_read_are_not_made_anew() -> None:
    store = BrokenStore()
    async with WORLDS["local"]() as made:
        bus = await made.connect()
        async with serve(bus, link_handlers(store, now=lambda: START)):
            with pytest.raises(CommandError) as error:
                await call(bus, GetLinkKeys())
    assert error.value.fault is Fault.UNAVAILABLE
    assert MemoryLinkKeys.load(store) == []

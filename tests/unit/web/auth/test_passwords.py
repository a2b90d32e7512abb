from __future__ import annotations

import asyncio
import threading
import time
import unicodedata

import pytest

from web.auth.passwords import AT_ONCE, WAITING, Passwords, PasswordsBusyError

SMALL = 64


async def test_a_password_fits_its_hash_alone() -> None:
    passwords = Passwords(SMALL)
    kept = await passwords.hash("우리 동네 라이브")
    assert kept.startswith("$argon2id$")
    assert await passwords.hash("우리 동네 라이브") != kept, "a salt of its own"
    assert await passwords.verify(kept, "우리 동네 라이브")
    assert await passwords.verify(kept, unicodedata.normalize("NFD", "우리 동네 라이브")), "typed on a Mac"
    assert not await passwords.verify(kept, "우리 동네 라이브 ")
    assert not await passwords.verify("no hash at all", "x")
    assert not await passwords.verify(None, "nobody's"), "nobody has no password"
    assert not passwords.is_old(kept)
    assert Passwords(2 * SMALL).is_old(kept)


async def test_few_are_computed_at_once_and_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(SMALL)
    running, most, lock = 0, 0, threading.Lock()
    go = threading.Event()

    def slow(_: str | None, __: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(20)
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(passwords, "_verify", slow)
    tries = [asyncio.create_task(passwords.verify("x", "y")) for _ in range(AT_ONCE + WAITING)]
    deadline = time.monotonic() + 20
    while running < AT_ONCE:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    with pytest.raises(PasswordsBusyError):
        await passwords.verify("x", "y")
    tries[0].cancel()  # who hangs up makes no room for a third computation
    await asyncio.sleep(0.05)
    assert running == AT_ONCE
    go.set()
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert [each for each in done[1:] if each is not True] == []
    assert most == AT_ONCE


@pytest.mark.soak
async def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    passwords = Passwords()
    kept = await passwords.hash("right password")

    async def took(encoded: str | None) -> float:
        begun = time.perf_counter()
        assert not await passwords.verify(encoded, "wrong password")
        return time.perf_counter() - begun

    known, unknown = [], []
    for _ in range(40):
        known.append(await took(kept))
        unknown.append(await took(None))
    assert 0.7 < sorted(unknown)[10] / sorted(known)[10] < 1.4

"""Passwords as argon2id hashes, computed in threads and few at once."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from runtime.bus.contract import CommandError, Fault

ResultT = TypeVar("ResultT")

MEMORY_KIB = 47_104
PASSES = 1
LANES = 1
"""The first of the equal choices of OWASP's Password Storage Cheat Sheet: 46 MiB, one pass, one lane. About 40 ms of one
core; pictures are encoded on the others.
"""
AT_ONCE = 2
"""Hashes computed at once: 92 MiB and two cores at most, whoever comes."""
WAITING = 16
"""Who may wait for one of them, about a second; more are told to try again."""


class PasswordsBusyError(CommandError):
    """Too many log-ins at once; nothing was checked."""


class Passwords:
    """Hashes and verifies."""

    def __init__(self, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=memory_kib, parallelism=LANES)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        # Made at the start: the first unknown user must not take twice as long.
        self._nobody = self._hasher.hash("nobody's")

    async def hash(self, password: str) -> str:
        """The encoded hash of a new password. Raises `PasswordsBusyError`."""
        return await self._run(lambda: self._hasher.hash(_canonical(password)))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether it is the password. None, for a user that there is not, takes as long as a wrong password does.
        Raises `PasswordsBusyError`.
        """
        return await self._run(lambda: self._verify(encoded, password))

    def is_old(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def _verify(self, encoded: str | None, password: str) -> bool:
        try:
            self._hasher.verify(encoded or self._nobody, _canonical(password))
        except (VerificationError, InvalidHashError):
            return False
        return encoded is not None

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._waiting >= WAITING:
            raise PasswordsBusyError(Fault.UNAVAILABLE, "too many people log in at once")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        # The slot is the thread's, not the request's: who hangs up must not make room for a third computation.
        computing = asyncio.get_running_loop().run_in_executor(None, work)
        computing.add_done_callback(lambda _: self._slots.release())
        return await asyncio.shield(computing)


def _canonical(password: str) -> str:
    # The same keys give other code points on a Mac (NFD) than on Windows: RFC 8265 §4.2 takes one form.
    return unicodedata.normalize("NFC", password)

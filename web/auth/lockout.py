"""Failed log-ins cost growing waits, kept in the database: a restart or another web process does not reset them.

Counted under three keys, so that guessing is slow and yet nobody can lock others out:

- the login *from this address*: after 5 failures waits of 2 s that double to 15 minutes;
- the address, whatever it tries: after 20 failures the same;
- the login, from wherever: after 50 failures, waits up to a minute.

Who logged in from this address within 30 days answers for the first key alone. So an attacker elsewhere, or a colleague
behind the same router who mistypes, costs that person nothing; only who attacks one login from that person's own address
slows that one login there. Each try is counted *before* the password is looked at, in one step: a hundred tries at once
are a hundred tries. What is refused for waiting is not counted, so hammering does not lengthen the wait.
Keys are hashed: what people type into the wrong field must not be found in a table.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from web.auth.clients import address_of
from web.auth.ports import Tries, TriesStore

SECOND = 1_000_000
FORGET = 24 * 3600 * SECOND
"""After a day without a failure the count begins anew."""
KNOWN = 30 * 24 * 3600 * SECOND
"""How long an address is known after a log-in."""
IPV6_NETWORK = 64
"""One customer has a /64 at least, so its addresses count as one (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Failures that cost nothing, the first wait, and the longest, in seconds."""

    free: int
    first: int
    most: int

    def wait(self, failures: int) -> int:
        """Seconds until the next try after so many failures."""
        return 0 if failures < self.free else min(self.most, self.first << min(20, failures - self.free))


PAIR = Rule(free=5, first=2, most=900)
ADDRESS = Rule(free=20, first=2, most=900)
LOGIN = Rule(free=50, first=2, most=60)


@dataclass(frozen=True, slots=True)
class Keys:
    """Under what one try is counted."""

    pair: str
    address: str
    login: str
    known: str

    @classmethod
    def of(cls, login: str, address: str) -> Keys:
        """The keys of a try for a login from an address."""
        network = network_of(address)
        return cls(
            _key("pair", login, network),
            _key("address", network),
            _key("login", login),
            _key("known", login, network),
        )

    def all(self) -> list[str]:
        """All of them, in the order in which a database locks them."""
        return sorted((self.pair, self.address, self.login, self.known))


def network_of(address: str) -> str:
    """What counts as one address."""
    found = address_of(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, IPV6_NETWORK), strict=False))
    return str(found or "")


def _key(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return f"{parts[0]}:{hashlib.sha256(text).hexdigest()[:32]}"


def begin(keys: Keys, rows: Mapping[str, Tries], now: int) -> tuple[int, dict[str, Tries | None]]:
    """Count a try: microseconds to wait (0: it may go on), and what to keep."""
    rules = {keys.pair: PAIR}
    if rows[keys.known].expires <= now:
        rules |= {keys.address: ADDRESS, keys.login: LOGIN}
    # At most what the rule gives: a clock that ran ahead and was set right has left times in a future far away.
    wait = max(min(rows[key].until - now, rule.most * SECOND) for key, rule in rules.items())
    if wait > 0:
        return wait, {}
    kept: dict[str, Tries | None] = {}
    for key, rule in rules.items():
        row = rows[key]
        failures = (row.failures if row.expires > now else 0) + 1
        kept[key] = Tries(failures, now, now + rule.wait(failures) * SECOND, now + FORGET)
    return 0, kept


def undo(counted: Iterable[str], rows: Mapping[str, Tries]) -> dict[str, Tries | None]:
    """Take a try back where it was counted. What others failed stays counted."""
    return {
        key: replace(rows[key], failures=rows[key].failures - 1, until=0) if rows[key].failures > 1 else None
        for key in counted
    }


def succeed(
    keys: Keys, counted: Iterable[str], rows: Mapping[str, Tries], now: int
) -> dict[str, Tries | None]:
    """As `undo`, for the right password: this login's own failures here are forgotten, and the address is known."""
    return {**undo(counted, rows), keys.pair: None, keys.known: Tries(last=now, expires=now + KNOWN)}


@dataclass(frozen=True, slots=True)
class Try:
    """One try that was counted, or is refused."""

    keys: Keys
    counted: tuple[str, ...]
    wait: int
    """Whole seconds to wait; 0: the password may be looked at."""


class Lockout:
    """Counts tries over a `TriesStore`."""

    def __init__(self, store: TriesStore, wall: Callable[[], int]) -> None:
        self.store = store
        self._wall = wall

    async def begin(self, login: str, address: str) -> Try:
        """Count a try."""
        keys, found = Keys.of(login, address), Try(Keys("", "", "", ""), (), 0)

        def change(rows: Mapping[str, Tries]) -> dict[str, Tries | None]:
            nonlocal found
            wait, kept = begin(keys, rows, self._wall())
            found = Try(keys, tuple(kept), math.ceil(wait / SECOND))
            return kept

        await self.store.step(keys.all(), change)
        return found

    async def succeed(self, made: Try) -> None:
        """The password was right."""
        await self.store.step(
            made.keys.all(), lambda rows: succeed(made.keys, made.counted, rows, self._wall())
        )

    async def undo(self, made: Try) -> None:
        """The password was not looked at."""
        await self.store.step(made.keys.all(), lambda rows: undo(made.counted, rows))

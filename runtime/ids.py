"""Short opaque ids that sort by the time they were made."""

from __future__ import annotations

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o, u, so that an id can be read out over a phone."""
TIME_DIGITS = 9
RANDOM_DIGITS = 7


def new(at: int | None = None) -> str:
    """A new id of 16 characters: 45 bits of milliseconds (`at` is Unix microseconds), 35 bits of chance.

    Ids of different milliseconds sort by time. They are unguessable enough to be names, never secrets.
    """
    micros = time.time_ns() // 1000 if at is None else at
    return _digits(micros // 1000, TIME_DIGITS) + _digits(secrets.randbits(5 * RANDOM_DIGITS), RANDOM_DIGITS)


def _digits(number: int, count: int) -> str:
    if not 0 <= number < 32**count:
        raise ValueError(f"{number} does not fit {count} digits")
    return "".join(ALPHABET[number >> (5 * place) & 31] for place in range(count - 1, -1, -1))

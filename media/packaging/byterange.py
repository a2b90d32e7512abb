"""One byte range of a request (RFC 9110 §14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class UnsatisfiableError(ValueError):
    """The range lies outside the object: 416."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and end (exclusive) that a Range header asks of an object of `size` bytes.

    None where the whole object is the answer: other units, several ranges, or nonsense, which a server ignores
    (§14.2). Raises `UnsatisfiableError` where a well-formed range has no byte in the object.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise UnsatisfiableError(header)
        return size - length, size
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        raise UnsatisfiableError(header)
    return start, min(last + 1, size)

"""Byte ranges (RFC 9110 §14): text to values. One range is served; several, or none we understand, mean the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `end`, exclusive, of `size`."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The ``Content-Range`` of a 206."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class UnsatisfiableError(Exception):
    """The range lies outside of the object: 416."""


def parse(header: str, size: int) -> ByteRange | None:
    """The one range asked for; None where the header is to be ignored (RFC 9110 §14.2: another unit, not valid,
    several ranges). Raises `UnsatisfiableError`.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        suffix = int(last)
        if suffix == 0 or size == 0:
            raise UnsatisfiableError
        return ByteRange(max(0, size - suffix), size, size)
    start = int(first)
    if last and int(last) < start:
        return None  # "invalid" by §14.1.1, so ignored
    if start >= size:
        raise UnsatisfiableError
    return ByteRange(start, min(int(last) + 1, size) if last else size, size)

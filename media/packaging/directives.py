"""Delivery directives in a playlist's query (RFC 8216bis §6.2.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Directives:
    """What a client asks of a playlist."""

    msn: int | None = None
    part: int | None = None
    skip: bool = False


def parse_directives(query: Iterable[tuple[str, str]]) -> Directives:
    """Read decoded query pairs; other names are ignored. Raises ValueError with a sentence for what is malformed.

    `v2` of `_HLS_skip` is answered as `YES`: we announce no CAN-SKIP-DATERANGES. Any other value is ignored, for
    the whole playlist is always a right answer.
    """
    numbers: dict[str, int] = {}
    skip = False
    for name, value in query:
        if name in {"_HLS_msn", "_HLS_part"}:
            if name in numbers:
                raise ValueError(f"{name} is given twice")
            if not _NUMBER.fullmatch(value):
                raise ValueError(f"{name} must be a decimal number")
            numbers[name] = int(value)
        elif name == "_HLS_skip":
            skip = value in {"YES", "v2"}
    return Directives(numbers.get("_HLS_msn"), numbers.get("_HLS_part"), skip)

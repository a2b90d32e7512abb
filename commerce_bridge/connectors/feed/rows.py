"""What every format is read into: rows of named texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from commerce_bridge.connectors.feed.columns import Field
from commerce_bridge.ports import BadRow

LONGEST_ROW = 1 << 20
"""Signs of one row; a card shows a hundredth of it."""
TOO_LONG = f"longer than {LONGEST_ROW} signs"


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written, its fields found but nothing checked."""

    number: int
    """1 is the first product of the feed; rows that say nothing are counted too."""
    texts: Mapping[Field, str]
    names: Mapping[Field, str]
    """How the feed itself calls each field."""


class Reader(Protocol):
    """Bytes → rows, as they come: holds a piece and one row at most. Blocks for as long as it computes.

    Raises `ShopLiedError` where what follows cannot be told apart any more, or the feed breaks off.
    """

    def feed(self, data: bytes) -> Iterator[Row | BadRow]:
        """The rows that `data` completes. To be read to its end."""
        ...

    def end(self) -> Iterator[Row | BadRow]:
        """The rows that the feed's end completes."""
        ...

"""Feeds in memory, read as the `feed` connector reads them."""

from __future__ import annotations

from collections.abc import Iterator

from commerce_bridge.connectors.feed.assemble import Assembler
from commerce_bridge.connectors.feed.formats import reader_of
from commerce_bridge.connectors.feed.options import Format
from commerce_bridge.connectors.feed.rows import Reader, Row
from commerce_bridge.model.product import Product
from commerce_bridge.ports import BadRow

NOW = 1_780_000_000_000_000


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def rows(reader: Reader, data: bytes, *, size: int = 1 << 16) -> list[Row | BadRow]:
    """What a reader finds, fed in pieces of a size."""
    found = [row for piece in pieces(data, size) for row in reader.feed(piece)]
    return [*found, *reader.end()]


def read(
    data: bytes, *, read_as: Format = Format.AUTO, encoding: str = "", size: int = 1 << 16
) -> tuple[list[Product], list[BadRow]]:
    """Products and bad rows of a whole feed."""
    assembler = Assembler("s", now=NOW)
    told: list[Product | BadRow] = []
    for row in rows(reader_of(data[:1024], read_as, encoding), data, size=size):
        told += assembler.add(row)
    told += assembler.end()
    return [each for each in told if isinstance(each, Product)], [
        each for each in told if isinstance(each, BadRow)
    ]

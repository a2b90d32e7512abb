"""Which reader a feed needs: by its option, else by its first bytes."""

from __future__ import annotations

import codecs

from commerce_bridge.connectors.feed.json_rows import JsonArrayReader, JsonLinesReader
from commerce_bridge.connectors.feed.options import Format
from commerce_bridge.connectors.feed.rows import Reader
from commerce_bridge.connectors.feed.table import TableReader
from commerce_bridge.connectors.feed.xml_rows import XmlReader


def reader_of(head: bytes, read_as: Format, encoding: str) -> Reader:
    """`head`: the first bytes, a thousand or all there are."""
    # In UTF-16 as well the first sign that is no blank shows between zeros.
    begins = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\xff\xfe\0 \t\r\n")[:1]
    if read_as is Format.XML or (read_as is Format.AUTO and begins == b"<"):
        return XmlReader(encoding)
    if read_as is Format.JSON or (read_as is Format.AUTO and begins in {b"[", b"{"}):
        return JsonLinesReader(encoding) if begins == b"{" else JsonArrayReader(encoding)
    return TableReader(encoding, {Format.CSV: ",", Format.TSV: "\t"}.get(read_as, ""))

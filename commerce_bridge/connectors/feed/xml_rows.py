"""Google's product feed as XML → rows: RSS 2.0 (or 1.0) and Atom, with elements of Google's namespace or plain ones.

By the standard library's expat, which reads a piece at a time and opens nothing else. Three things that a hostile
document does are refused here: declaring entities (one can grow to gigabytes), nesting without end, and a tag that never
ends (expat looks at it again with each piece, which costs the square of its length).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from commerce_bridge.connectors.feed.columns import Field, field_of
from commerce_bridge.connectors.feed.rows import LONGEST_ROW, TOO_LONG, Row
from commerce_bridge.connectors.feed.text import Decoder
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.ports import BadRow

_GOOGLE = frozenset({"http://base.google.com/ns/1.0", "https://base.google.com/ns/1.0"})
_PLAIN = frozenset({"", "http://www.w3.org/2005/Atom", "http://purl.org/rss/1.0/"})
_ITEMS = {"rss": ("item", 3), "RDF": ("item", 2), "feed": ("entry", 2)}
"""By the root's name: the name of a product's element, and its depth (1 is the root)."""
_DEEPEST = 50
_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)", re.IGNORECASE)
_SPOKEN = {
    **dict.fromkeys(("utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii"), ""),
    **dict.fromkeys(("utf8",), "utf-8"),
    **dict.fromkeys(
        ("cp949", "euc-kr", "euckr", "ks_c_5601-1987", "ksc5601", "windows-949", "ms949", "uhc"), "cp949"
    ),
}
"""What a document may say that it is in: what it is decoded by here, empty for what expat knows itself."""


class XmlReader:
    """An element of another vocabulary is passed over, and so is what is nested in one (`g:shipping`)."""

    def __init__(self, encoding: str = "") -> None:
        """`encoding`: instead of what the document says of itself."""
        self._encoding = encoding
        self._parser: expat.XMLParserType | None = None
        self._decoder: Decoder | None = None
        self._head = b""
        self._fed = 0
        self._rows: list[Row | BadRow] = []
        self._depth = 0
        self._item = ("", 0)
        self._inside = False
        """Of a product's element."""
        self._field: Field | None = None
        """Of the element that is read."""
        self._said: list[str] = []
        self._size = 0
        self._number = 0
        self._google: dict[Field, str] = {}
        self._plain: dict[Field, str] = {}
        self._own = False
        """Whether the element that is read is Google's."""
        self._names: dict[Field, str] = {}

    def feed(self, data: bytes) -> Iterator[Row | BadRow]:
        """As `Reader.feed`."""
        if self._parser is None:
            self._head += data
            # The declaration stands first; a document without one may be shorter.
            if b">" not in self._head and len(self._head) < 1024:
                return
            data, self._head = self._head, b""
            self._parser = self._begin(data)
        yield from self._parse(data)

    def end(self) -> Iterator[Row | BadRow]:
        """As `Reader.end`."""
        if self._parser is None:
            self._parser = self._begin(self._head)
            yield from self._parse(self._head)
        yield from self._parse(b"", last=True)

    def _begin(self, head: bytes) -> expat.XMLParserType:
        said = _ENCODING.match(head.lstrip())
        encoding = self._encoding
        if not encoding and said is not None:
            name = said[1].decode().lower()
            if name not in _SPOKEN:
                raise ShopLiedError(f"the feed is in {name[:40]}, which no feed is read in")
            encoding = _SPOKEN[name]
        if encoding:
            self._decoder = Decoder(encoding)
        parser = expat.ParserCreate("utf-8" if self._decoder else None, " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse
        return parser

    def _parse(self, data: bytes, *, last: bool = False) -> Iterator[Row | BadRow]:
        assert self._parser is not None
        try:
            if self._decoder is not None:
                data = self._decoder.decode(data, last=last).encode()
            self._parser.Parse(data, last)
        except UnicodeEncodeError as error:
            raise ShopLiedError(f"the feed is in another encoding behind row {self._number}") from error
        except (
            expat.ExpatError,
            LookupError,
            ValueError,
        ) as error:  # the last two: of an encoding, said in UTF-16
            raise ShopLiedError(f"the feed is no XML behind row {self._number}: {error}") from error
        self._fed += len(data)
        if self._fed - self._parser.CurrentByteIndex > 2 * LONGEST_ROW and not last:
            raise ShopLiedError(f"the feed has a tag that never ends behind row {self._number}")
        rows, self._rows = self._rows, []
        yield from rows

    def _refuse(self, *_: object) -> None:
        raise ShopLiedError("the feed declares entities of its own, which no product feed needs")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ShopLiedError("the feed is nested without end")
        space, _, local = name.rpartition(" ")
        if self._depth == 1:
            if local not in _ITEMS:
                raise ShopLiedError(f"the feed begins with <{local[:40]}>: neither RSS nor Atom")
            self._item = _ITEMS[local]
        if not self._inside:
            self._inside = (local, self._depth) == self._item and space in _PLAIN
            if self._inside:
                self._number += 1
        elif self._depth == self._item[1] + 1 and (space in _GOOGLE or space in _PLAIN):
            self._own = space in _GOOGLE
            self._field = field_of(local)
            if self._field is not None:
                self._names.setdefault(self._field, local)
            # Atom's links say where in an attribute, and what they are in another.
            if self._field is Field.URL and attributes.get("rel", "alternate") == "alternate":
                self._text(attributes.get("href", ""))

    def _text(self, text: str) -> None:
        if self._field is not None and self._depth == self._item[1] + 1:
            self._size += len(text)
            if self._size <= LONGEST_ROW:
                self._said.append(text)
            else:
                self._said.clear()

    def _stop(self, _name: str) -> None:
        self._depth -= 1
        if not self._inside:
            return
        if self._depth == self._item[1]:
            text = "".join(self._said).strip()
            if self._field is not None and text:
                (self._google if self._own else self._plain).setdefault(self._field, text)
            self._field = None
            self._said.clear()
        elif self._depth == self._item[1] - 1:
            texts = self._plain | self._google
            if self._size > LONGEST_ROW:
                self._rows.append(BadRow(self._number, "", TOO_LONG, texts.get(Field.KEY, "")[:200]))
            else:
                self._rows.append(Row(self._number, texts, self._names))
            self._inside, self._size = False, 0
            self._google, self._plain, self._names = {}, {}, {}

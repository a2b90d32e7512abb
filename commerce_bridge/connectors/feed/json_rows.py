"""JSON → rows: an array of objects, or an object a line (JSON Lines). Numbers are kept as they were written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from commerce_bridge.connectors.feed.columns import Field, field_of
from commerce_bridge.connectors.feed.rows import LONGEST_ROW, TOO_LONG, Row
from commerce_bridge.connectors.feed.text import Decoder, Lines
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.ports import BadRow

_BLANK = re.compile(r"[ \t\r\n]*")
# Possessive: a string of ten million escapes leaves no ten million places to go back to.
_INSIDE = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_OUTSIDE = re.compile(r'["{}\[\]]')
_LONGEST_SCALAR = 64
"""Signs of a number or a word."""


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_IN_NUMBERS = ".eE+-0123456789"
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def _row(number: int, value: Any) -> Row | BadRow:  # noqa: ANN401 - whatever JSON says
    if not isinstance(value, dict):
        return BadRow(number, "", "is no object")
    texts: dict[Field, str] = {}
    names: dict[Field, str] = {}
    nested = ""
    for name, told in value.items():
        field = field_of(name)
        if field is None or field in names or told is None:
            continue
        names[field] = name
        if isinstance(told, bool):
            texts[field] = str(told).lower()
        elif not isinstance(told, str):
            nested = nested or name
        elif text := told.strip():
            texts[field] = text
    if nested:
        return BadRow(
            number,
            nested,
            "is a list or an object: a text or a number is wanted",
            texts.get(Field.KEY, "")[:200],
        )
    return Row(number, texts, names)


class JsonLinesReader:
    """A line that is no object costs itself alone."""

    def __init__(self, encoding: str = "") -> None:
        self._lines = Lines(encoding)
        self._number = 0

    def feed(self, data: bytes) -> Iterator[Row | BadRow]:
        """As `Reader.feed`."""
        for line in self._lines.feed(data):
            yield from self._line(line)

    def end(self) -> Iterator[Row | BadRow]:
        """As `Reader.end`."""
        lines, tail = self._lines.end()
        for line in lines:
            yield from self._line(line)
        yield from self._line(tail, last=True)

    def _line(self, line: str, *, last: bool = False) -> Iterator[Row | BadRow]:
        if not line or line.isspace():
            return
        self._number += 1
        if len(line) > LONGEST_ROW:
            yield BadRow(self._number, "", TOO_LONG)
            return
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            if last:
                raise ShopLiedError(f"the feed breaks off within row {self._number}") from error
            if self._number == 1:
                # A document of another shape, over many lines: not one of them would be a product.
                raise ShopLiedError("the feed is neither an array of objects nor an object a line") from error
            yield BadRow(self._number, "", f"is no JSON: {error}"[:200])
            return
        yield _row(self._number, value)


class _Brackets:
    """Where a value ends that begins with a bracket or a quote, by its brackets and quotes alone."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def end(self, text: str, at: int) -> int:
        """The place behind the value, -1 where it is not in `text`: then go on with the text that follows."""
        if self._escaped and at < len(text):
            at += 1
            self._escaped = False
        while at < len(text):
            if self._quoted:
                inside = _INSIDE.match(text, at)
                at = inside.end() if inside else at
                self._escaped = text.startswith("\\", at)
                self._quoted = not text.startswith('"', at)
            else:
                outside = _OUTSIDE.search(text, at)
                if outside is None:
                    break
                at = outside.start()
                self._quoted = text[at] == '"'
                self._depth += {"{": 1, "[": 1, '"': 0}.get(text[at], -1)
            at += 1
            if not self._quoted and self._depth <= 0:
                return min(at, len(text))
        return -1


class JsonArrayReader:
    """One array of objects. A value that cannot be used costs itself alone; what is no JSON makes the rest unreadable."""

    def __init__(self, encoding: str = "") -> None:
        self._decoder = Decoder(encoding)
        self._text = ""
        self._number = 0
        self._expected = "["
        """What comes next: `[`, a `value` or `]`, `more` (a value), `,` or `]`, or nothing (`end`)."""
        self._skipped: _Brackets | None = None
        """Of a value that is too long, and that ends further on."""

    def feed(self, data: bytes) -> Iterator[Row | BadRow]:
        """As `Reader.feed`."""
        self._text += self._decoder.decode(data)
        return self._take()

    def end(self) -> Iterator[Row | BadRow]:
        """As `Reader.end`."""
        self._text += self._decoder.decode(b"", last=True)
        yield from self._take()
        if self._expected != "end":
            raise ShopLiedError(f"the feed breaks off behind row {self._number}")

    def _take(self) -> Iterator[Row | BadRow]:
        text, at = self._text, 0
        if self._skipped is not None:
            at = self._skipped.end(text, 0)
            if at < 0:
                self._text = ""
                return
            self._skipped = None
        while True:
            blanks = _BLANK.match(text, at)
            at = blanks.end() if blanks else at
            if at == len(text):
                break
            sign = text[at]
            if self._expected in {"value", "more"} and not (sign == "]" and self._expected == "value"):
                taken = self._value(text, at)
                if taken is None:
                    break
                at, row = taken
                if row is not None:
                    yield row
                continue
            at += 1
            if sign == "[" and self._expected == "[":
                self._expected = "value"
            elif sign == "]" and self._expected in {"value", ","}:
                self._expected = "end"
            elif sign == "," and self._expected == ",":
                self._expected = "more"
            else:
                raise self._lied(text, at - 1)
        self._text = text[at:]

    def _value(self, text: str, at: int) -> tuple[int, Row | BadRow | None] | None:
        """The value at `at`, and the place behind it; None where more of it must be read first."""
        try:
            value, end = _DECODER.raw_decode(text, at)
            # A number may go on: `1` and `1.` are cut from `1.5`.
            whole = text[at] in '{["' or (end < len(text) and text[end] not in _IN_NUMBERS)
        except (ValueError, RecursionError) as error:
            whole, end, value = False, at, None
            self._look(text, at, error)
        if not whole and len(text) - at <= LONGEST_ROW:
            return None
        if not whole and text[at] not in '{["':
            raise self._lied(text, at)
        self._number += 1
        self._expected = ","
        if whole and end - at <= LONGEST_ROW:
            return end, _row(self._number, value)
        if not whole:
            self._skipped = _Brackets()
            self._skipped.end(text, at)
            end = len(text)
        return end, BadRow(self._number, "", TOO_LONG)

    def _look(self, text: str, at: int, error: Exception) -> None:
        """Raise where a value cannot be read though it is there as a whole."""
        bracketed = text[at] in '{["'
        if (bracketed and _Brackets().end(text, at) >= 0) or (
            not bracketed and len(text) - at > _LONGEST_SCALAR
        ):
            raise self._lied(text, at) from error

    def _lied(self, text: str, at: int) -> ShopLiedError:
        return ShopLiedError(f"the feed is no JSON behind row {self._number}: {text[at : at + 40]!r}")

"""CSV and TSV (RFC 4180) → rows.

Cells are split here, not by the `csv` module: that one takes the rows behind a quote that is never closed for one cell, and
tells them as one row; here they are read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commerce_bridge.connectors.feed.columns import NEEDED, Field, field_of
from commerce_bridge.connectors.feed.rows import LONGEST_ROW, TOO_LONG, Row
from commerce_bridge.connectors.feed.text import Lines
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.ports import BadRow

_BROKEN = "its quotes do not pair"


class _QuoteError(Exception):
    """A quoted cell goes on behind its end."""


class _Cells:
    """One row, line by line: a quoted cell may run over several."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._open: list[str] = []
        """Lines so far of a quoted cell that has not ended."""
        self.cells: list[str] = []

    def add(self, line: str) -> bool:
        """Whether the row ends with this line. Raises `_QuoteError`."""
        at = 0
        if self._open:
            at = self._quoted(line, 0)
            if at < 0 or at == len(line):
                return at >= 0
            at = self._past(line, at)
        while True:
            if not line.startswith('"', at):
                end = line.find(self._delimiter, at)
                if end < 0:
                    self.cells.append(line[at:])
                    return True
                self.cells.append(line[at:end])
                at = end + 1
                continue
            at = self._quoted(line, at + 1)
            if at < 0 or at == len(line):
                return at >= 0
            at = self._past(line, at)

    def forget(self) -> None:
        """Keep no text of what was read so far; where the row ends is still found."""
        self.cells.clear()
        self._open = [""]

    def _past(self, line: str, at: int) -> int:
        if not line.startswith(self._delimiter, at):
            raise _QuoteError
        return at + 1

    def _quoted(self, line: str, start: int) -> int:
        """Read a quoted cell from `start`: the place behind its closing quote, -1 where this line has none."""
        at = start
        while (end := line.find('"', at)) >= 0:
            if not line.startswith('"', end + 1):
                self._open.append(line[start:end])
                self.cells.append("\n".join(self._open).replace('""', '"'))
                self._open.clear()
                return end + 1
            at = end + 2
        self._open.append(line[start:])
        return -1


class TableReader:
    """The first row that is not empty has the headings."""

    def __init__(self, encoding: str = "", delimiter: str = "") -> None:
        """Without a delimiter: a tab where the headings have one, else a comma."""
        self._lines = Lines(encoding)
        self._delimiter = delimiter
        self._header: Sequence[str] = ()
        self._columns: Sequence[tuple[Field, int]] = ()
        self._names: dict[Field, str] = {}
        self._number = 0
        self._row: _Cells | None = None
        """A row that has begun and runs on."""
        self._held: list[str] = []
        """Its lines so far; none any more once it is too long."""
        self._size = 0
        self._key_of_long = ""
        self._swallows = False
        """Whether a line within it looks like a row: then its quotes pair by chance, and rows between them would be lost."""

    def feed(self, data: bytes) -> Iterator[Row | BadRow]:
        """As `Reader.feed`."""
        for line in self._lines.feed(data):
            yield from self._line(line)

    def end(self) -> Iterator[Row | BadRow]:
        """As `Reader.end`."""
        lines, tail = self._lines.end()
        for line in lines:
            yield from self._line(line)
        if tail:
            yield from self._line(tail, last=True)
        if self._row is not None and self._swallows:
            yield from self._broken(last=False)
        if self._row is not None:
            raise ShopLiedError(
                f"the feed breaks off within row {self._number + 1}, or a quote in it is never closed"
            )
        if not self._header:
            raise ShopLiedError("the feed is empty: it has no headings")

    def _line(self, line: str, *, last: bool = False) -> Iterator[Row | BadRow]:
        if not self._header and not self._delimiter and line.strip():
            self._delimiter = "\t" if "\t" in line else ","
        if self._row is None:
            if '"' not in line:
                yield from self._cells(line.split(self._delimiter or ","), len(line), last=last)
                return
            self._row = _Cells(self._delimiter)
        elif not self._swallows:
            cells = self._alone(line)
            self._swallows = cells is not None and self._looks_like_a_row(cells)
        self._size += len(line) + 1
        self._held.append(line)
        try:
            whole = self._row.add(line)
        except _QuoteError:
            yield from self._broken(last=last)
            return
        if self._swallows and (whole or last):
            yield from self._broken(last=last)
        elif self._size > LONGEST_ROW:
            self._key_of_long = self._key_of_long or self._key(self._row.cells)
            self._held.clear()
            self._row.forget()
            if whole:
                self._number += 1
                yield BadRow(self._number, "", TOO_LONG, self._key_of_long)
                self._forget()
        elif whole:
            cells, size = self._row.cells, self._size
            self._forget()
            yield from self._cells(cells, size, last=last)

    def _forget(self) -> None:
        """The row that had begun has ended."""
        self._row, self._size, self._key_of_long, self._swallows = None, 0, "", False
        self._held.clear()

    def _broken(self, *, last: bool) -> Iterator[BadRow | Row]:
        """What follows the line at fault may be rows of their own, which a quote swallowed: each is read by itself."""
        if self._size > LONGEST_ROW:
            raise ShopLiedError(
                f"in row {self._number + 1} a quote is never closed: rows behind it cannot be told apart"
            )
        lines = [*self._held]
        self._forget()
        if not self._header:
            raise ShopLiedError(f"the headings cannot be read: {_BROKEN}")
        yield self._bad(lines[0])
        for place, line in enumerate(lines[1:], start=2):
            ends = last and place == len(lines)
            cells = self._alone(line)
            if cells is not None:
                yield from self._cells(cells, len(line), last=ends)
            elif ends:
                raise ShopLiedError(f"the feed breaks off within row {self._number + 1}")
            else:
                yield self._bad(line)

    def _alone(self, line: str) -> list[str] | None:
        """The cells of a line that is a row by itself."""
        row = _Cells(self._delimiter)
        try:
            return row.cells if row.add(line) else None
        except _QuoteError:
            return None

    def _looks_like_a_row(self, cells: Sequence[str]) -> bool:
        """A text of several lines may have lines with as many commas, but hardly with an address at the place of the link."""
        place = dict(self._columns).get(Field.URL, 0)
        return len(cells) == len(self._header) and cells[place].strip().lower().startswith("http")

    def _bad(self, line: str) -> BadRow:
        self._number += 1
        return BadRow(self._number, "", _BROKEN, self._key(line.split(self._delimiter)))

    def _key(self, cells: Sequence[str]) -> str:
        place = dict(self._columns).get(Field.KEY, 0)
        return cells[place].strip()[:200] if place < len(cells) else ""

    def _cells(self, cells: list[str], size: int, *, last: bool = False) -> Iterator[Row | BadRow]:
        if not self._header:
            if any(cell.strip() for cell in cells):
                self._read_header(cells)
            return
        self._number += 1
        if len(cells) != len(self._header):
            if any(cell.strip() for cell in cells):
                if last and len(cells) < len(self._header):
                    raise ShopLiedError(f"the feed breaks off within row {self._number}")
                reason = f"{len(cells)} cells under {len(self._header)} headings"
                yield BadRow(self._number, "", reason, self._key(cells))
            return
        if size > LONGEST_ROW:
            yield BadRow(self._number, "", TOO_LONG, self._key(cells))
            return
        texts = {field: text for field, place in self._columns if (text := cells[place].strip())}
        if texts:
            yield Row(self._number, texts, self._names)

    def _read_header(self, cells: Sequence[str]) -> None:
        places: dict[Field, int] = {}
        for place, heading in enumerate(cells):
            field = field_of(heading)
            if field is not None and field not in places:
                places[field] = place
                self._names[field] = heading.strip()
        missing = [str(field) for field in NEEDED if field not in places]
        if missing:
            found = ", ".join(cell.strip()[:40] for cell in cells[:40])
            raise ShopLiedError(f"the feed has no column {', '.join(missing)}; its headings are: {found}")
        self._header = cells
        self._columns = tuple(places.items())

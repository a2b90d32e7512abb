"""Search over all products in memory: words and first consonants, every product that fits, the best first.

Words are found in the text of a piece (`pieces`) by `str.find`, and a line's number by bisecting where lines begin. Lines are in the
order of titles, so what is found first is wanted first, and a page that is full ends the search.

What fits: every word of the query occurs somewhere in the line. Order: first the titles that begin with the first word, then those in
which a word begins with it, then the others; each by title.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from commerce_bridge.catalog.lines import CONSONANTS, initials, normal
from commerce_bridge.catalog.pieces import SORTED_BY, Entry, Key, Piece, piece_of

RECENT = 1000
"""Changed products that make a piece."""


# --- words ------------------------------------------------------------------------------------------------------------


class Word:
    """One word of a query: letters, first consonants, or both (``ㅅ과`` finds 사과)."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.fixed = [(place, sign) for place, sign in enumerate(word) if sign not in CONSONANTS]
        """What must be there itself; all of it where no consonant is asked for."""
        self.plain = len(self.fixed) == len(word)
        """It has no consonant that stands for syllables."""
        self._needle = word if self.plain else initials(word)

    def find(self, piece: Piece, before: str, start: int, end: int) -> int:
        """Where it begins in a piece's text, at or after `start`, with `before` in front of it; -1 where it does not."""
        needle = before + self._needle
        if self.plain:
            found = piece.text.find(needle, start, end)
            return found if found < 0 else found + len(before)
        while (found := piece.heads.find(needle, start, end)) >= 0:
            place = found + len(before)
            if all(piece.text[place + each] == sign for each, sign in self.fixed):
                return place
            start = found + 1
        return -1


def words_of(text: str) -> list[Word]:
    """The words of a query, in their order, without those that others hold."""
    words = list(dict.fromkeys(normal(text).split()))
    needed = words[:1] + [
        word for word in words[1:] if not any(word in other for other in words if other is not word)
    ]
    return [Word(word) for word in needed]


def _lines(piece: Piece, wanted: Sequence[tuple[Word, str]], line: int, stop: int) -> Iterator[int]:
    """Numbers of the lines, from `line` on and before `stop`, that hold each word behind its `before`."""
    starts = piece.starts
    end = starts[stop]
    while line < stop:
        for word, before in wanted:
            place = word.find(piece, before, starts[line] - 1, end)
            if place < 0:
                return
            if place >= starts[line + 1]:
                line = bisect_right(starts, place) - 1  # no line before this one holds it: go on from here
                break
        else:
            yield line
            line += 1


def _rank(piece: Piece, line: int, first: Word) -> int:
    start = piece.starts[line]
    end = piece.text.index("\t", start)
    if first.find(piece, "\n", start - 1, min(end, start + len(first.word))) >= 0:
        return 0
    return 1 if first.find(piece, " ", start, end) >= 0 else 2


# --- the index --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """One page: ids, the best first, and the cursor of the next one (empty at the end)."""

    ids: list[str]
    next: str


Hit = tuple[int, Key]
"""Rank and place."""


class CatalogIndex:
    """All products that are not gone. Belongs to one thread; `merged` alone may run in another."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        """The oldest first."""
        self._recent: dict[str, Entry | None] = {}
        """Newer than all pieces; None: it is gone."""
        self._recent_piece: Piece | None = None
        self._shops: dict[str, int] = {}

    def number(self, shop: str) -> int:
        """The number of a shop, the same as long as the index lives."""
        return self._shops.setdefault(shop, len(self._shops))

    def put(self, entries: Iterable[Entry]) -> None:
        """New or changed products."""
        self._change({entry.id: entry for entry in entries})

    def drop(self, ids: Iterable[str]) -> None:
        """Products that are gone."""
        self._change(dict.fromkeys(ids))

    def load(self, piece: Piece) -> None:
        """What is older than all that was put or dropped, and not in the index: read from the store."""
        self._pieces.append(piece)

    def _change(self, changes: dict[str, Entry | None]) -> None:
        if not changes:
            return
        self._recent.update(changes)
        self._recent_piece = None
        if len(self._recent) >= RECENT:
            self._pieces.append(self._of_recent())
            self._recent, self._recent_piece = {}, None

    def _of_recent(self) -> Piece:
        if self._recent_piece is None:
            living = [entry for entry in self._recent.values() if entry is not None]
            gone = [product for product, entry in self._recent.items() if entry is None]
            self._recent_piece = piece_of(living, gone, self.number)
        return self._recent_piece

    def due(self, *, quiet: bool = False) -> tuple[Piece, Piece, bool] | None:
        """Two neighbours to be made one by `merged` (with `oldest`), the newest such; None: there is nothing to do. Where a piece
        has less than twice the weight of the next newer one; when it is quiet, any two.
        """
        for place in range(len(self._pieces) - 2, -1, -1):
            older, newer = self._pieces[place], self._pieces[place + 1]
            if quiet or older.weight < 2 * newer.weight:
                return older, newer, place == 0
        return None

    def replace(self, older: Piece, newer: Piece, one: Piece) -> None:
        """Take what `merged` made of two neighbours in place of them."""
        place = next(number for number, piece in enumerate(self._pieces) if piece is older)
        if self._pieces[place + 1] is not newer:
            raise ValueError("these two are no neighbours")
        self._pieces[place : place + 2] = [one]

    @property
    def pieces(self) -> int:
        """How many a search goes through."""
        return len(self._pieces) + bool(self._recent)

    def search(self, text: str, *, shop: str | None = None, limit: int = 50, cursor: str = "") -> Found:
        """A page of what fits. Raises ValueError for a cursor that is none of ours."""
        after = _read(cursor) if cursor else None
        words = words_of(text)
        pieces = [*self._pieces, *([self._of_recent()] if self._recent else [])]  # numbers their shops too
        number = None if shop is None else self._shops.get(shop, -1)
        if number == -1 or (text.strip() and not words):
            return Found([], "")
        hits: list[Hit] = []
        for place, piece in enumerate(pieces):
            newer = [each.names for each in pieces[place + 1 :]]
            hits += _Scan(piece, words, number, newer, after, limit + 1).hits()
        hits.sort()
        page = hits[:limit]
        return Found([key[1] for _, key in page], _cursor(page[-1]) if len(hits) > limit else "")


class _Scan:
    """The search through one piece."""

    def __init__(
        self,
        piece: Piece,
        words: Sequence[Word],
        shop: int | None,
        newer: Sequence[frozenset[str]],
        after: Hit | None,
        most: int,
    ) -> None:
        self._piece = piece
        self._words = words
        self._shop = shop
        self._newer = newer
        self._after = after
        self._left = most
        """Hits that are still of use: those of a worse rank come behind all others."""

    def hits(self) -> list[Hit]:
        """All hits behind the cursor, or the first `most` of them; in no order."""
        if not self._words:
            return [
                (2, self._piece.key(line)) for line in self._some(range(self._from(2), self._piece.count))
            ]
        found = [(0, self._piece.key(line)) for line in self._some(self._holding("\n", self._from(0)))]
        return found if self._left <= 0 else found + self._further()

    def _further(self) -> list[Hit]:
        """Those of ranks 1 and 2, in one go over the text: what is of rank 2 is soon enough, and then the others are looked for by
        the beginnings of words.
        """
        piece, first = self._piece, self._words[0]
        start = {rank: self._from(rank) for rank in (1, 2)}
        found: dict[int, list[int]] = {1: [], 2: []}
        seen = piece.count
        for line in self._usable(self._holding("", min(start.values()))):
            rank = _rank(piece, line, first)
            if rank and line >= start[rank] and len(found[rank]) < self._left:
                found[rank].append(line)
            if len(found[1]) >= self._left or len(found[2]) >= self._left:
                seen = line
                break
        for line in self._usable(self._holding(" ", max(seen + 1, start[1]))):
            if len(found[1]) >= self._left:
                break
            if _rank(piece, line, first) == 1:
                found[1].append(line)
        return [(rank, piece.key(line)) for rank, lines in found.items() for line in lines]

    def _from(self, rank: int) -> int:
        """The first line of a rank that is behind the cursor."""
        if self._after is None or rank > self._after[0]:
            return 0
        return self._piece.count if rank < self._after[0] else self._piece.first_after(self._after[1])

    def _holding(self, before: str, line: int) -> Iterator[int]:
        """Lines from `line` on that hold all words, the first one behind `before`."""
        first, *others = self._words
        wanted = [(first, before), *((word, "") for word in others)]
        wanted.sort(
            key=lambda each: -len(each[0].word)
        )  # the longest is the rarest: it leads from line to line
        stop = self._piece.count
        if before == "\n" and first.plain and line < stop:
            # The titles that begin with it stand together.
            word = first.word[:SORTED_BY]
            line = max(line, self._piece.first_from((word, "")))
            stop = self._piece.first_from((word[:-1] + chr(ord(word[-1]) + 1), ""))
        return _lines(self._piece, wanted, line, stop)

    def _some(self, lines: Iterable[int]) -> Iterator[int]:
        """As many of these lines as are wanted, from the first one behind the cursor on."""
        for line in self._usable(lines):
            yield line
            self._left -= 1
            if self._left <= 0:
                return

    def _usable(self, lines: Iterable[int]) -> Iterator[int]:
        """Those of the shop that is asked for, and of which no newer piece knows better."""
        piece = self._piece
        for line in lines:
            if self._shop is not None and piece.shops[line] != self._shop:
                continue
            name = piece.id(line)
            if not any(name in names for names in self._newer):
                yield line


def _cursor(hit: Hit) -> str:
    rank, (title, product) = hit
    return base64.urlsafe_b64encode(json.dumps([rank, title, product], ensure_ascii=False).encode()).decode()


def _read(cursor: str) -> Hit:
    try:
        rank, title, product = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (binascii.Error, UnicodeError, ValueError, TypeError) as error:
        raise ValueError("the cursor is none of ours") from error
    if not (type(rank) is int and isinstance(title, str) and isinstance(product, str)):
        raise ValueError("the cursor is none of ours")
    return rank, (title, product)

"""Products in the order of their titles, as text that is quickly searched. Pure.

A *piece* is some thousands of products: their lines as one text, and once more with each syllable as its first consonant, sign for
sign, so that a place in one is the same place in the other. Pieces never change. What changes goes into a new one, which hides the
older ones' lines of the same products; now and then two neighbours are made one (`merged`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from commerce_bridge.catalog.lines import initials, normal

SORTED_BY = 30
"""Signs of a title that decide its place; then the id does. A cursor carries them."""
_ID = 16

Key = tuple[str, str]
"""First signs of the normal title, and the id: the order of lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A product in the search."""

    id: str
    """16 signs."""
    shop: str
    title: str
    """Normal."""
    rest: str
    """Normal words with tabs between them: what else it is found by. A word behind a blank is one of the title."""

    @classmethod
    def of(cls, product: str, shop: str, told: str) -> Entry:
        """Of a line as `lines.told_of` makes it."""
        title, _, rest = told.partition("\t")
        return cls(product, shop, normal(title), normal(rest).replace(" ", "\t"))

    @property
    def key(self) -> Key:
        """Its place."""
        return self.title[:SORTED_BY], self.id


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines in order. ``text`` is a line break, then each line with one behind it; a line is title, tab, rest."""

    text: str
    heads: str
    """The same with first consonants for syllables."""
    starts: array[int]
    """Where each line begins in `text`; at the end, its length."""
    ids: str
    """16 signs for each line."""
    shops: array[int]
    """Number of each line's shop."""
    names: frozenset[str]
    """Products of which older pieces say nothing any more. Not of the oldest one, below which there is none."""

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.shops)

    @property
    def weight(self) -> int:
        """What it costs to go through it."""
        return max(self.count, len(self.names))

    def id(self, line: int) -> str:
        """The product of a line."""
        return self.ids[_ID * line : _ID * line + _ID]

    def key(self, line: int) -> Key:
        """The place of a line in the order."""
        start = self.starts[line]
        return self.text[start : start + SORTED_BY + 1].partition("\t")[0][:SORTED_BY], self.id(line)

    def first_from(self, key: Key, low: int = 0) -> int:
        """Number of the first line, from `low` on, that is not before a place. Quick where that is near."""
        high, step = low, 1
        while high < self.count and self.key(high) < key:
            low, high, step = high + 1, high + step, 2 * step
        return bisect_left(range(self.count), key, low, min(high, self.count), key=self.key)

    def first_after(self, key: Key) -> int:
        """Number of the first line behind a place."""
        return bisect_right(range(self.count), key, key=self.key)


def piece_of(entries: Iterable[Entry], gone: Collection[str], number: Callable[[str], int]) -> Piece:
    """A piece of these products; `gone` are some that older pieces may have and that are no more. `number` numbers shops."""
    ordered = sorted(entries, key=lambda each: each.key)
    lines = [f"{each.title}\t{each.rest}\n" for each in ordered]
    starts, place = array("L", [1]), 1
    for line in lines:
        place += len(line)
        starts.append(place)
    text = "\n" + "".join(lines)
    return Piece(
        text=text,
        heads="\n" + "".join(map(initials, lines)),
        starts=starts,
        ids="".join(each.id for each in ordered),
        shops=array("H", (number(each.shop) for each in ordered)),
        names=frozenset((*(each.id for each in ordered), *gone)),
    )


def merged(older: Piece, newer: Piece, *, oldest: bool) -> Piece:
    """Two neighbours as one. Goes by runs of lines, so that little is made anew where little changed."""
    hidden = newer.names
    ids = older.ids
    # Cuts: where a line of the older one is left out, or one of the newer one is put before it.
    cuts = [(line, -1) for line in range(older.count) if ids[_ID * line : _ID * line + _ID] in hidden]
    place = 0
    for line in range(newer.count):
        place = older.first_from(newer.key(line), place)
        cuts.append((place, line))
    # Of one place: what is put there, in its own order, comes before the line that is left out.
    cuts.sort(key=lambda cut: (cut[0], cut[1] < 0, cut[1]))
    runs: list[tuple[Piece, int, int]] = []
    done = 0
    for line, other in cuts:
        if line > done:
            runs.append((older, done, line))
            done = line
        if other < 0:
            done = line + 1
        elif runs and runs[-1][0] is newer and runs[-1][2] == other:
            runs[-1] = (newer, runs[-1][1], other + 1)
        else:
            runs.append((newer, other, other + 1))
    runs.append((older, done, older.count))
    starts, place = array("L"), 1
    for piece, first, end in runs:
        shift = place - piece.starts[first]
        starts.extend(start + shift for start in piece.starts[first:end])
        place += piece.starts[end] - piece.starts[first]
    starts.append(place)
    shops = array("H")
    for piece, first, end in runs:
        shops.extend(piece.shops[first:end])
    return Piece(
        text="\n" + "".join(piece.text[piece.starts[a] : piece.starts[b]] for piece, a, b in runs),
        heads="\n" + "".join(piece.heads[piece.starts[a] : piece.starts[b]] for piece, a, b in runs),
        starts=starts,
        ids="".join(piece.ids[_ID * a : _ID * b] for piece, a, b in runs),
        shops=shops,
        names=frozenset() if oldest else older.names | newer.names,
    )

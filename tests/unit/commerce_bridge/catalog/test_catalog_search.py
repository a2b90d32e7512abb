from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.catalog.lines import CONSONANTS, initials, normal
from commerce_bridge.catalog.pieces import SORTED_BY, Entry, merged, piece_of
from commerce_bridge.catalog.search import CatalogIndex

TITLES = st.lists(
    st.sampled_from(
        [
            "사과",
            "사과즙",
            "햇사과",
            "수건",
            "APPLE",
            "apple",
            "빵",
            "식빵",
            "ㅋㅋ",
            "굴-비",
            "3kg",
            "[특가]",
            "Straße",
        ]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
QUERIES = st.lists(
    st.sampled_from(
        [
            "사과",
            "ㅅㄱ",
            "ㅅ과",
            "사ㄱ",
            "ㅅ",
            "과",
            "app",
            "APPLE",
            "빵",
            "ㅂ",
            "굴-비",
            "kg",
            "ㄳ",
            "STRASSE",
            "특가",
            "없다",
        ]
    ),
    max_size=3,
).map(" ".join)


def fits(word: str, text: str, place: int) -> bool:
    """The definition, sign by sign."""
    if place + len(word) > len(text):
        return False
    return all(
        initials(there) == sign if sign in CONSONANTS else there == sign
        for sign, there in zip(word, text[place:], strict=False)
    )


def holds(word: str, text: str) -> bool:
    return any(fits(word, text, place) for place in range(len(text)))


def naive(entries: dict[str, Entry], text: str, shop: str | None) -> list[str]:
    words = normal(text).split()
    if text.strip() and not words:
        return []
    found = []
    for entry in entries.values():
        both = (entry.title, entry.rest)
        if shop not in {None, entry.shop} or not all(any(holds(w, t) for t in both) for w in words):
            continue
        rank = 2
        if words and any(fits(words[0], part, 0) for part in _tails(entry.title)):
            rank = 0 if fits(words[0], entry.title, 0) else 1
        found.append((rank, entry.title[:SORTED_BY], entry.id))
    return [product for _, _, product in sorted(found)]


def _tails(title: str) -> list[str]:
    words = title.split(" ")
    return [" ".join(words[place:]) for place in range(len(words))]


def entry(number: int, title: str, shop: str = "mall", rest: str = "") -> Entry:
    return Entry.of(f"{number:016d}", shop, f"{title}\t{rest}")


def all_pages(index: CatalogIndex, text: str, shop: str | None, limit: int) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = index.search(text, shop=shop, limit=limit, cursor=cursor)
        assert len(page.ids) <= limit
        assert len(page.next) <= 200
        found += page.ids
        if not (cursor := page.next):
            return found


def settle(index: CatalogIndex, *, quiet: bool = False) -> None:
    while (due := index.due(quiet=quiet)) is not None:
        older, newer, oldest = due
        index.replace(older, newer, merged(older, newer, oldest=oldest))


CHANGES = st.lists(
    st.tuples(st.integers(0, 30), TITLES | st.none(), st.sampled_from(["mall", "farm"]), TITLES), max_size=60
)


@given(
    CHANGES,
    CHANGES,
    QUERIES,
    st.sampled_from([None, "mall", "farm", "other"]),
    st.integers(1, 7),
    st.randoms(),
)
def test_it_finds_what_looking_at_each_product_finds(
    old: list[tuple[int, str | None, str, str]],
    changes: list[tuple[int, str | None, str, str]],
    text: str,
    shop: str | None,
    limit: int,
    dice: random.Random,
) -> None:
    """Whatever was changed since, and however many pieces there are."""
    index = CatalogIndex()
    there = {made.id: made for n, t, s, r in old if t is not None for made in [entry(n, t, s, r)]}
    index.load(piece_of(there.values(), (), index.number))
    for number, title, its_shop, rest in changes:
        if title is None:
            there.pop(f"{number:016d}", None)
            index.drop([f"{number:016d}"])
        else:
            made = entry(number, title, its_shop, rest)
            there[made.id] = made
            index.put([made])
        match dice.randrange(8):
            case 0:
                index._pieces.append(index._of_recent())
                index._recent, index._recent_piece = {}, None
            case 1:
                settle(index)
    assert all_pages(index, text, shop, limit) == naive(there, text, shop)
    settle(index, quiet=True)
    assert all_pages(index, text, shop, limit) == naive(there, text, shop)


def test_first_consonants_find_and_the_best_come_first() -> None:
    index = CatalogIndex()
    index.put(
        [
            entry(1, "청송 사과 5kg", rest="과일"),
            entry(2, "사과즙"),
            entry(3, "햇사과"),
            entry(4, "수건"),
            entry(5, unicodedata.normalize("NFD", "사과 잼"), rest="AB-123"),
        ]
    )
    assert [int(each) for each in index.search("ㅅㄱ").ids] == [5, 2, 4, 1, 3]
    assert [int(each) for each in index.search("사과").ids] == [5, 2, 1, 3]
    assert [int(each) for each in index.search("과일 ㅊㅅ").ids] == [1]
    assert [int(each) for each in index.search("ab-123").ids] == [5]
    assert [int(each) for each in index.search("사ㄱㅈ").ids] == [2]
    assert index.search("!?").ids == []
    assert [int(each) for each in index.search("  ").ids] == [5, 2, 4, 1, 3]


def test_a_cursor_holds_where_its_product_is_gone() -> None:
    index = CatalogIndex()
    index.put([entry(n, f"빵 {n}") for n in range(6)])
    first = index.search("빵", limit=3)
    index.drop([first.ids[-1]])
    index.put([entry(9, "빵 0")])
    assert [int(each) for each in index.search("빵", limit=3, cursor=first.next).ids] == [3, 4, 5]
    for wrong in ("x", "가", "W10=", "e30="):
        with pytest.raises(ValueError, match="none of ours"):
            index.search("빵", cursor=wrong)


def test_many_changes_leave_few_pieces() -> None:
    index = CatalogIndex()
    for start in range(0, 20_000, 500):
        index.put([entry(n, f"사과 {n % 977}") for n in range(start, start + 500)])
        settle(index)
    assert index.pieces <= 8
    settle(index, quiet=True)
    assert index.pieces == 1
    assert index._pieces[0].names == frozenset()
    assert index._pieces[0].count == 20_000

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.connectors.vendure import pages
from commerce_bridge.connectors.vendure.client import Answer
from commerce_bridge.model.errors import ShopDownError, ShopLiedError


@pytest.fixture(autouse=True, scope="module")
def pieces_of_five() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE", 5)
        yield


class MovingList:
    """A shop's list, sorted by id, that changes between two questions."""

    def __init__(self, ids: list[int], changes: list[tuple[list[int], int]]) -> None:
        self.ids = list(ids)
        self.changes = list(changes)
        self.questions = 0

    async def ask(self, skip: int, take: int) -> Answer:
        self.questions += 1
        items = [{"id": str(number)} for number in self.ids[skip : skip + take]]
        answer = Answer({"page": {"totalItems": len(self.ids), "items": items}}, 7)
        if self.changes:
            taken, added = self.changes.pop(0)
            for place in taken:
                if self.ids:
                    del self.ids[place % len(self.ids)]
            self.ids += range(1000 * self.questions, 1000 * self.questions + added)
        return answer


async def read(moving: MovingList) -> list[int]:
    return [int(item["id"]) async for piece in pages.pieces(moving.ask) for item in piece.items]


@given(
    st.integers(0, 60),
    st.lists(st.tuples(st.lists(st.integers(0, 100), max_size=4), st.integers(0, 3)), max_size=12),
)
def test_what_stays_is_told_once_whatever_moves(count: int, changes: list[tuple[list[int], int]]) -> None:
    moving = MovingList(list(range(count)), changes)
    told = asyncio.run(read(moving))
    assert len(told) == len(set(told))
    assert set(told) >= set(moving.ids) & set(range(count))


async def test_a_list_that_stays_costs_one_item_more_a_piece() -> None:
    moving = MovingList(list(range(23)), [])
    assert await read(moving) == list(range(23))
    assert moving.questions == 6


async def test_one_taken_in_front_hides_none_behind() -> None:
    """Positions move up: the piece that begins at 5 would leave out what was at 5 before."""
    moving = MovingList(list(range(20)), [([0], 0)])
    assert await read(moving) == list(range(20))


async def test_pieces_say_where_they_are() -> None:
    told = [piece async for piece in pages.pieces(MovingList(list(range(12)), []).ask)]
    assert [(piece.total, piece.read, piece.time) for piece in told] == [(12, 5, 7), (12, 9, 7), (12, 12, 7)]


async def test_a_shop_that_repeats_itself_is_given_up() -> None:
    async def ask(_skip: int, take: int) -> Answer:
        return Answer({"page": {"totalItems": 100, "items": [{"id": str(n)} for n in range(take)]}}, None)

    with pytest.raises(ShopLiedError, match="again"):
        _ = [piece async for piece in pages.pieces(ask)]


async def test_a_list_that_never_stands_still_is_given_up() -> None:
    async def ask(skip: int, take: int) -> Answer:
        ask.count += 1  # type: ignore[attr-defined]
        base = 1000 * ask.count if skip else 0  # type: ignore[attr-defined]
        return Answer(
            {"page": {"totalItems": 9000, "items": [{"id": str(base + n)} for n in range(take)]}}, None
        )

    ask.count = 0  # type: ignore[attr-defined]
    with pytest.raises((ShopDownError, ShopLiedError)):
        _ = [piece async for piece in pages.pieces(ask)]


@pytest.mark.parametrize(
    "page",
    [
        None,
        {"items": []},
        {"totalItems": -1, "items": []},
        {"totalItems": 1, "items": ["x"]},
        {"totalItems": "1", "items": []},
        {"totalItems": 9, "items": [{"id": "1"}]},
        {"totalItems": 9, "items": [{"id": str(n)} for n in range(9)]},
    ],
)
async def test_a_page_that_cannot_be(page: object) -> None:
    async def ask(_skip: int, _take: int) -> Answer:
        return Answer({"page": page}, None)

    with pytest.raises(ShopLiedError):
        _ = [piece async for piece in pages.pieces(ask)]

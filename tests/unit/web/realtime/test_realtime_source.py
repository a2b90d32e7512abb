from __future__ import annotations

from typing import Any, cast

from media.contracts.isos import IsoView
from studio.contracts.cards import CardsChanged, CardsView
from studio.contracts.shows import ShowChanged, ShowDeleted, ShowState, ShowView
from web.realtime.source import ISOS_KEPT, Followed, _cards_told, _iso_told, _old_isos


class Told:
    """A hub that notes what it is told."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.removed: list[str] = []

    def put(self, topic: object, key: str, view: object) -> None:
        self.there.add(key)

    def remove(self, topic: object, key: str) -> None:
        self.there.discard(key)
        self.removed.append(key)

    def know(self, topic: object, *, fresh: bool) -> None:
        assert fresh


async def test_what_is_too_old_to_be_told_is_not_told_and_taken_back_at_each_refresh() -> None:
    isos = {
        f"i{number}": IsoView(id=f"i{number}", feed="cam", started=number, ended=number + 1)
        for number in range(3 * ISOS_KEPT)
    }

    async def ask() -> dict[str, IsoView]:
        return isos

    hub = Told()
    followed = Followed(cast("Any", hub), cast("Any", None), ask, _iso_told, _old_isos)
    for _ in range(2):
        assert await followed.refresh()
        assert hub.removed == []
        assert hub.there == {f"i{number}" for number in range(2 * ISOS_KEPT, 3 * ISOS_KEPT)}
    isos["new"] = IsoView(id="new", feed="cam", started=10_000, ended=10_001)
    assert await followed.refresh()
    assert hub.removed == [f"i{2 * ISOS_KEPT}"]
    assert "new" in hub.there


def _show(state: ShowState) -> ShowChanged:
    return ShowChanged(show=ShowView(id="s", title="t", channel="main", state=state, version=1, created=1))


async def test_cards_are_told_until_their_show_ends() -> None:
    cards = CardsView(show="s", version=1, cards=[], moments=[])

    async def ask() -> dict[str, CardsView]:
        return {}

    hub = Told()
    followed = Followed(cast("Any", hub), cast("Any", None), ask, _cards_told)
    followed.hear(_show(ShowState.LIVE))
    assert hub.there == set()
    for over in (_show(ShowState.ENDED), ShowDeleted(show="s")):
        followed.hear(CardsChanged(cards=cards))
        followed.hear(_show(ShowState.LIVE))
        assert hub.there == {"s"}
        followed.hear(over)
        assert hub.there == set()

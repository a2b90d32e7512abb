from __future__ import annotations

from typing import Any, cast

from media.contracts.isos import IsoView
from web.realtime.source import ISOS_KEPT, Followed, _iso_told, _old_isos


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

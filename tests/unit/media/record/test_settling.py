from __future__ import annotations

from collections.abc import Sequence

from media.model.time import ProgrammeTime
from media.ports import TapeSegment
from media.record.settling import RECENT, open_end, reach, settled
from tests.support.tape import ANCHOR, SECOND, entry


def tape(count: int, *, sound: int | None = None, epoch: int = 1) -> list[TapeSegment]:
    """Segments of 2 s; `sound` of them of the audio rendition."""
    made = [(n, "v360") for n in range(count)] + [
        (n, "audio") for n in range(count if sound is None else sound)
    ]
    return [entry(n, epoch=epoch, rendition=r, starts=at(2 * n), seconds=2.0) for n, r in made]


def at(seconds: float) -> ProgrammeTime:
    return ProgrammeTime(ANCHOR + round(seconds * SECOND))


def test_the_tape_reaches_as_far_as_all_renditions_do() -> None:
    assert reach([]) is None
    assert reach(tape(5)) == at(10)
    assert reach(tape(5, sound=4)) == at(8)


def test_only_a_recent_end_is_awaited() -> None:
    assert open_end(tape(5), at(11), at(12))
    assert open_end([], at(11), at(12))
    assert not open_end(tape(6), at(11), at(12))
    assert not open_end(tape(5), at(11), at(11) + RECENT + 1)


class Growing:
    """An index on which one more segment is found each time."""

    def __init__(self, first: int) -> None:
        self.count = first
        self.asked = 0

    async def between(
        self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None
    ) -> Sequence[TapeSegment]:
        self.asked += 1
        self.count += 1
        return tape(self.count)


async def test_the_end_is_waited_for() -> None:
    index = Growing(3)
    found = await settled(index, "main", at(0), at(11), now=lambda: at(12))  # type: ignore[arg-type]  # of the port, one method is used
    assert reach(found) == at(12)
    assert index.asked == 3


async def test_what_never_comes_is_done_without() -> None:
    index = Growing(3)
    found = await settled(index, "main", at(0), at(11), now=lambda: at(12), patience=0)  # type: ignore[arg-type]  # as above
    assert reach(found) == at(8)

"""The cards of a show that is over as date ranges of its replay's playlists, as they were in the live ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.playlist import DateRange
from studio.cards.ranges import range_of
from studio.contracts.cards import CardsView

_BEHIND = "#EXT-X-MEDIA-SEQUENCE:"


def range_lines(view: CardsView, ended: int) -> Sequence[str]:
    """A line for each card that was on the picture. `ended`: programme time at which the show ended."""
    titles = {card.product.id: card.product.title for card in view.cards}
    ends = [*(later.time for _, later in pairwise(view.moments)), ended]
    lines = []
    for moment, end in zip(view.moments, ends, strict=False):  # without moments there is an end all the same
        if not moment.product:
            continue
        item = range_of(view.show, moment, titles.get(moment.product, ""), ends=end)
        written = DateRange(
            id=item.id,
            starts=ProgrammeTime(item.starts),
            duration=round((item.duration or 0) * MICROSECONDS),
            class_=item.class_,
            attributes=item.attributes,
        )
        lines.append(written.line())
    return lines


def with_ranges(playlist: str, lines: Sequence[str]) -> str:
    """The text with these lines in its head."""
    start = playlist.find(_BEHIND)
    if start < 0 or not lines:
        return playlist
    end = playlist.index("\n", start) + 1
    return playlist[:end] + "".join(f"{line}\n" for line in lines) + playlist[end:]

"""A show's cards and moments, folded from its log. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from commerce_bridge.cards.happenings import Happening, apply
from commerce_bridge.cards.lines import from_data
from commerce_bridge.cards.state import Cards, Picture, picture
from studio.contracts.cards import Moment
from studio.contracts.shows import LogEntry

MOST_MOMENTS = 2000
LIVE_MOMENTS = 500
"""Of a live show the newest are told: a player that goes back further than they reach is rare, and asks for the replay."""


class Timeline:
    """`cards` is what the happenings add up to, `moments` what was on the picture when, the newest `MOST_MOMENTS`."""

    def __init__(self) -> None:
        self.cards = Cards()
        self.moments: deque[Moment] = deque(maxlen=MOST_MOMENTS)

    @property
    def newest(self) -> Moment | None:
        """What is on the picture now; None where nothing ever was."""
        return self.moments[-1] if self.moments else None

    def take(self, seq: int, time: int, happening: Happening) -> None:
        """One more entry. Of several at one time only what they come to is a moment."""
        self.cards = apply(self.cards, happening)
        if self.moments and self.moments[-1].time == time:
            self.moments.pop()
        now, before = picture(self.cards), _picture(self.newest)
        if now != before:
            self.moments.append(
                Moment(
                    seq=seq,
                    time=time,
                    product=now.product,
                    pinned=now.pinned,
                    price=now.price,
                    list_price=now.list_price,
                )
            )

    def read(self, entries: Iterable[LogEntry]) -> None:
        """Entries of a log, in order; those that are not about cards are passed over."""
        for entry in entries:
            if (happening := from_data(entry.type, entry.data)) is not None:
                self.take(entry.seq, entry.time, happening)


def _picture(moment: Moment | None) -> Picture:
    if moment is None:
        return Picture()
    return Picture(moment.product, moment.pinned, moment.price, moment.list_price)

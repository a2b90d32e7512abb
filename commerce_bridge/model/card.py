"""What a product's card can be in a show."""

from __future__ import annotations

from enum import StrEnum


class CardState(StrEnum):
    """`queued` until it is first shown; `sold_out` while nothing is left, whatever it was."""

    QUEUED = "queued"
    SHOWN = "shown"
    PINNED = "pinned"
    HIDDEN = "hidden"
    SOLD_OUT = "sold_out"

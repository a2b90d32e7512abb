"""Purchase links: their keys are owned by the bridge process; web makes and answers them, and tells who followed one."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Event, Value


class LinkKeyView(Value):
    """A key that links are signed with."""

    id: int
    secret: str = Field(repr=False)
    """Base 64, 32 bytes."""


class LinkKeyList(Value):
    """The newest last: new links are signed with it, all are believed."""

    keys: list[LinkKeyView]


class GetLinkKeys(Command[LinkKeyList]):
    """The keys of purchase links."""

    topic: ClassVar[str] = "bridge.links.keys"
    asks = True
    reply = LinkKeyList


class LinkClicked(Event):
    """Somebody followed a purchase link; `at` is when. Nothing in it says who: no address, no browser."""

    topic: ClassVar[str] = "bridge.link.clicked"
    click: str
    """Id of the click, which the shop is told too."""
    product: str
    show: str = ""
    """Empty: the link belongs to no show."""
    origin: str
    """Where the link was put: `page`, `embed`, `replay`, `youtube`, `qr`, or a partner's word."""
    time: int | None = None
    """Programme time of the viewer's picture, microseconds, as the player said; None where it did not."""
    bot: bool = False
    """A program followed it. Nobody tells of those today."""

"""The board against lists and events that cross, and owners that do not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from media.contracts.channels import ChannelChanged, ChannelDeleted, ChannelList, ChannelSettings, ChannelView
from runtime.bus.contract import CommandError, Fault
from runtime.bus.local import LocalBus
from web.playback.board import Board


def view(channel: str = "main", *, epoch: int = 1, origin: str = "/run/main.sock") -> ChannelView:
    return ChannelView(
        id=channel, settings=ChannelSettings(), version=1, wanted=bool(epoch), epoch=epoch, origin=origin
    )


class Node:
    """Answers with its list; `meanwhile` happens after the list was made and before it arrives."""

    def __init__(self, *views: ChannelView) -> None:
        self.views = list(views)
        self.answers = True
        self.meanwhile: Callable[[], None] = lambda: None

    async def ask(self, command: Any) -> Any:
        if not self.answers:
            raise CommandError(Fault.UNAVAILABLE, "no answer")
        listed = list(self.views)
        self.meanwhile()
        return ChannelList(channels=listed)


async def test_a_list_mends_a_stop_that_no_event_told() -> None:
    node = Node(view(epoch=7))
    board = Board(LocalBus(), node.ask)
    assert await board.refresh()
    node.views = [view(epoch=0, origin="")]
    assert await board.refresh()
    known = board.get("main")
    assert known is not None
    assert (known.epoch, known.origin, known.wanted) == (0, "", False)


async def test_a_list_that_was_on_its_way_takes_back_no_event() -> None:
    node = Node(view(epoch=7, origin="/run/7.sock"), view("gone"))
    board = Board(LocalBus(), node.ask)
    assert await board.refresh()

    def meanwhile() -> None:
        board.hear(ChannelChanged(channel=view(epoch=8, origin="/run/8.sock")))
        board.hear(ChannelChanged(channel=view("made")))
        board.hear(ChannelDeleted(channel="gone"))

    node.meanwhile = meanwhile
    assert await board.refresh()
    known = board.get("main")
    assert known is not None
    assert (known.epoch, known.origin) == (8, "/run/8.sock")
    assert {each.id for each in board.all()} == {"main", "made"}


async def test_who_does_not_answer_is_not_taken_at_a_former_word() -> None:
    node = Node(view())
    board = Board(LocalBus(), node.ask)
    assert await board.refresh()
    assert board.fresh
    node.answers = False
    assert not await board.refresh()
    assert (board.known, board.fresh) == (True, False)
    assert board.get("main") is not None, "viewers are served of what is known"

"""Which topics there are, and what of each a role may see: what the REST API gives to the same role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from media.contracts.channels import ChannelView
from studio.contracts.cards import CardsView
from web.api.cards import Buy, cards_of
from web.api.channels import channel_of
from web.api.feeds import feed_of
from web.api.isos import iso_of
from web.api.recordings import job_of
from web.api.shows import show_of
from web.api.wire import Wire
from web.auth.roles import Role
from web.realtime.state import Board

ViewT = TypeVar("ViewT")
ViewT_contra = TypeVar("ViewT_contra", contravariant=True)


class Freshness(Wire):
    """Whether the owner of a topic answers."""

    fresh: bool


@dataclass(frozen=True, slots=True)
class Audience(Generic[ViewT]):
    """Callers with a role or more, and what they are shown."""

    role: Role | None
    shown: Callable[[ViewT], Wire]
    board: Board


class Topic(Generic[ViewT]):
    """A topic with its audiences, from the one that sees least."""

    def __init__(self, name: str, *audiences: tuple[Role | None, Callable[[ViewT], Wire]]) -> None:
        self.name = name
        self.audiences: Sequence[Audience[ViewT]] = [
            Audience(role, shown, Board(name)) for role, shown in audiences
        ]

    def board(self, role: Role | None) -> Board | None:
        """What a caller may see; None where that is nothing."""
        for audience in reversed(self.audiences):
            if role.covers(audience.role) if role else audience.role is None:
                return audience.board
        return None


def _channel_outside(view: ChannelView) -> Wire:
    return channel_of(view, inside=False)


def _channel_inside(view: ChannelView) -> Wire:
    return channel_of(view, inside=True)


class Topics:
    """All of them."""

    def __init__(self, buy: Buy) -> None:
        """`buy`: path of a product's purchase link in a show."""

        def cards(*, inside: bool) -> Callable[[CardsView], Wire]:
            return lambda view: cards_of(view, buy, inside=inside)

        self.channels = Topic("channels", (None, _channel_outside), (Role.HOST, _channel_inside))
        self.feeds = Topic("feeds", (Role.HOST, feed_of))
        self.isos = Topic("isos", (Role.STAFF, iso_of))
        self.shows = Topic("shows", (None, show_of))
        self.cards = Topic("cards", (None, cards(inside=False)), (Role.HOST, cards(inside=True)))
        self.jobs = Topic("jobs", (Role.HOST, job_of))
        self.sources: Topic[Freshness] = Topic("sources", (None, lambda freshness: freshness))

    def boards(self, role: Role | None) -> Mapping[str, Board | None]:
        """By topic, what a caller may see."""
        every = (self.channels, self.feeds, self.isos, self.shows, self.cards, self.jobs, self.sources)
        return {topic.name: topic.board(role) for topic in every}

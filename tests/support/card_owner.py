"""The owner of cards, in memory and really working, without log and media: the same rules as the studio's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from commerce_bridge.cards import inputs
from commerce_bridge.cards.machine import decide
from commerce_bridge.cards.state import Cards, Item
from commerce_bridge.contracts.products import ProductView
from commerce_bridge.model import errors
from runtime.bus.calls import Handler, publish
from runtime.bus.contract import Command, CommandError, Fault
from runtime.bus.port import Bus
from studio.cards.timeline import Timeline
from studio.cards.views import known_of, view_of
from studio.contracts import cards as ca
from studio.contracts.shows import ShowState, ShowView


class CardOwner:
    """Has the state and answers for it. `show` gives a show, or raises `CommandError`."""

    def __init__(self, bus: Bus, show: Callable[[str], ShowView]) -> None:
        self.bus = bus
        self._show = show
        self.timelines: dict[str, Timeline] = {}
        self.products: dict[str, ProductView] = {}

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        return {
            ca.GetCards: self.get,
            ca.PutLineup: self.put,
            ca.ShowCard: lambda c: self.carry_out(c.show, inputs.Show(c.product)),
            ca.HideCard: lambda c: self.carry_out(c.show, inputs.Hide(c.product)),
            ca.PinCard: lambda c: self.carry_out(c.show, inputs.Pin(c.product)),
            ca.UnpinCard: lambda c: self.carry_out(c.show, inputs.Unpin(c.product)),
            ca.StartSale: lambda c: self.carry_out(
                c.show,
                inputs.StartSale("s1", c.product, c.price, c.seconds, c.quantity, c.per_buyer),
            ),
            ca.EndSale: lambda c: self.carry_out(c.show, inputs.EndSale(c.product)),
        }

    def view(self, show: str) -> ca.CardsView:
        timeline = self.timelines.get(show, Timeline())
        return view_of(show, timeline.cards, timeline.moments, self.products)

    async def get(self, command: ca.GetCards) -> ca.CardsView:
        self._show(command.show)
        return self.view(command.show)

    async def put(self, command: ca.PutLineup) -> ca.CardsView:
        items = tuple(Item(each.product, each.talking_points, each.sale_price) for each in command.items)
        known = {each: known_of(view) for each, view in self.products.items()}
        return await self._decided(command.show, inputs.PutLineup(items, command.version, known))

    async def carry_out(self, show: str, asked: inputs.Input) -> ca.CardsView:
        if self._show(show).state is not ShowState.LIVE:
            raise CommandError(Fault.CONFLICT, "the show has not started")
        return await self._decided(show, asked)

    async def tell(self, view: ProductView) -> None:
        """A product changed."""
        self.products[view.id] = view
        for show, timeline in self.timelines.items():
            if timeline.cards.has(view.id):
                facts, _ = known_of(view)
                await self._decided(show, inputs.News(view.id, facts, view.saleable, gone=view.gone))

    async def _decided(self, show: str, asked: inputs.Input) -> ca.CardsView:
        live = self._show(show).state is ShowState.LIVE
        timeline = self.timelines.setdefault(show, Timeline())
        cards: Cards = timeline.cards
        now = time.time_ns() // 1000
        try:
            _, happenings = decide(cards, asked, now)
        except errors.BridgeError as error:
            fault = Fault.INVALID if isinstance(error, errors.InvalidError) else Fault.CONFLICT
            raise CommandError(fault, str(error), field=error.field) from error
        for each in happenings:
            timeline.take(len(timeline.moments) + 1, now, each)
        if live:
            await publish(self.bus, ca.CardsChanged(cards=self.view(show)))
        return self.view(show)


def no_link(*_: str) -> None:
    """A site that can make no purchase links yet."""

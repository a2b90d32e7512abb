"""Handlers: a show's products, their cards, and time sales."""

from __future__ import annotations

from collections.abc import Callable

from runtime.bus.contract import Command
from studio.contracts import cards as contract
from web.api import wire_commerce as wire
from web.api.products import product_of
from web.api.routing import Answer, Call, or_stale
from web.api.wire import time_of
from web.auth.roles import Role

Buy = Callable[[str, str], str | None]
"""Path of the purchase link of a show's product; None while none can be made."""


def cards_of(view: contract.CardsView, buy: Buy, *, inside: bool) -> wire.Cards:
    """The wire form. What the host means to say and to do is for those `inside`."""
    return wire.Cards(
        show=view.show,
        version=view.version,
        cards=[
            wire.Card(
                product=product_of(each.product),
                state=each.state,
                buy=buy(view.show, each.product.id),
                talking_points=each.talking_points if inside else None,
                sale_price=(each.sale_price or None) if inside else None,
                sale=None if each.sale is None else _sale_of(each.sale),
            )
            for each in view.cards
        ],
        moments=[
            wire.Moment(
                time=time_of(each.time),
                product=each.product or None,
                pinned=each.pinned,
                price=each.price or None,
                list_price=each.list_price or None,
            )
            for each in view.moments
        ],
    )


def _sale_of(sale: contract.SaleView) -> wire.Sale:
    return wire.Sale(
        id=sale.id,
        price=sale.price,
        started=time_of(sale.started),
        ends=time_of(sale.ends),
        quantity=sale.quantity or None,
        per_buyer=sale.per_buyer or None,
    )


def _answer(call: Call, view: contract.CardsView, *, inside: bool = True) -> Answer:
    return Answer(cards_of(view, call.services.links.buy, inside=inside), version=view.version)


async def _done(call: Call, command: Command[contract.CardsView]) -> Answer:
    return _answer(call, await call.services.ask(command))


async def _view(call: Call) -> contract.CardsView:
    return await call.services.ask(contract.GetCards(show=call.path("show"), cause=call.by))


async def get_cards(call: Call) -> Answer:
    """The cards of a show, with what was on the picture when."""
    return _answer(call, await _view(call), inside=call.may(Role.HOST))


async def put_lineup(call: Call) -> Answer:
    """Replace the products of a show."""
    body, wanted = call.reads(wire.LineupPut), call.wanted_version()
    command = contract.PutLineup(
        show=call.path("show"),
        version=wanted,
        items=[
            contract.LineupItem(
                product=each.product,
                talking_points=each.talking_points,
                sale_price=each.sale_price or 0,
            )
            for each in body.items
        ],
        cause=call.by,
    )

    async def present() -> int:
        return (await _view(call)).version

    return _answer(call, await or_stale(call.services.ask(command), wanted, present))


async def show_card(call: Call) -> Answer:
    """Put a card on the picture."""
    return await _done(
        call, contract.ShowCard(show=call.path("show"), product=call.path("product"), cause=call.by)
    )


async def hide_card(call: Call) -> Answer:
    """Take a card off the picture."""
    return await _done(
        call, contract.HideCard(show=call.path("show"), product=call.path("product"), cause=call.by)
    )


async def pin_card(call: Call) -> Answer:
    """Let a card stand on the picture while no other is shown."""
    return await _done(
        call, contract.PinCard(show=call.path("show"), product=call.path("product"), cause=call.by)
    )


async def unpin_card(call: Call) -> Answer:
    """Let it stand no longer."""
    return await _done(
        call, contract.UnpinCard(show=call.path("show"), product=call.path("product"), cause=call.by)
    )


async def start_sale(call: Call) -> Answer:
    """Start a time sale."""
    body = call.reads(wire.SaleStart)
    command = contract.StartSale(
        show=call.path("show"),
        product=call.path("product"),
        price=body.price,
        seconds=body.seconds,
        quantity=body.quantity or 0,
        per_buyer=body.per_buyer or 0,
        cause=call.by,
    )
    return await _done(call, command)


async def end_sale(call: Call) -> Answer:
    """End a time sale now."""
    return await _done(
        call, contract.EndSale(show=call.path("show"), product=call.path("product"), cause=call.by)
    )

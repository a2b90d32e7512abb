"""Handlers: purchase links that people put elsewhere: below a video, into a message, on paper."""

from __future__ import annotations

from commerce_bridge.links.tokens import ORIGINS
from runtime.bus.contract import CommandError, Fault
from studio.contracts.shows import GetShow
from web.api.routing import Answer, Call
from web.api.wire_links import LinkQuery, PurchaseLink, PurchaseLinkPage


async def list_purchase_links(call: Call) -> Answer:
    """One for each place. QR codes are drawn where they are shown."""
    show, product, links = call.path("show"), call.path("product"), call.services.links
    await call.services.ask(GetShow(show=show, cause=call.by))
    if not await links.address(product):
        raise CommandError(Fault.NOT_FOUND, f"there is no product {product}", field="product")
    own = call.asks(LinkQuery).origin
    request = call.request
    base = call.services.http.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
    items = [
        PurchaseLink(origin=origin, url=base + links.path(show, product, origin))
        for origin in dict.fromkeys([*ORIGINS, *([own] if own else [])])
    ]
    return Answer(PurchaseLinkPage(items=items))

"""Handlers: products and the shops that they come from."""

from __future__ import annotations

from commerce_bridge.contracts import products as contract
from commerce_bridge.model.picture import picture_path
from runtime.bus.contract import CommandError, Fault
from web.api import wire_commerce as wire
from web.api.routing import Answer, Call
from web.api.wire import maybe_time_of, time_of


def product_of(view: contract.ProductView) -> wire.Product:
    """The wire form."""
    return wire.Product(
        id=view.id,
        shop=view.shop,
        title=view.title,
        description=view.description,
        url=view.url,
        picture=picture_path(view.id, view.image),
        category=view.category,
        brand=view.brand,
        price=view.price,
        list_price=view.list_price or None,
        saleable=view.saleable,
        flags=view.flags,
        variants=[
            wire.Variant(
                key=each.key,
                title=each.title,
                sku=each.sku,
                price=each.price,
                list_price=each.list_price or None,
                saleable=each.saleable,
            )
            for each in view.variants
        ],
        legal=wire.Legal.model_validate(view.legal.model_dump()),
        missing=view.missing,
        seen=time_of(view.seen),
        gone=view.gone,
    )


def shop_of(view: contract.ShopView) -> wire.Shop:
    """The wire form."""
    sync = view.sync
    return wire.Shop(
        id=view.id,
        kind=view.kind,
        name=view.name,
        capabilities=view.capabilities,
        products=view.products,
        reached=maybe_time_of(view.reached),
        error=view.error,
        sync=wire.Sync(
            running=sync.running,
            started=maybe_time_of(sync.started),
            ended=maybe_time_of(sync.ended),
            rows=sync.rows,
            changed=sync.changed,
            gone=sync.gone,
            bad=sync.bad,
            bad_rows=[wire.BadRow.model_validate(each.model_dump()) for each in sync.bad_rows],
            done=sync.done,
            error=sync.error,
        ),
    )


async def list_products(call: Call) -> Answer:
    """Products that fit a text, the best first; without one all, by title."""
    query = call.asks(wire.ProductQuery)
    found = await call.services.ask(
        contract.SearchProducts(
            text=query.text, shop=query.shop, limit=query.limit, cursor=query.cursor, cause=call.by
        )
    )
    return Answer(
        wire.ProductPage(items=[product_of(view) for view in found.products], next=found.next or None)
    )


async def get_product(call: Call) -> Answer:
    """One product; also one that is offered no longer, for the shows that it was in."""
    name = call.path("product")
    found = await call.services.ask(contract.GetProducts(ids=[name], cause=call.by))
    if not found.products:
        raise CommandError(Fault.NOT_FOUND, f"there is no product {name}")
    return Answer(product_of(found.products[0]))


async def list_shops(call: Call) -> Answer:
    """All shops, with how their catalogs' newest passes went."""
    found = await call.services.ask(contract.ListShops(cause=call.by))
    return Answer(wire.ShopPage(items=[shop_of(view) for view in found.shops]))


async def sync_shop(call: Call) -> Answer:
    """Begin a pass over a shop's catalog."""
    view = await call.services.ask(contract.SyncShop(shop=call.path("shop"), cause=call.by))
    return Answer(shop_of(view))

"""Shops on Vendure (2.2 or newer), spoken to by their GraphQL admin API: products, prices, stock, and signed webhooks.

What it needs of the shop, and what a shop's webhooks look like: docs/decisions/0015-demo-shop.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from commerce_bridge.connectors.vendure.options import read_options
from commerce_bridge.connectors.vendure.shop import VendureShop
from commerce_bridge.ports import Shop


def open_shop(shop: str, options: Mapping[str, str]) -> Shop:
    """The shop `shop` (id of our record). Nothing is read or connected yet.

    Raises `InvalidError` with the option at fault.
    """
    return VendureShop(shop, read_options(options))

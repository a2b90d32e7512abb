"""Catalogs that a shop writes into a file or serves at an address: CSV and TSV, JSON, Google's product feed.

What of it is understood, and how: docs/connectors.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from commerce_bridge.connectors.feed.options import read_options
from commerce_bridge.connectors.feed.shop import FeedShop
from commerce_bridge.ports import Shop


def open_shop(shop: str, options: Mapping[str, str]) -> Shop:
    """The shop `shop` (id of our record). Nothing is read or connected yet.

    Raises `InvalidError` with the option at fault.
    """
    return FeedShop(shop, read_options(options))

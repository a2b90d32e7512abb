"""The kinds of shops that can be connected. One is imported when a shop of its kind is opened: no process pays for the others.
How to write one: docs/connectors.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from commerce_bridge.ports import Shop

KINDS: dict[str, str] = {
    "feed": "commerce_bridge.connectors.feed",
    "vendure": "commerce_bridge.connectors.vendure",
}
"""Module by kind; each has ``open_shop(shop, options)``."""


def open_shop(kind: str, shop: str, options: Mapping[str, str]) -> Shop:
    """A shop of a kind in `KINDS`; nothing is asked of it yet. Raises `InvalidError` naming the option that cannot be used."""
    made: Shop = importlib.import_module(KINDS[kind]).open_shop(shop, options)
    return made

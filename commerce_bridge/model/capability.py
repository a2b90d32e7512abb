"""What shops can do."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """What a shop can do beside telling its whole catalog."""

    FETCH = "fetch"
    """Tell single products anew (`Shop.products`)."""
    CHANGES = "changes"
    """Tell what changed since a cursor (`Shop.changes`)."""
    WEBHOOKS = "webhooks"
    """Tell by signed webhooks that something changed (`Shop.hint`)."""
    STOCK = "stock"
    """Tell how many are left."""

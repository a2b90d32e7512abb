"""What goes over the wire of purchase links. See `web.api.wire`."""

from __future__ import annotations

from pydantic import Field

from web.api.wire import Wire


class LinkQuery(Wire):
    """Query of a product's purchase links."""

    origin: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,20}$",
        description="One more place where a link is to be put, by a word of one's own: a partner, a mailing.",
    )


class PurchaseLink(Wire):
    """A link to a product in its shop."""

    origin: str = Field(
        description="Where it is to be put: `page`, `embed`, `replay`, `youtube`, `qr`, or a word of one's own. Orders are "
        "reported by it."
    )
    url: str = Field(description="Short, for ever, and the same each time until the key is changed.")


class PurchaseLinkPage(Wire):
    """All of them."""

    items: list[PurchaseLink]
    next: None = None

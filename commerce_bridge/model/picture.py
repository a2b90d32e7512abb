"""Where a product's picture is on our own site: shops' servers are slow, far, and no matter for viewers' browsers."""

from __future__ import annotations

import hashlib


def picture_path(product: str, image: str) -> str | None:
    """Path of the picture of a product (its id) that its shop has at the address `image`; None where it has none. With another
    address it is another path, so that it may be cached for ever.
    """
    if not image:
        return None
    return f"/pictures/{product}/{hashlib.sha256(image.encode()).hexdigest()[:12]}.jpg"

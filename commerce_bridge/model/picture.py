"""What a product's picture is called here."""

from __future__ import annotations

import hashlib


def picture_hash(image: str) -> str:
    """Of a picture's address in its shop: 12 hex digits. Another address is another name, so that one can be kept for ever."""
    return hashlib.sha256(image.encode()).hexdigest()[:12]


def picture_path(product: str, image: str) -> str | None:
    """Where we serve a product's picture; None where its shop tells no address of one."""
    return f"/pictures/{product}/{picture_hash(image)}.jpg" if image else None

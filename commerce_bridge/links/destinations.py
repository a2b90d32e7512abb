"""Where a purchase link leads: the product's own page in its shop, told by whom the buyer was sent.

Nothing of a request is in it but what is listed in `Attribution`, and that never comes before the query: so no link of ours can lead
anywhere but to the address that the shop gave for the product.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_plus

from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.product import checked_url

SOURCE = "gachi-live"
MEDIUM = "live-commerce"
OURS = frozenset(
    ("lc_click", "lc_show", "lc_card", "lc_ch", "utm_source", "utm_medium", "utm_campaign")
)  # fmt: skip
"""Names that are ours to say: an address that has them already loses them, whoever wrote them there."""
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
"""What ids are made of: nothing in it needs quoting."""
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the shop is told. No personal data: the click's id means nothing outside of our log."""

    click: str
    """Id of the click; empty where it is no person's."""
    product: str
    origin: str
    show: str = ""


def destination(product_url: str, attribution: Attribution) -> str:
    """The product's address with the attribution: its own query stays as it is written, and so does its fragment.

    ASCII alone, as a `Location` wants it (RFC 9110 §10.2.2). Raises `InvalidError` where the address is none.
    """
    before, after = _around(product_url)
    return f"{before}{_said(attribution)}{after}"


@lru_cache(maxsize=4096)
def _around(product_url: str) -> tuple[str, str]:
    """What of an address comes before our part of the query, and after it. The same few are asked for again and again."""
    url = _ascii(checked_url(product_url, name="url"))
    url, hash_sign, fragment = url.partition("#")
    base, _, query = url.partition("?")
    kept = "".join(f"{item}&" for item in query.split("&") if item and not _is_ours(item))
    return f"{base}?{kept}", f"{hash_sign}{fragment}"


def _said(attribution: Attribution) -> str:
    said = (
        ("lc_click", attribution.click),
        ("lc_show", attribution.show),
        ("lc_card", attribution.product),
        ("lc_ch", attribution.origin),
        ("utm_source", SOURCE),
        ("utm_medium", MEDIUM),
        ("utm_campaign", attribution.show),
    )
    return "&".join(
        f"{name}={value if _PLAIN.fullmatch(value) else quote(value, safe='')}"
        for name, value in said
        if value
    )


def _is_ours(item: str) -> bool:
    return unquote_plus(item.partition("=")[0]).strip().lower() in OURS


def _ascii(url: str) -> str:
    """The same address as it goes over the wire: shops write Korean into paths, queries and hosts."""
    if url.isascii():
        return url
    scheme, separator, rest = url.partition("://")
    end = min((place for sign in "/?#" if (place := rest.find(sign)) >= 0), default=len(rest))
    host, colon, port = rest[:end].partition(":")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
        tail = quote(rest[end:], safe=_ASCII)
    except UnicodeError as error:
        raise InvalidError("its host cannot be written in ASCII", field="url") from error
    if not port.isascii():
        raise InvalidError("its port is no number", field="url")
    return f"{scheme}{separator}{host}{colon}{port}{tail}"

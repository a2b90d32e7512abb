"""What a purchase link says, as a short signed text: which product, in which show, and where the link was put.

A token is the base64url of: the key's id, show, product, origin, and ten bytes of HMAC-SHA256 over them (80 bits: a forger may
try a million a second for ten thousand years). Ids that we made take ten bytes, so that a token has 46 characters and its QR code
stays coarse enough for a phone across the room. It names no person and does not expire: it stands below videos for years.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from commerce_bridge.model.errors import InvalidError, LinkError, UnknownKeyError
from runtime.ids import ALPHABET

ORIGINS = ("page", "embed", "replay", "youtube", "qr")
"""Where we put links ourselves. The order is part of every token: new ones are added at the end."""
SECRET_BYTES = 32
MAC_BYTES = 10
MOST_ID = 80
"""Characters of a show's or product's id."""
LONGEST = 260
"""Characters of a token that is looked at: one with the longest ids and origin has 259."""
_ORIGIN = re.compile(r"[a-z0-9-]{1,20}")
_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MOST_ID}}}")
_OURS = re.compile(rf"[{ALPHABET}]{{16}}")
_RFC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""Digits of base 32 as RFC 4648 has them, in the place of ours."""
_TO_RFC = bytes.maketrans(ALPHABET.encode(), _RFC)
_FROM_RFC = bytes.maketrans(_RFC, ALPHABET.encode())
_PACKED = 0xFF
_KNOWN = 0x80
_PURPOSE = b"gachi-live purchase link\0"
"""Keeps a signature of a link from being one of anything else that may be signed with the same key."""


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A key that links are signed with."""

    id: int
    """1 to 255; the first byte of every token that is signed with it."""
    secret: bytes = field(repr=False)
    """`SECRET_BYTES` of chance."""
    made: int = 0
    """Unix microseconds."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says."""

    product: str
    show: str = ""
    """Empty: the link belongs to no show."""
    origin: str = "page"
    """One of `ORIGINS`, or a partner's own word."""


def checked_origin(origin: str) -> str:
    """The word, if it can be one. Raises `InvalidError`."""
    if not _ORIGIN.fullmatch(origin):
        raise InvalidError("an origin has 1 to 20 of a-z, 0-9 and -", field="origin")
    return origin


def sign(link: Link, key: LinkKey) -> str:
    """The link's token. Raises `InvalidError` where an id or the origin cannot be in one."""
    body = (
        bytes([key.id])
        + _packed(link.show, "show")
        + _packed(link.product, "product")
        + _packed_origin(link.origin)
    )
    return _text(body + _mac(body, key))


def read(token: str, keys: Mapping[int, LinkKey]) -> Link:
    """What a token says. Raises `LinkError` for one that none of the keys signed, `UnknownKeyError` where none has its id."""
    if not token.isascii() or len(token) > LONGEST:
        raise LinkError("the token has no form")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LinkError("the token has no form") from error
    body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    # The last character may hold bits of nothing: two texts for one token would be two links for one.
    if not body or _text(raw) != token:
        raise LinkError("the token has no form")
    key = keys.get(body[0])
    if key is None:
        raise UnknownKeyError(f"there is no key {body[0]}")
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise LinkError("the token is signed by nobody here")
    return _unpacked(body)


def by_id(keys: Sequence[LinkKey]) -> dict[int, LinkKey]:
    """As `read` wants them."""
    return {key.id: key for key in keys}


def _mac(body: bytes, key: LinkKey) -> bytes:
    return hmac.digest(key.secret, _PURPOSE + body, hashlib.sha256)[:MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _packed(text: str, name: str) -> bytes:
    """An id: its length and its characters, or ten bytes where it is one of ours. Empty is a length of 0."""
    if _OURS.fullmatch(text):
        return bytes([_PACKED]) + base64.b32decode(text.encode().translate(_TO_RFC))
    if not _ID.fullmatch(text) and not (name == "show" and not text):
        raise InvalidError(f"{text[:MOST_ID]!r} cannot be in a link", field=name)
    return bytes([len(text)]) + text.encode()


def _packed_origin(origin: str) -> bytes:
    if origin in ORIGINS:
        return bytes([_KNOWN | ORIGINS.index(origin)])
    return bytes([len(checked_origin(origin))]) + origin.encode()


def _unpacked(body: bytes) -> Link:
    """The signature held, so this is what one of us packed, if perhaps a newer one of us."""
    try:
        show, rest = _unpacked_id(body[1:])
        product, rest = _unpacked_id(rest)
        known = rest[0] & _KNOWN
        origin = ORIGINS[rest[0] & ~_KNOWN] if known else rest[1 : 1 + rest[0]].decode("ascii")
    except (IndexError, UnicodeDecodeError) as error:
        raise LinkError("the token says something that is not known here") from error
    return Link(product=product, show=show, origin=origin)


def _unpacked_id(raw: bytes) -> tuple[str, bytes]:
    if raw[0] == _PACKED:
        return base64.b32encode(raw[1:11]).translate(_FROM_RFC).decode("ascii"), raw[11:]
    return raw[1 : 1 + raw[0]].decode("ascii"), raw[1 + raw[0] :]

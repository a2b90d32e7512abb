"""The signature of a shop's webhooks, written and read. Pure.

`x-gachi-signature: sha256=<hex>` is HMAC-SHA256 (RFC 2104) of ``<x-gachi-timestamp>.<body>`` with the shop's secret; the timestamp is
Unix seconds. `x-gachi-event` says the id of the body once more, for whoever has seen it already.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping

from commerce_bridge.model.errors import ForgedError
from commerce_bridge.ports import Hint

TIMESTAMP, EVENT, SIGNATURE = "x-gachi-timestamp", "x-gachi-event", "x-gachi-signature"
WINDOW = 300
"""Seconds that a webhook's clock may differ from ours."""
MOST_PRODUCTS = 100
"""Named in one webhook; where it names more, anything may have changed."""
_SECONDS = re.compile(r"[0-9]{1,12}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `x-gachi-signature`."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def read(headers: Mapping[str, str], body: bytes, *, secret: str, now: int) -> Hint:
    """See `Shop.hint`. Raises `ForgedError`, also where it is the shop's own and makes no sense."""
    timestamp = headers.get(TIMESTAMP, "")
    if not secret:
        raise ForgedError("no secret is known that it could be signed with")
    if not _SECONDS.fullmatch(timestamp):
        raise ForgedError(f"no sound {TIMESTAMP}")
    # As bytes: compare_digest takes no text beyond ASCII, and a stranger may send any.
    given = headers.get(SIGNATURE, "").encode(errors="surrogateescape")
    if not hmac.compare_digest(given, sign(secret, timestamp, body).encode()):
        raise ForgedError("the signature is wrong")
    if abs(now // 1_000_000 - int(timestamp)) > WINDOW:
        raise ForgedError("it is more than five minutes old, or its clock is wrong")
    try:
        told = json.loads(body)
        event, products = told["id"], told["products"]
    except (ValueError, KeyError, TypeError) as error:
        raise ForgedError("a webhook that cannot be read") from error
    if not (isinstance(event, str) and _ID.fullmatch(event) and isinstance(products, list)):
        raise ForgedError("a webhook without id and products")
    if headers.get(EVENT) != event:
        # The header is not signed: who changed it would have one webhook looked at again and again.
        raise ForgedError(f"{EVENT} is not the id in the body")
    if not all(isinstance(key, str) and _ID.fullmatch(key) for key in products):
        raise ForgedError("a webhook with products that have no ids")
    keys = tuple(dict.fromkeys(products))
    return Hint(event, keys if len(keys) <= MOST_PRODUCTS else ())

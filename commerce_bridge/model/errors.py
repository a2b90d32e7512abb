"""The exception family of the bridge, drawn once::

    BridgeError
    ├── InvalidError      the caller's value cannot work; names the field at fault
    ├── NotFoundError     no such shop, product or link
    ├── LinkError         a purchase link that we did not sign
    │   └── UnknownKeyError   none of the keys at hand has its key's id; newer ones may
    ├── ConflictError     what it is now forbids the command
    ├── StoreError        the database failed: nothing was changed, trying again may help
    └── ShopError         the shop's fault
        ├── ShopDownError     it does not answer, or says it cannot now; `retry_after` where it says when
        ├── ShopRefusedError  it answers and refuses us: a wrong key, a missing right; trying again cannot help
        ├── ShopLiedError     what it answers cannot be read or cannot be true
        ├── ShopUnchangedError  no fault: its whole catalog is as it was when it was last told to the end
        └── ForgedError       a webhook that is not the shop's, or is old or seen already

Vendor errors (SQLAlchemy, aiohttp) stop at adapters and connectors and are chained with ``from``.
"""

from __future__ import annotations


class BridgeError(Exception):
    """Base of all. `field` is the dotted path of the value at fault, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidError(BridgeError):
    """The caller's value is wrong; trying again cannot help."""


class NotFoundError(BridgeError):
    """What is named does not exist."""


class LinkError(BridgeError):
    """A purchase link that is not ours, or not any more what we signed."""


class UnknownKeyError(LinkError):
    """A forgery, or signed with a key that is newer than those at hand."""


class ConflictError(BridgeError):
    """It exists, but what it is now forbids the command."""


class StoreError(BridgeError):
    """The database failed."""


class ShopError(BridgeError):
    """The shop did not do its part."""


class ShopDownError(ShopError):
    """It does not answer, or not now."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """`retry_after`: seconds that the shop asks us to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class ShopRefusedError(ShopError):
    """It refuses us."""


class ShopLiedError(ShopError):
    """Its answer makes no sense."""


class ShopUnchangedError(ShopError):
    """Nothing to tell: all products are as they were. An error, so that nobody takes an empty catalog for an answer."""


class ForgedError(ShopError):
    """A webhook that must not be believed."""

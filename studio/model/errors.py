"""The exception family of the studio, drawn once::

    StudioError
    ├── InvalidError     the caller's value cannot work; names the field at fault
    ├── NotFoundError    no such show
    ├── ConflictError    the show's state forbids it, its version is stale, or another show holds the channel
    └── StoreError       disk or database failed: nothing was changed, trying again may help
        └── LogFullError the bounded buffer of a show log is full, because the disk takes nothing

Vendor errors (SQLAlchemy, OSError) stop at the adapters and are chained with ``from``.
"""

from __future__ import annotations


class StudioError(Exception):
    """Base of all. `field` is the dotted path of the value at fault, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidError(StudioError):
    """The caller's value is wrong; trying again cannot help."""


class NotFoundError(StudioError):
    """The named show does not exist."""


class ConflictError(StudioError):
    """The show exists, but what it is now forbids the command."""


class StoreError(StudioError):
    """Disk or database failed."""


class LogFullError(StoreError):
    """Entries wait for the disk up to the bound; this one was refused."""

"""The exception family of media, drawn once::

    MediaError
    ├── SpecError            a wrong specification: never retried; names the field at fault
    ├── NotFoundError        no such feed, channel, recording, segment
    ├── ConflictError        the thing is in a state that does not allow it (feed busy, name taken, stale ETag)
    │   └── CapacityError    the machine has no room for another channel, or for a larger one
    ├── UnavailableError     it cannot be had at this moment: trying again soon is right
    ├── SourceError          the feed's sender is at fault (bad bytes, refused key): reported on the feed
    ├── EngineError          codec, muxer or device failed here: the worker restarts
    ├── StoreError           disk or object storage failed: live goes on, the tape gets a gap
    └── FencedError          a newer epoch of this channel exists: this worker must end at once, for good

Vendor errors (libav, obstore, SQLAlchemy) stop at the adapters and are chained with ``from``.
"""

from __future__ import annotations


class MediaError(Exception):
    """Base of all. `field` is the dotted path of the setting or body field at fault, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class SpecError(MediaError):
    """The caller's specification is wrong; trying again cannot help."""


class NotFoundError(MediaError):
    """The named thing does not exist."""


class ConflictError(MediaError):
    """The thing exists but its state forbids the command."""


class UnavailableError(MediaError):
    """It cannot be had at this moment; who asks again soon may get it."""


class SourceError(MediaError):
    """What a feed's sender sent is at fault."""


class EngineError(MediaError):
    """A codec, muxer or device failed on our side."""


class StoreError(MediaError):
    """Disk or object storage failed."""


class FencedError(MediaError):
    """A newer epoch of the channel was claimed by somebody else."""


class CapacityError(ConflictError):
    """The machine has no room for it. `field` is what overrides that: `force`."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="force")

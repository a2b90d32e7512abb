"""`PictureShrinker` in a child process: whoever writes a catalog decides what is decoded here, and prices and stock go on."""

from __future__ import annotations

from collections.abc import Callable

from commerce_bridge.model.errors import BridgeError, ShopLiedError
from runtime.supervision.answering import (
    IDLE,
    AnsweringChild,
    ChildBrokeError,
    ChildStartError,
    Kind,
    answer,
)

SHRINK_WITHIN = 5.0
"""Seconds for one picture; usual ones take a tenth of a second."""
MEMORY = 1 << 30
"""Bytes of address space: the largest picture takes a quarter of it."""


class ThumbnailChild:
    """Shrinks one picture at a time; close it at the end."""

    def __init__(self, *, idle: float = IDLE, within: float = SHRINK_WITHIN) -> None:
        self._child = AnsweringChild(__name__, idle=idle)
        self._within = within

    @property
    def pid(self) -> int | None:
        """Of the child that runs; None where none does."""
        return self._child.pid

    async def shrink(self, picture: bytes) -> bytes:
        """See `PictureShrinker`."""
        try:
            kind, body = await self._child.ask(picture, within=self._within)
        except TimeoutError as error:
            raise ShopLiedError(f"it does not decode within {self._within:g} s") from error
        except ChildBrokeError as error:
            raise ShopLiedError(f"the decoder broke on it ({error})") from error
        except ChildStartError as error:
            raise BridgeError(f"no process can be started to shrink pictures with: {error}") from error
        if kind is Kind.DONE:
            return body
        text = body.decode(errors="replace")
        raise ShopLiedError(text) if kind is Kind.DAMAGED else BridgeError(text)

    async def close(self) -> None:
        """End the child."""
        await self._child.aclose()


def _load() -> Callable[[bytes], bytes]:
    from commerce_bridge.adapters.thumbnails import shrink

    return shrink


if __name__ == "__main__":
    answer(_load, damaged=ShopLiedError, memory=MEMORY)

"""What pictures need from the outside. Adapters are in `commerce_bridge.adapters`."""

from __future__ import annotations

from typing import Protocol


class PictureFetcher(Protocol):
    """Gets a picture from a shop, in a bounded time and of a bounded size."""

    async def fetch(self, url: str, *, private: bool) -> bytes:
        """What is at an http(s) address. `private`: it may be within our own network, as a demo's shop is.

        Raises `ShopDownError`, `ShopRefusedError` (also for an address that is not public) and `ShopLiedError` (what is there
        says itself that it is no picture, or is too large).
        """
        ...


class PictureShrinker(Protocol):
    """Makes a picture small. Who else than us made what it is given must not matter."""

    async def shrink(self, picture: bytes) -> bytes:
        """A JPEG without metadata, upright, `SIDE` pixels at most either way. Takes a bounded time.

        Raises `ShopLiedError` for what is no picture, or one that cannot be shown; `BridgeError` where we cannot now.
        """
        ...


class PictureStore(Protocol):
    """Small pictures at rest, by name; those not asked for longest go. Called in threads; raises `StoreError`."""

    def get(self, name: str) -> bytes | None:
        """One of them; None where it is not kept (any more)."""
        ...

    def put(self, name: str, jpeg: bytes) -> None:
        """Keep it, all or nothing."""
        ...


SIDE = 480
"""Pixels: twice what a card shows, for phones with fine screens."""

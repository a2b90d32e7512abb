"""The keys of purchase links: made at the first start, a new one twice a year, the former ones believed on."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from commerce_bridge.contracts.links import GetLinkKeys, LinkKeyList, LinkKeyView
from commerce_bridge.links.ports import LinkKeyStore
from commerce_bridge.links.tokens import SECRET_BYTES, LinkKey
from commerce_bridge.model.errors import StoreError
from runtime import logs
from runtime.bus.calls import Handler
from runtime.bus.contract import Command, CommandError, Fault

log = logs.get("bridge.links")

ROTATE_AFTER = 180 * 86_400_000_000
"""Microseconds after which new links are signed with a new key."""
MOST_KEYS = 200
"""Keys that are kept, a century of them: a link below a video stays good for as long as the video is watched."""
_MOST_ID = 255


def rotated(keys: Sequence[LinkKey], *, now: int, secret: bytes) -> list[LinkKey]:
    """The keys as they are to be at `now` (Unix microseconds): with a new one made of `secret` where it is time. Pure."""
    if keys and now - keys[-1].made < ROTATE_AFTER:
        return list(keys)
    number = keys[-1].id % _MOST_ID + 1 if keys else 1
    return [*keys[-(MOST_KEYS - 1) :], LinkKey(number, secret, made=now)]


class LinkKeys:
    """Keeps the keys in the store and hands them out."""

    def __init__(self, store: LinkKeyStore, *, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._keys: list[LinkKey] = []
        self._lock = asyncio.Lock()

    async def current(self) -> list[LinkKey]:
        """The keys, the newest last. Raises `StoreError`."""
        async with self._lock:
            known = self._keys or list(await asyncio.to_thread(self._store.load))
            wanted = rotated(known, now=self._now(), secret=secrets.token_bytes(SECRET_BYTES))
            if wanted != known:
                await asyncio.to_thread(self._store.save, wanted)
                log.info("new links are signed with a new key", key=wanted[-1].id)
            self._keys = wanted
            return wanted

    async def tell(self, _: GetLinkKeys) -> LinkKeyList:
        """Answer the command."""
        try:
            keys = await self.current()
        except StoreError as error:
            raise CommandError(Fault.UNAVAILABLE, str(error)) from error
        return LinkKeyList(
            keys=[LinkKeyView(id=key.id, secret=base64.b64encode(key.secret).decode()) for key in keys]
        )


def keys_of(told: LinkKeyList) -> list[LinkKey]:
    """The keys out of the answer to `GetLinkKeys`."""
    return [LinkKey(key.id, base64.b64decode(key.secret)) for key in told.keys]


def link_handlers(store: LinkKeyStore, *, now: Callable[[], int]) -> dict[type[Command[Any]], Handler]:
    """What the bridge process answers about links. `now` gives Unix microseconds."""
    return {GetLinkKeys: LinkKeys(store, now=now).tell}

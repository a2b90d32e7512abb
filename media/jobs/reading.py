"""The store as work on a thread reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media.model.errors import StoreError
from media.ports import SegmentStore

FETCH_TIMEOUT = 30.0
"""Seconds that one object may take to be read."""


def reader(store: SegmentStore) -> Callable[[str], bytes]:
    """Reads an object by key, blocking; to be made on the event loop and called from other threads. It raises what
    `SegmentStore.get` does, and `StoreError` after `FETCH_TIMEOUT`.
    """
    loop = asyncio.get_running_loop()

    def fetch(key: str) -> bytes:
        future = asyncio.run_coroutine_threadsafe(store.get(key), loop)
        try:
            return future.result(FETCH_TIMEOUT)
        except TimeoutError as error:
            future.cancel()
            raise StoreError(f"{key} was not read within {FETCH_TIMEOUT:g} s") from error

    return fetch

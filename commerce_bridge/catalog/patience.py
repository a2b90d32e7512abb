"""Waits that have an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from commerce_bridge.model.errors import ShopDownError
from commerce_bridge.ports import Batch


async def heard(news: asyncio.Event, seconds: float | None) -> None:
    """Wait for news, so many seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    news.clear()


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but what takes too long is the shop's failure."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise ShopDownError(f"it did not answer within {seconds:g} s") from late


async def pieces_of(batches: AsyncIterator[Batch], seconds: float) -> AsyncGenerator[Batch, None]:
    """The pieces of a catalog, each within so many seconds. Raises `ShopDownError` where one is not."""
    try:
        while True:
            try:
                async with within(seconds):
                    batch = await anext(batches)
            except StopAsyncIteration:
                return
            yield batch
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()

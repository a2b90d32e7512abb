"""Pictures put together: network, decoder and disk behind the one command."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from commerce_bridge.adapters.http_pictures import HttpPictures
from commerce_bridge.adapters.picture_files import FilePictures
from commerce_bridge.adapters.thumbnail_child import ThumbnailChild
from commerce_bridge.pictures.metrics import figures
from commerce_bridge.pictures.service import FindSource, Pictures
from runtime.bus.calls import Handler
from runtime.bus.contract import Command
from runtime.figures import watched


@asynccontextmanager
async def picture_handlers(
    find: FindSource, folder: Path, *, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[dict[type[Command[Any]], Handler]]:
    """What the bridge process answers about pictures, which it keeps below `folder`; with their figures."""
    async with AsyncExitStack() as stack:
        fetcher, child = HttpPictures(), ThumbnailChild()
        stack.push_async_callback(fetcher.close)
        stack.push_async_callback(child.close)
        pictures = Pictures(find, fetcher, child, FilePictures(folder), clock=clock)
        stack.push_async_callback(pictures.close)
        stack.enter_context(watched(figures(pictures)))
        yield pictures.handlers()

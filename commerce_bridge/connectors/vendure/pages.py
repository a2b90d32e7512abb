"""Reading a list piece by piece while its shop goes on changing it.

Vendure counts pieces by position. Where something in front is taken away meanwhile, all that follows moves up, and a piece that
begins where the last one ended would leave out as many: a product left out looks like one that is gone. So each piece begins with
the last item of the one before; where it does not, we step back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from commerce_bridge.connectors.vendure.answers import Page, read
from commerce_bridge.connectors.vendure.client import Answer
from commerce_bridge.model.errors import ShopDownError, ShopLiedError

PAGE = 100
"""Items of a piece."""
_REMEMBERED = 4 * PAGE
"""How far back an item is known again."""
_STEPS_BACK = 20
"""How often in a row a list may have moved until it is given up."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Items that were not told before."""

    items: list[dict[str, Any]]
    total: int
    """Items of the whole list, by now."""
    read: int
    """Items up to the end of this piece."""
    time: int | None
    """Of the shop, when it told the piece; see `Answer`."""


async def pieces(ask: Callable[[int, int], Awaitable[Answer]]) -> AsyncGenerator[Piece]:
    """All items of a list; `ask` takes how many to skip and how many to take.

    Raises `ShopDownError` where the list moves faster than it can be read, `ShopLiedError` where it cannot be read.
    """
    known: deque[str] = deque(maxlen=_REMEMBERED)
    skip = steps = stale = 0
    while True:
        answer = await ask(skip, PAGE)
        page = read(Page, answer.data.get("page"))
        if len(page.items) > PAGE:
            raise ShopLiedError(f"asked for {PAGE} items, the shop tells {len(page.items)}")
        keys = [key_of(item) for item in page.items]
        if skip and (not keys or keys[0] not in known):
            steps += 1
            if steps > _STEPS_BACK:
                raise ShopDownError("the catalog changes faster than it can be read")
            skip = max(0, skip - PAGE)
            continue
        steps = 0
        fresh = [item for item, key in zip(page.items, keys, strict=True) if not key or key not in known]
        known += [key for key in keys if key and key not in known]
        read_by_now = skip + len(keys)
        yield Piece(fresh, page.totalItems, read_by_now, answer.time)
        if len(keys) < PAGE:
            if read_by_now < page.totalItems:
                raise ShopLiedError(f"the shop ends its list at {read_by_now} of {page.totalItems}")
            return
        # A piece without anything new is what stepping back brings; many in a row are not.
        stale = 0 if fresh else stale + 1
        if stale > _STEPS_BACK:
            raise ShopLiedError("the shop tells the same items again and again")
        skip += len(keys) - 1


def key_of(item: dict[str, Any]) -> str:
    """Its id; empty where it has none."""
    key = item.get("id")
    return key if isinstance(key, str) else ""

"""Where all that shops tell goes: into the store, the search, and to those who watch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from commerce_bridge.catalog.finder import Finder
from commerce_bridge.catalog.views import view_of
from commerce_bridge.catalog.watching import Watched
from commerce_bridge.contracts.products import ProductChanged
from commerce_bridge.model.product import Product
from commerce_bridge.ports import CatalogStore
from runtime.bus.contract import Event
from runtime.clock import Clock


class Ledger:
    """Shared by the syncs of all shops. Every method may raise `StoreError`; nothing was changed then."""

    def __init__(
        self,
        store: CatalogStore,
        finder: Finder,
        watched: Watched,
        tell: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self.store = store
        self._finder = finder
        self._watched = watched
        self._tell = tell
        self._clock = clock

    async def put(self, products: Sequence[Product], *, seen: int) -> int:
        """What a shop told at `seen`. Returns how many are new or differ from before."""
        changed = frozenset(await self.store.put(products, seen=seen))
        if changed:
            self._finder.put(each for each in products if each.id in changed)
            await self._tell_of(sorted(changed))
        return len(changed)

    async def gone(self, shop: str, *, keys: Sequence[str] | None, before: int) -> int:
        """See `CatalogStore.gone`. Returns how many are gone now."""
        gone = await self.store.gone(shop, keys=keys, before=before)
        if gone:
            self._finder.drop(gone)
            await self._tell_of(gone)
        return len(gone)

    async def _tell_of(self, products: Sequence[str]) -> None:
        watched = self._watched.of(products, self._clock.monotonic())
        for start in range(0, len(watched), 100):
            for kept in (await self.store.get(watched[start : start + 100])).values():
                self._tell(ProductChanged(product=view_of(kept)))

"""The bridge's figures for Prometheus, read off its parts when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Histogram
from prometheus_client.core import Metric

from commerce_bridge.catalog.desk import ConnectedShop, Desk
from commerce_bridge.catalog.sync import ShopSync
from commerce_bridge.catalog.watching import Watched
from runtime.bus.announcer import Announcer
from runtime.clock import Clock
from runtime.figures import Rows, counter, gauge

SEARCH_SECONDS = Histogram(
    "gachi_bridge_search_seconds",
    "Seconds that searches for products took, the reading of what was found included.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0),
)


def figures(
    shops: Mapping[str, ConnectedShop], desk: Desk, watched: Watched, announcer: Announcer, clock: Clock
) -> Callable[[], Iterator[Metric]]:
    """The families, for `runtime.figures.watched`."""
    syncs = {name: shop.sync for name, shop in shops.items() if shop.sync is not None}

    def each(read: Callable[[ShopSync], float]) -> dict[tuple[str, ...], float]:
        return {(name,): read(sync) for name, sync in syncs.items()}

    def read() -> Iterator[Metric]:
        up: Rows = {
            (name,): float(shop.sync is not None and not shop.sync.error) for name, shop in shops.items()
        }
        yield gauge("gachi_bridge_shop_up", "Whether a shop answered when it was last asked.", up, "shop")
        yield gauge(
            "gachi_bridge_shop_reached_seconds",
            "Unix time at which a shop last answered, 0 for never.",
            each(lambda sync: sync.reached / 1e6),
            "shop",
        )
        yield gauge(
            "gachi_bridge_products",
            "Products that a shop has, as last counted.",
            {(name,): float(count) for name, count in desk.products.items()},
            "shop",
        )
        yield gauge(
            "gachi_bridge_syncing",
            "Whether a pass over a shop's whole catalog runs.",
            each(lambda sync: float(sync.view.running)),
            "shop",
        )
        yield counter(
            "gachi_bridge_passes_total",
            "Passes over a shop's whole catalog that came to their end.",
            each(lambda sync: sync.figures.passes),
            "shop",
        )
        yield counter(
            "gachi_bridge_rows_total",
            "Rows that a shop told in passes and as changes, bad ones too.",
            each(lambda sync: sync.figures.rows),
            "shop",
        )
        yield counter(
            "gachi_bridge_bad_rows_total",
            "Rows that could not be used and were passed over.",
            each(lambda sync: sync.figures.bad),
            "shop",
        )
        yield counter(
            "gachi_bridge_changed_total",
            "Products that were new or differed from before.",
            each(lambda sync: sync.figures.changed),
            "shop",
        )
        yield counter(
            "gachi_bridge_gone_total",
            "Products that a shop no longer offers.",
            each(lambda sync: sync.figures.gone),
            "shop",
        )
        yield counter(
            "gachi_bridge_failures_total",
            "Questions that a shop did not answer, or not so that it can be used.",
            each(lambda sync: sync.figures.failures),
            "shop",
        )
        yield counter(
            "gachi_bridge_webhooks_total",
            "Webhooks by outcome: fresh, seen before, forged.",
            {key: float(count) for key, count in desk.webhooks.items()},
            "shop",
            "outcome",
        )
        yield gauge(
            "gachi_bridge_watched_products",
            "Products that are looked at every few seconds.",
            watched.count(clock.monotonic()),
        )
        yield counter(
            "gachi_bridge_events_dropped_total",
            "Events of the bridge that nobody was told.",
            announcer.dropped,
        )

    return read

"""Figures of pictures, read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from commerce_bridge.pictures.service import Pictures
from runtime.figures import Figures, counter


def figures(pictures: Pictures) -> Figures:
    """What is read off them."""

    def read() -> Iterator[Metric]:
        counts = pictures.figures
        yield counter(
            "gachi_bridge_pictures_total",
            "Pictures of products: told from the disk, made anew, not to be had from the shop, refused because too many were "
            "being made.",
            {
                ("kept",): counts.kept,
                ("made",): counts.made,
                ("failed",): counts.failed,
                ("refused",): counts.refused,
            },
            "result",
        )

    return read

"""The whole product and a Chromium for the stories of viewers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.support.browser import browser as started_browser
from tests.support.ffmpeg_sender import make_file
from tests.support.parts import chromium
from tests.support.product import Client, Product, Seed

KEY = "camera-of-the-viewers"
BUILD = Path(__file__).resolve().parents[2] / "web/static"
CANVAS: Mapping[str, Any] = {
    "name": "본방송",
    "width": 640,
    "height": 360,
    "rate": "30",
    "ladder": [{"height": 360, "bitrate": 700_000}, {"height": 180, "bitrate": 250_000}],
    "preset": "ultrafast",
    "dvr_seconds": 600,
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One channel with the test pattern on air, an RTMP feed `camera` (key `KEY`), a file feed's clip beside it."""
    if chromium() is None:
        pytest.skip("pages are not tested in a browser: there is no Chromium")
    if not (BUILD / "index.html").is_file():
        pytest.skip("pages are not tested in a browser: the front end is not built (make web/static/.built)")
    folder = tmp_path_factory.mktemp("e2e")
    make_file(folder / "green.mp4", "green")
    with Product.start(
        folder,
        channels={"main": CANVAS},
        feeds=(
            Seed("camera", key=KEY, second_publisher="take_over"),
            Seed("pattern", "test", options={"width": "640", "height": "360"}),
        ),
        program={"main": ("pattern", None)},
        settings={"ingest": {"media_dir": str(folder)}},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    """The API, as an administrator."""
    product.wait_ready()
    async with product.client() as speaking:
        yield speaking


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    """A browser for one test."""
    async with started_browser() as started:
        yield started

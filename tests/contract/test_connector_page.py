"""docs/connectors.md: its connector is put through the suite of all connectors, and its tables are those of the code."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from commerce_bridge.connectors.feed.columns import HEADINGS
from commerce_bridge.connectors.feed.options import NAMES, Format
from commerce_bridge.model.errors import InvalidError
from tests.contract import test_shop
from tests.support.page_shop import PAGE, code, connector, toy_shop
from tests.support.shops import ShopUnderTest


@pytest.fixture
async def under() -> AsyncIterator[ShopUnderTest]:
    async with toy_shop() as running:
        yield running


class TestTheConnectorOfThePage(test_shop.TestShop):
    """All of the suite."""


def test_the_connector_is_short_enough_to_read() -> None:
    assert len(code().splitlines()) <= 130
    assert max(len(line) for line in code().splitlines()) <= 110


def test_an_option_at_fault_is_named() -> None:
    for options, field in (
        ({"url": "ftp://x", "secret": "s"}, "url"),
        ({"url": "http://x"}, "secret"),
    ):
        with pytest.raises(InvalidError) as raised:
            connector().open_shop("s", options)
        assert raised.value.field == field


def test_every_heading_and_option_of_a_feed_is_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    for field, (own, *others) in HEADINGS.items():
        assert own == field, "Google's name, or ours, is the first"
        assert rows.get(field, "").split(", ") == (others or ["–"]), f"docs/connectors.md: the row of {field}"
    for option in NAMES:
        assert option in rows, f"docs/connectors.md has no row for the option {option}"
    for each in Format:
        assert f"`{each}`" in text

"""A happening as the data of a log entry, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from commerce_bridge.cards.happenings import Happening, Kind
from commerce_bridge.cards.state import Facts, Item, Lineup, Sale, Source

LONGEST_ADDRESS = 500
"""Longer addresses are left out of the log: a hundred of them must fit one entry."""


def to_data(happening: Happening) -> dict[str, Any]:
    """JSON values. `title`, `price` and `list_price` are of then; absent where they were not known."""
    data: dict[str, Any] = {"product": happening.product, "cause": happening.cause}
    if happening.facts is not None:
        data |= asdict(happening.facts)
    if happening.sale is not None:
        data["sale"] = asdict(happening.sale)
    if happening.kind is Kind.SOLD_OUT:
        data["gone"] = happening.gone
    if happening.kind is Kind.LINEUP:
        data["version"] = happening.lineup.version
        data["items"] = [_item_data(item, happening) for item in happening.lineup.items]
    return data


def _item_data(item: Item, happening: Happening) -> dict[str, Any]:
    data = asdict(item)
    if known := happening.known.get(item.product):
        facts, source = known
        data |= asdict(facts)
        data |= {name: text if len(text) <= LONGEST_ADDRESS else "" for name, text in asdict(source).items()}
    return data


def from_data(type_: str, data: Mapping[str, Any]) -> Happening | None:
    """The happening of a log entry; None where it is none of ours, or not as we write them."""
    try:
        kind = Kind(type_)
    except ValueError:
        return None
    try:
        items = data.get("items", ())
        return Happening(
            kind,
            str(data.get("product", "")),
            str(data.get("cause", "")),
            _facts(data),
            Sale(**data["sale"]) if "sale" in data else None,
            gone=bool(data.get("gone", False)),
            lineup=Lineup(tuple(_item(each) for each in items), int(data.get("version", 0))),
            known={
                str(each["product"]): (facts, _source(each))
                for each in items
                if (facts := _facts(each)) is not None
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _facts(data: Mapping[str, Any]) -> Facts | None:
    if "price" not in data:
        return None
    return Facts(str(data["title"]), int(data["price"]), int(data["list_price"]))


def _item(data: Mapping[str, Any]) -> Item:
    return Item(str(data["product"]), str(data["talking_points"]), int(data["sale_price"]))


def _source(data: Mapping[str, Any]) -> Source:
    return Source(*(str(data.get(name, "")) for name in ("shop", "url", "image")))

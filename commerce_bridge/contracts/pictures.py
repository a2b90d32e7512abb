"""Pictures of products: fetched from their shops by the bridge process, served by web."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.bus.contract import Command, Value


class Picture(Value):
    """A product's picture, 480 pixels at most either way."""

    jpeg: str = Field(repr=False)
    """Base 64."""


class GetPicture(Command[Picture]):
    """A product's picture. Not found where it has none of this name (`commerce_bridge.model.picture.picture_hash`), or its shop
    gives none that can be shown. The first time it may take some seconds.
    """

    topic: ClassVar[str] = "bridge.pictures.get"
    asks = True
    reply = Picture
    product: str = Field(max_length=40)
    hash: str = Field(max_length=12)

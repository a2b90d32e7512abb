"""Settings of the demo's shop: section `demoshop`."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from runtime.settings import Section


class ShopKind(StrEnum):
    """`vendure` is a shop that sells; `feed` is a file with the same catalog, for machines without Node or its registry."""

    VENDURE = "vendure"
    FEED = "feed"


class DemoShopSettings(Section):
    """The demo's shop."""

    section: ClassVar[str] = "demoshop"

    kind: ShopKind = Field(
        default=ShopKind.VENDURE,
        description="`vendure`: a real shop, installed by npm at the first start. `feed`: a CSV file of the same catalog.",
    )
    host: str = Field(
        default="127.0.0.1",
        pattern=r"^\d{1,3}(\.\d{1,3}){3}$",
        description="IPv4 address that the shop is bound to. Its admin API is on the same port, behind the passwords of"
        " `demoshop/secrets.json` in the data folder.",
    )
    port: int = Field(default=3900, ge=1, le=65535, description="Port of the shop.")
    public_url: str = Field(
        default="",
        pattern=r"^$|^https?://[^\s/]+$",
        description="Where buyers' browsers reach it; empty: http://localhost with its port.",
    )
    webhook_url: str = Field(
        default="",
        pattern=r"^$|^https?://\S+$",
        description="What is told of every change by a signed webhook; empty: nobody.",
    )

    @property
    def url(self) -> str:
        """Where browsers reach it."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def pages(self) -> str:
        """What a product's slug is put behind for its page."""
        return f"{self.url}/store/p/"

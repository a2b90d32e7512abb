"""Settings of the bridge: section `bridge`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from commerce_bridge.connectors import KINDS
from runtime.settings import Section


class ShopSeed(BaseModel):
    """A shop that is connected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="The same for ever: products' ids are made of it."
    )
    kind: str = Field(description="Which connector: `feed` or `vendure`.")
    name: str = Field(default="", max_length=120, description="What people call it; empty: its id.")
    private: bool = Field(
        default=False,
        description="Its pictures may lie within our own network, as those of a demo's shop do.",
    )
    options: dict[str, SecretStr] = Field(
        default_factory=dict, description="What its kind needs: addresses, keys. Never shown."
    )

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"there is no kind of shop {kind}; there are {', '.join(sorted(KINDS))}")
        return kind

    @field_validator("options", mode="before")
    @classmethod
    def _as_text(cls, options: Any) -> Any:  # noqa: ANN401 - what a file may hold
        """Numbers and truths as they are written."""
        if not isinstance(options, dict):
            return options
        return {
            key: str(value).lower()
            if isinstance(value, bool)
            else str(value)
            if isinstance(value, int | float)
            else value
            for key, value in options.items()
        }


class BridgeSettings(Section):
    """Shops, and how often they are asked what they sell."""

    section: ClassVar[str] = "bridge"

    shops: list[ShopSeed] = Field(default_factory=list, description="The shops that are connected.")
    full_pass_at: str = Field(
        default="04:10",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="Korean time of the nightly pass over each shop's whole catalog.",
    )
    reread_interval: float = Field(
        default=3600.0,
        ge=0,
        le=86_400,
        description="Seconds between passes over the whole catalog of a shop that cannot tell what changed; 0: nightly alone.",
    )
    changes_interval: float = Field(
        default=60.0, ge=0.01, le=3600, description="Seconds between questions what changed."
    )
    watch_interval: float = Field(
        default=3.0,
        ge=0.01,
        le=60,
        description="Seconds between looks at the products of shows that are live.",
    )
    shop_timeout: float = Field(
        default=30.0,
        ge=0.1,
        le=600,
        description="Seconds that a shop has for one answer, or one piece of its catalog.",
    )

    @field_validator("shops")
    @classmethod
    def _each_once(cls, shops: list[ShopSeed]) -> list[ShopSeed]:
        if len({shop.id for shop in shops}) < len(shops):
            raise ValueError("two shops have the same id")
        return shops

    @property
    def night(self) -> int:
        """`full_pass_at` in minutes after midnight."""
        hour, _, minute = self.full_pass_at.partition(":")
        return int(hour) * 60 + int(minute)

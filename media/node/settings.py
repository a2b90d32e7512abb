"""Settings of the node and its workers: sections `channels`, `node` and `worker`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from media.contracts.channels import ChannelSettings
from runtime.settings import Section


class ChannelSeed(BaseModel):
    """A channel that is made at the first start; later changes by API win over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    settings: ChannelSettings = ChannelSettings()
    program: str | None = None
    """Feed on program from the start."""
    backup: str | None = None
    start: bool = True


class ChannelsSettings(Section):
    """Which channels there are when the database is new."""

    section: ClassVar[str] = "channels"

    seed: list[ChannelSeed] = Field(default_factory=list, description="Channels made at the first start.")


class NodeSettings(Section):
    """What channels may take of this machine."""

    section: ClassVar[str] = "node"

    capacity: float = Field(
        default=0.9,
        gt=0,
        le=16,
        description="Share of the machine's cores that channels may be estimated to take together; one that would "
        "exceed it is refused. Above 1 more is promised than there is.",
    )


class WorkerSettings(Section):
    """How workers are run and supervised, and how their mixer treats its inputs."""

    section: ClassVar[str] = "worker"

    memory_limit_mb: int = Field(
        default=700, ge=100, description="Resident memory in MB past which a worker is replaced by the spare."
    )
    heartbeat_timeout: float = Field(
        default=2.0,
        ge=0.5,
        le=60,
        description="Seconds without a heartbeat after which a worker is killed and replaced.",
    )
    ready_timeout: float = Field(
        default=60.0,
        ge=1,
        le=120,
        description="Seconds a worker may take from its assignment to being on air.",
    )
    spares: int = Field(default=1, ge=0, le=4, description="Warm workers that stand by, everything imported.")
    input_cushion_ms: int = Field(
        default=40,
        ge=10,
        le=2000,
        description="Milliseconds that a feed is held back beyond its own measured jitter.",
    )
    ram_segments: int = Field(
        default=8,
        ge=4,
        le=60,
        description="Newest segments each rendition keeps in memory; older ones are read from the tape.",
    )
    font: str = Field(
        default="", description="Path of a font with Hangul for the slate; empty looks for one."
    )

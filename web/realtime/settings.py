"""Settings section of ``/realtime``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.settings import Section


class RealtimeSettings(Section):
    """How much is told live, how often, and to how many."""

    section: ClassVar[str] = "realtime"

    batch_seconds: float = Field(
        default=0.05, ge=0.005, le=1, description="What changes within this time goes out in one frame."
    )
    window: int = Field(
        default=4096,
        ge=16,
        le=1_000_000,
        description="Changes that are kept; a client that comes back within them gets only what it missed.",
    )
    backlog: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="Changes that may wait for a client that does not read; beyond, it gets a snapshot instead.",
    )
    buffer_kb: int = Field(
        default=64,
        ge=4,
        le=4096,
        description="Unsent kB of one connection from which on it counts as not reading; as much is left to the "
        "system for it.",
    )
    stall_seconds: float = Field(
        default=10.0, ge=0.5, le=600, description="Seconds that a client may not read before it is dropped."
    )
    beat_seconds: float = Field(
        default=20.0,
        ge=0.2,
        le=300,
        description="Seconds between pings; a client that was silent through two of them is dropped.",
    )
    max_clients: int = Field(
        default=4000, ge=1, le=100_000, description="Connections; more are answered 503."
    )
    max_clients_per_address: int = Field(
        default=200,
        ge=1,
        le=100_000,
        description="Connections from one address: those of a whole office, or of all viewers behind a proxy that is "
        "not in `http.trusted_proxies`. More are answered 429.",
    )
    max_frame: int = Field(
        default=4096, ge=256, le=1_048_576, description="Bytes of a frame that a client may send."
    )
    message_rate: float = Field(default=5.0, gt=0, description="Frames per second that a client may send.")
    message_burst: float = Field(default=20.0, ge=1)

"""Settings of the ingest process: sections `ingest` and `feeds`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr, field_validator

from media.model.feed import FeedKind, SecondPublisher
from runtime.settings import Section


class IceServer(BaseModel):
    """A STUN or TURN server (RFC 7064, RFC 7065)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^(stuns?|turns?):[^\s<>\"]{1,200}$", description="As `stun:stun.example.com:3478`."
    )
    username: str = Field(default="", max_length=200)
    credential: SecretStr = Field(
        default=SecretStr(""), description="Told to every sender with a right stream key."
    )


class IngestSettings(Section):
    """Where feeds come in, and what their senders may cost."""

    section: ClassVar[str] = "ingest"

    host: str = Field(default="0.0.0.0", description="Address that RTMP and SRT ports are bound to.")  # noqa: S104 - cameras and phones come from outside; every publisher needs a key
    rtmp_port: int = Field(default=1935, ge=0, le=65535, description="RTMP port; 0 takes a free one.")
    public_host: str = Field(
        default="localhost", min_length=1, description="Host name or address shown in publish URLs."
    )
    media_dir: Path | None = Field(
        default=None, description="Folder of clips for file feeds; relative paths are relative to it."
    )
    any_path: bool = Field(
        default=False, description="Whether file feeds may read outside media_dir, by absolute path."
    )
    max_connections: int = Field(
        default=512,
        ge=1,
        le=20_000,
        description="RTMP connections at once. One more takes the place of whoever waits longest without publishing.",
    )
    publish_timeout: float = Field(
        default=10.0, gt=0, le=60, description="Seconds an RTMP sender has from connecting to publishing."
    )
    silence_timeout: float = Field(
        default=30.0,
        ge=2,
        le=600,
        description="Seconds without a byte after which a publisher's connection is dead.",
    )
    max_message_mb: int = Field(
        default=8, ge=1, le=8, description="Largest RTMP message in MiB, which is the largest picture."
    )
    srt_port: int = Field(
        default=9710, ge=1024, le=65535, description="First UDP port of SRT feeds: each has one of its own."
    )
    srt_ports: int = Field(
        default=40, ge=0, le=1000, description="How many UDP ports from srt_port on SRT feeds may use."
    )
    srt_latency: float = Field(
        default=0.2,
        ge=0.02,
        le=8,
        description="Seconds that SRT waits for what the network lost, unless the feed or its sender asks for more.",
    )
    srt_key_length: Literal[16, 24, 32] = Field(
        default=16,
        description="Bytes of the AES key in SRT publish URLs; a sender may take another length.",
    )
    ffmpeg: Path | None = Field(
        default=None,
        description="An ffmpeg program with SRT to receive with; none takes the one of imageio-ffmpeg.",
    )
    rtsp_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=tuple(
            ipaddress.ip_network(each)
            for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
        ),
        description="Where cameras may be pulled from. This machine and link-local addresses must be named by themselves:"
        " 0.0.0.0/0 means all others.",
    )
    rtsp_answer: float = Field(
        default=10.0, ge=1, le=60, description="Seconds from asking a camera to its first picture."
    )
    rtsp_silence: float = Field(
        default=5.0, ge=1, le=60, description="Seconds without media after which a camera is asked anew."
    )
    webrtc_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - as above
        description="Address whose UDP ports WebRTC senders reach, each session a free one; 0.0.0.0 takes all addresses.",
    )
    webrtc_public_address: str = Field(
        default="",
        description="Address that senders reach us at where it is translated one to one (NAT, cloud), ports unchanged.",
    )
    ice_servers: tuple[IceServer, ...] = Field(
        default=(),
        description="STUN and TURN servers: asked for our own addresses, and named to WebRTC senders.",
    )
    webrtc_sessions: int = Field(default=32, ge=1, le=500, description="WebRTC senders at once.")
    webrtc_connect_timeout: float = Field(
        default=15.0, ge=1, le=60, description="Seconds a WebRTC sender has for ICE and DTLS."
    )
    webrtc_silence_timeout: float = Field(
        default=10.0,
        ge=2,
        le=600,
        description="Seconds without a packet after which a WebRTC sender is gone.",
    )
    webrtc_keyframe_seconds: float = Field(
        default=2.0,
        ge=0.5,
        le=10,
        description="Seconds between keyframes that WebRTC senders are asked for: whoever tunes in waits for one.",
    )

    @field_validator("webrtc_host", "webrtc_public_address")
    @classmethod
    def _address(cls, text: str) -> str:
        """Refuse what is no numeric address: candidates are made of it."""
        if text:
            ipaddress.ip_address(text)
        return text


class FeedSeed(BaseModel):
    """A feed that is made at the start where there is none of its id; later changes by API win over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    kind: FeedKind
    name: str = ""
    second_publisher: SecondPublisher = SecondPublisher.REFUSE
    options: dict[str, str] = Field(default_factory=dict)
    stream_key: SecretStr = Field(
        default=SecretStr(""), description="Empty makes a random one, which only rotating the key can tell."
    )


class FeedsSettings(Section):
    """Which feeds there are when the database is new."""

    section: ClassVar[str] = "feeds"

    seed: list[FeedSeed] = Field(default_factory=list, description="Feeds made at the start.")
    show_keys: bool = Field(
        default=False,
        description="Whether the seeds' stream keys are printed at the start: for a demo alone.",
    )

"""Settings sections of the web process."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from runtime.settings import Section
from web.auth.roles import Role

SELF_SIGNED = "self-signed"
"""As the value of `http.certificate`."""


class HttpSettings(Section):
    """Where the web process listens, and what one client may take."""

    section: ClassVar[str] = "http"

    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - viewers come from outside; `host` narrows it
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one.")
    certificate: str = Field(
        default="",
        description="PEM file of a certificate with its chain: HTTPS is then served as well, on https_port. `self-signed` makes "
        "one for this machine's addresses. Another file in its place is taken into use without a restart.",
    )
    private_key: str = Field(
        default="", description="PEM file of the certificate's key; empty: it is in the certificate's file."
    )
    https_port: int = Field(default=8443, ge=0, le=65535, description="0 takes a free one.")
    public_url: str = Field(
        default="",
        pattern=r"^$|^https?://",
        description="How viewers reach us, where a proxy stands before us.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses and networks (`127.0.0.1`, `10.0.0.0/8`) of proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed; of nobody else's are they.",
    )
    process: str = Field(
        default="",
        pattern=r"^$|^[a-z0-9][a-z0-9-]{0,39}$",
        description="What this process is called in metrics; each further web process of a site needs a name of its own.",
    )
    max_connections: int = Field(
        default=8000, ge=10, le=100_000, description="More are answered 503 and closed."
    )
    keepalive_timeout: float = Field(
        default=75.0, gt=0, le=3600, description="Seconds an idle connection is kept."
    )
    max_body: int = Field(default=262_144, ge=1024, le=16_777_216, description="Bytes of a request body.")
    max_header: int = Field(
        default=8190, ge=1024, le=65_536, description="Bytes of the request line or one header."
    )
    slow_reader_timeout: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="Seconds a client may take to read one object before it is dropped.",
    )
    body_timeout: float = Field(
        default=10.0, gt=0, le=120, description="Seconds a client may take to send a body."
    )
    frame_ancestors: str = Field(default="*", description="CSP sources that may embed /embed pages.")

    @field_validator("private_key")
    @classmethod
    def _with_certificate(cls, file: str, info: ValidationInfo) -> str:
        """Refuse a key that nothing would be done with."""
        certificate = info.data.get("certificate", "")
        if file and certificate in {"", SELF_SIGNED}:
            raise ValueError("a key goes with a certificate's file: set http.certificate too")
        return file

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what is neither address nor network; one that is spelt wrong would trust nobody, or others."""
        try:
            return tuple(str(ipaddress.ip_network(text.strip())) for text in texts)
        except ValueError as error:
            raise ValueError(f"{error}: give addresses or networks, as 127.0.0.1 or 10.0.0.0/8") from error


class UserSeed(BaseModel):
    """A user made at the start when there is none with this login."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    login: str = Field(description="An e-mail address or a short name.")
    password: SecretStr
    role: Role = Role.ADMIN
    name: str = Field(default="", max_length=120, description="What others see; empty takes the login.")


class AuthSettings(Section):
    """Who may do what, how often."""

    section: ClassVar[str] = "auth"
    aliases: ClassVar[Mapping[str, str]] = MappingProxyType({"GACHI_ADMIN_TOKEN": "admin_token"})

    admin_token: SecretStr = Field(
        default=SecretStr(""), description="The first administrator's token; GACHI_ADMIN_TOKEN sets it."
    )
    show_admin_token: bool = Field(
        default=False,
        description="Whether the first administrator's token is printed at the start: for a demo alone.",
    )
    token_rate: float = Field(default=50.0, gt=0, description="API requests per second with one token.")
    token_burst: float = Field(default=200.0, ge=1)
    address_rate: float = Field(
        default=20.0, gt=0, description="API requests per second from one address without a token."
    )
    address_burst: float = Field(default=100.0, ge=1)
    failure_rate: float = Field(default=0.2, gt=0, description="Wrong tokens per second from one address.")
    failure_burst: float = Field(default=20.0, ge=1)
    session_idle: float = Field(
        default=14_400.0, ge=60, le=2_592_000, description="Seconds without a request that end a log-in."
    )
    session_longest: float = Field(
        default=86_400.0, ge=60, le=2_592_000, description="Seconds after which one logs in anew in any case."
    )
    audit_days: int = Field(
        default=365, ge=1, le=36_500, description="Days that lines of the audit log are kept."
    )
    seed: list[UserSeed] = Field(
        default_factory=list,
        description="Users made at the start. `gachi user add` needs no password in a file.",
    )
    show_logins: bool = Field(
        default=False, description="Whether the seeds' passwords are printed at the start: for a demo alone."
    )


class PlaybackSettings(Section):
    """How live and recorded media is served."""

    section: ClassVar[str] = "playback"

    cache_mb: int = Field(
        default=256, ge=8, le=65_536, description="RAM for parts and segments, all channels together."
    )
    takeover_seconds: float = Field(
        default=6.0, ge=0, le=60, description="How long a playlist request waits for a channel's next worker."
    )
    object_timeout: float = Field(
        default=10.0, ge=1, le=60, description="Seconds one fetch from an origin may take."
    )
    max_fetches: int = Field(
        default=256, ge=8, le=10_000, description="Different objects fetched at once; more get 503."
    )
    poster_seconds: float = Field(default=5.0, ge=1, le=3600, description="How long a poster is kept.")

"""HTTPS beside HTTP: which certificate, a changed one taken into use, and where phones find the site."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from runtime import logs
from runtime.settings import Problem, Settings, SettingsError
from web.certificates import (
    Certificate,
    CertificateError,
    examine,
    lan_addresses,
    own_hosts,
    self_signed,
)
from web.settings import SELF_SIGNED, HttpSettings

log = logs.get("web.https")

LOOK_SECONDS = 20.0
"""Between two looks at the files: whoever renews a certificate does it weeks before the old one's end."""
HANDSHAKE_SECONDS = 10.0
"""For a TLS handshake: what takes longer only holds a connection."""
MOST_ADDRESSES = 3
"""Of this machine, that are told at the start."""


def wall() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


def self_signed_file(data: Path) -> Path:
    """Where the certificate that signs itself is kept, with its key."""
    return data / "tls" / "self-signed.pem"


def hosts_of(http: HttpSettings) -> tuple[str, ...]:
    """What a certificate that signs itself must stand for."""
    named = urlsplit(http.public_url).hostname or ""
    found = own_hosts((named, "" if _everywhere(http.host) else http.host))
    # Where IPv6 is not listened on, its addresses, of which a machine has a new one each day, make no new certificate.
    plain = http.host == "0.0.0.0"  # noqa: S104 - a comparison
    return tuple(each for each in found if not plain or ":" not in each or each == "::1")


def find(http: HttpSettings, data: Path, now: dt.datetime, hosts: Sequence[str] = ()) -> Certificate:
    """The certificate of the settings, made where it signs itself, for `hosts` (none: those of now). Raises
    `CertificateError`.
    """
    if http.certificate == SELF_SIGNED:
        return self_signed(self_signed_file(data), hosts or hosts_of(http), now)
    file = Path(http.certificate)
    return examine(file, Path(http.private_key) if http.private_key else file)


def addresses(http: HttpSettings, port: int) -> list[str]:
    """Where others open the site by HTTPS; `port` is that of HTTPS, 0 where it is not served."""
    if http.public_url.startswith("https://"):
        return [http.public_url.rstrip("/")]
    if not port:
        return []
    if _everywhere(http.host):
        families = (4,) if http.host == "0.0.0.0" else (4, 6)  # noqa: S104 - a comparison
        reached = [each for each in lan_addresses() if each.version in families]
        hosts = [str(each) for each in reached[:MOST_ADDRESSES]] or ["localhost"]
    else:
        hosts = ["localhost" if _loopback(http.host) else http.host]
    return [f"https://{f'[{each}]' if ':' in each else each}:{port}" for each in hosts]


class Https:
    """The TLS context of the site. `run` takes changed files into use until cancelled."""

    def __init__(self, find: Callable[[], Certificate]) -> None:
        self._find = find
        self.context = _context()
        self.certificate = find()
        self._files = self._stamp()
        self._take(self.certificate)

    @classmethod
    def of(cls, settings: Settings) -> Https | None:
        """As the settings say; None where they name no certificate. Raises `SettingsError` naming the one at fault."""
        http = settings[HttpSettings]
        if not http.certificate:
            return None
        try:
            # Of the start: another certificate would be one that no phone has accepted, in the midst of its broadcast.
            hosts = hosts_of(http)
            return cls(lambda: find(http, settings.data, wall(), hosts))
        except CertificateError as error:
            origin = settings.origin("http", error.setting)
            raise SettingsError([Problem(f"http.{error.setting}", str(error), origin)]) from error

    def look(self) -> None:
        """Take a changed certificate into use: connections from now on get it, others keep theirs."""
        stamp = self._stamp()
        try:
            found = self._find()
            if found.fingerprint == self.certificate.fingerprint and stamp == self._files:
                return
            # Tried apart from the one in use, which must not lose what it has.
            _context().load_cert_chain(found.file, found.key_file)
            self._take(found)
        except (CertificateError, OSError) as error:
            if stamp != self._files:
                log.warning("the new certificate is not taken; the old one goes on", error=str(error))
        self._files = stamp

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def _take(self, found: Certificate) -> None:
        try:
            self.context.load_cert_chain(found.file, found.key_file)
        except OSError as error:  # ssl.SSLError is one
            raise CertificateError("certificate", f"{found.file} cannot be used: {error}") from error
        self.certificate = found
        if trouble := found.trouble(wall()):
            log.warning("http.certificate", file=str(found.file), trouble=trouble)
        log.info("HTTPS", certificate=str(found.file), names=found.names, ends=found.ends.isoformat())

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Changes with the files."""
        found = []
        for file in {self.certificate.file, self.certificate.key_file}:
            try:
                info = file.stat()
                found.append((info.st_ino, info.st_mtime_ns, info.st_size))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _everywhere(host: str) -> bool:
    return host in {"", "0.0.0.0", "::"}  # noqa: S104 - a comparison


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

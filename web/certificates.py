"""Certificates of HTTPS: read and judged, or made to sign themselves. Pure but for the files; time is passed in.

A phone's camera opens for pages in a secure context alone, and in a studio's own network nobody issues certificates for
192.168.0.12. One that signs itself brings the warning once, and after that the camera.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

VALID_DAYS = 397
"""Browsers refuse those of public authorities beyond 398 days; Apple's bound for all others is 825."""
RENEW_DAYS = 30
SOON_DAYS = 14
"""Days before its end from which a certificate is warned of: time enough to renew it by hand."""
_MAX_FILE = 1 << 20


class CertificateError(Exception):
    """A certificate that cannot be used. `setting` is at fault: `certificate` or `private_key` of section `http`."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, found to belong together."""

    file: Path
    key_file: Path
    names: tuple[str, ...]
    """Host names and addresses it stands for."""
    begins: dt.datetime
    ends: dt.datetime
    fingerprint: str
    """SHA-256, as browsers show it."""

    def trouble(self, now: dt.datetime) -> str:
        """What browsers will say of its dates, or soon will; empty where nothing."""
        if now < self.begins:
            return f"is not valid before {self.begins:%Y-%m-%d %H:%M} UTC: is this machine's clock right?"
        if now >= self.ends:
            return f"expired on {self.ends:%Y-%m-%d}: browsers refuse it, renew it"
        if self.ends - now < dt.timedelta(days=SOON_DAYS):
            return f"expires on {self.ends:%Y-%m-%d}: renew it"
        return ""


def examine(file: Path, key_file: Path) -> Certificate:
    """Read both. Raises `CertificateError` where one is missing, unreadable, no PEM, or not the other's."""
    text = _read(file, "certificate")
    try:
        leaf = x509.load_pem_x509_certificates(text)[0]
    except ValueError as error:
        raise CertificateError("certificate", f"{file} holds no certificate in PEM") from error
    same = key_file == file
    setting = "certificate" if same else "private_key"
    private = text if same else _read(key_file, setting)
    try:
        key = serialization.load_pem_private_key(private, None)
    except TypeError as error:
        raise CertificateError(
            setting, f"the key in {key_file} has a passphrase: give one without"
        ) from error
    except Exception as error:  # ValueError, UnsupportedAlgorithm: the library's families differ
        hint = ": name the key's file in http.private_key" if same else ""
        raise CertificateError(setting, f"{key_file} holds no private key in PEM{hint}") from error
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise CertificateError(
            setting, f"the key in {key_file} is not that of the certificate in {file}: they do not match"
        )
    return Certificate(
        file,
        key_file,
        _names(leaf),
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
        leaf.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def self_signed(file: Path, hosts: Sequence[str], now: dt.datetime) -> Certificate:
    """The one in `file`; made, or made anew, where there is none that stands for all `hosts` for a while yet."""
    with contextlib.suppress(CertificateError):
        found = examine(file, file)
        if set(hosts) <= set(found.names) and found.ends - now > dt.timedelta(days=RENEW_DAYS):
            return found
    return renew(file, hosts, now)


def renew(file: Path, hosts: Sequence[str], now: dt.datetime) -> Certificate:
    """Make one that signs itself, whatever there is. Raises `CertificateError` where it cannot be written."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=file.parent)  # mode 600 from its first moment
        with os.fdopen(handle, "wb") as out:
            out.write(_make(hosts, now))
        Path(fresh).replace(file)  # key and certificate are one file: nobody reads one of each
    except OSError as error:
        raise CertificateError("certificate", f"{file} cannot be written: {error.strerror}") from error
    return examine(file, file)


def own_hosts(extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Names and addresses that this machine is reached by: loopback, its own name, the local network's, then `extra`."""
    name = socket.gethostname().partition(".")[0].lower()
    named = [name, f"{name}.local"] if name.replace("-", "").isalnum() and name != "localhost" else []
    local = [str(each) for each in lan_addresses()]
    return tuple(
        dict.fromkeys(["localhost", "127.0.0.1", "::1", *named, *local, *(each for each in extra if each)])
    )


def lan_addresses() -> list[Address]:
    """Addresses of this machine that others reach it by, IPv4 first; without loopback and link-local ones."""
    found: dict[Address, None] = {}
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            address = ipaddress.ip_address(each.ip if isinstance(each.ip, str) else each.ip[0])
            if not address.is_loopback and not address.is_link_local:
                found[address] = None
    return sorted(found, key=lambda address: address.version)


def _make(hosts: Sequence[str], now: dt.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gachi Live")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # phones' clocks are not ours
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_alternative(each) for each in hosts]), critical=False)
        # Not an authority: whoever stole it could speak for this machine alone.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _public(key: object) -> bytes:
    # Typed as a union of every kind of key, of which some have no such method.
    as_bytes = getattr(key, "public_bytes")  # noqa: B009 - see above
    result: bytes = as_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return result


def _read(file: Path, setting: str) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_FILE)
    except OSError as error:
        raise CertificateError(setting, f"{file} cannot be read: {error.strerror}") from error

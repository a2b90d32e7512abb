"""Certificates: which are refused, with which setting named, and the one that signs itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.cli import main
from runtime.settings import Settings, SettingsError
from tests.support.sites import site
from web import certificates, doctor, https
from web.certificates import CertificateError, examine, own_hosts, renew, self_signed
from web.https import Https, addresses
from web.settings import AuthSettings, HttpSettings

NOW = dt.datetime.now(dt.UTC)


def write(
    folder: Path, name: str = "site", *, ends: dt.timedelta = dt.timedelta(days=90), password: bytes = b""
) -> tuple[Path, Path]:
    """A certificate for localhost and its key, in two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=100))
        .not_valid_after(NOW + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, locked
    )
    certificate, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(private)
    return certificate, key_file


def settings(data: Path, **more: str) -> Settings:
    environment = {f"GACHI_HTTP__{key.upper()}": value for key, value in more.items()}
    environment |= {"GACHI_DATA": str(data), "GACHI_HTTP__HOST": "127.0.0.1"}
    return Settings.load(env=environment, sections=[AuthSettings, HttpSettings], defaults=None)


def refusal(data: Path, **more: str) -> str:
    """What starting says."""
    with pytest.raises(SettingsError) as refused:
        Https.of(settings(data, **more))
    return str(refused.value)


def test_what_cannot_be_used_is_refused_with_its_setting(tmp_path: Path) -> None:
    certificate, key = write(tmp_path)
    _, others = write(tmp_path, "other")
    locked = write(tmp_path, "locked", password=b"secret")
    none = tmp_path / "none.pem"
    cases = {
        "http.certificate: ": {"certificate": str(none), "private_key": str(key)},
        "http.private_key: ": {"certificate": str(certificate), "private_key": str(none)},
    }
    for setting, given in cases.items():
        said = refusal(tmp_path, **given)
        assert said.startswith(setting), said
        assert "cannot be read: No such file or directory" in said
        assert "GACHI_HTTP__" in said  # where it came from
    said = refusal(tmp_path, certificate=str(certificate), private_key=str(others))
    assert said.startswith("http.private_key: ")
    assert "do not match" in said
    said = refusal(tmp_path, certificate=str(locked[0]), private_key=str(locked[1]))
    assert "passphrase" in said
    said = refusal(tmp_path, certificate=str(key), private_key=str(key))
    assert "holds no certificate" in said
    said = refusal(tmp_path, certificate=str(certificate))
    assert "http.private_key" in said
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n")
    assert "holds no certificate" in refusal(tmp_path, certificate=str(garbage))
    with pytest.raises(SettingsError, match=r"set http\.certificate too"):
        settings(tmp_path, private_key=str(key))


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    # Permissions bind no root, as who tests may run.
    with pytest.raises(CertificateError, match="Is a directory"):
        examine(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("ends", "said"),
    [(dt.timedelta(days=-1), "expired on"), (dt.timedelta(days=5), "expires on"), (dt.timedelta(90), "")],
)
def test_one_that_expired_is_warned_of_and_used(tmp_path: Path, ends: dt.timedelta, said: str) -> None:
    certificate, key = write(tmp_path, ends=ends)
    given = settings(tmp_path, certificate=str(certificate), private_key=str(key), https_port="0")
    found = {name: (status, sentence) for name, status, sentence in doctor.checks(given)}["HTTPS"]
    https_ = Https.of(given)
    assert https_ is not None
    assert said in https_.certificate.trouble(NOW)
    assert found[0] == ("warn" if said else "ok")
    assert said in found[1]


def test_one_that_signs_itself_is_kept_and_made_anew_when_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "var" / "tls" / "self-signed.pem"
    first = self_signed(file, own_hosts(["live.example"]), NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {"localhost", "127.0.0.1", "::1", "live.example"} <= set(first.names)
    assert {str(each) for each in certificates.lan_addresses()} <= set(first.names)
    assert self_signed(file, ["localhost"], NOW) == first
    other = self_signed(file, ["localhost", "192.168.7.7"], NOW)
    assert other.fingerprint != first.fingerprint
    assert self_signed(file, ["localhost"], NOW + dt.timedelta(days=360)).fingerprint == other.fingerprint
    late = self_signed(file, ["localhost"], NOW + dt.timedelta(days=370))
    assert late.fingerprint != other.fingerprint
    file.write_bytes(b"torn")
    assert self_signed(file, ["localhost"], NOW).names == ("localhost",)
    assert renew(file, ["localhost"], NOW).trouble(NOW) == ""
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_the_command_tells_what_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GACHI_DATA", str(tmp_path))
    monkeypatch.setenv("GACHI_HTTP__HOST", "192.168.7.7")
    assert main(["certificate"]) == 0
    told = capsys.readouterr().out
    assert "https://192.168.7.7:8443/publish/FEED" in told
    assert 'set http.certificate = "self-signed"' in told
    assert main(["certificate"]) == 0
    assert capsys.readouterr().out == told
    assert main(["certificate", "--renew"]) == 0
    assert capsys.readouterr().out != told


@pytest.mark.parametrize(
    ("host", "public", "port", "wanted"),
    [
        ("127.0.0.1", "", 8443, ["https://localhost:8443"]),
        ("192.168.7.7", "", 8443, ["https://192.168.7.7:8443"]),
        ("fd00::7", "", 8443, ["https://[fd00::7]:8443"]),
        ("192.168.7.7", "", 0, []),
        ("192.168.7.7", "https://live.example/", 0, ["https://live.example"]),
        ("192.168.7.7", "http://live.example", 0, []),
    ],
)
def test_phones_are_sent_where_https_is(host: str, public: str, port: int, wanted: list[str]) -> None:
    assert addresses(HttpSettings(host=host, public_url=public), port) == wanted


@pytest.fixture
def trusting(tmp_path: Path) -> tuple[Https, Path, Path]:
    certificate, key = write(tmp_path)
    found = Https.of(settings(tmp_path, certificate=str(certificate), private_key=str(key)))
    assert found is not None
    return found, certificate, key


async def served(port: int) -> str:
    """The fingerprint of the certificate that a new connection is given."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        given = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
    return x509.load_der_x509_certificate(given).fingerprint(hashes.SHA256()).hex(":").upper()


@asynccontextmanager
async def phone() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
        yield session


async def test_a_changed_certificate_is_taken_into_use(
    tmp_path: Path, trusting: tuple[Https, Path, Path]
) -> None:
    serving, certificate, key = trusting
    async with site(
        tmp_path, http=HttpSettings(host="127.0.0.1", port=0, https_port=0), https=serving
    ) as live:
        port = live.web.pages.https_port
        first = await served(port)
        assert first == serving.certificate.fingerprint
        async with phone() as session, session.get(f"https://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
            # Half of a new pair, as it lies there while somebody copies: the old one goes on.
            new_certificate, new_key = write(tmp_path, "new")
            certificate.write_bytes(new_certificate.read_bytes())
            serving.look()
            assert await served(port) == first
            key.write_bytes(new_key.read_bytes())
            serving.look()
            second = await served(port)
            assert second == serving.certificate.fingerprint != first
            # The connection from before is not broken.
            async with session.get(f"https://127.0.0.1:{port}/healthz") as again:
                assert again.status == 200
            certificate.unlink()
            serving.look()
            assert await served(port) == second


async def test_phones_are_led_to_https_and_nobody_else(
    tmp_path: Path, trusting: tuple[Https, Path, Path]
) -> None:
    http = HttpSettings(host="127.0.0.1", port=0, https_port=0)
    async with site(tmp_path, http=http, https=trusting[0]) as live, phone() as session:
        port = live.web.pages.https_port
        # What carries a trace of a proxy is not of this machine itself.
        other = {"X-Forwarded-For": "192.168.7.20", "Host": "192.168.7.7:8080"}
        page = f"{live.url}/publish/cam"
        async with session.get(page, headers=other, allow_redirects=False) as answer:
            assert answer.status == 307
            assert answer.headers["Location"] == f"https://192.168.7.7:{port}/publish/cam"
        for url, headers in ((page, {}), (f"https://127.0.0.1:{port}/publish/cam", other)):
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                assert answer.status in {200, 503}  # 503: this machine has not built the pages
        bad = {**other, "Host": "[::"}
        async with session.get(page, headers=bad, allow_redirects=False) as answer:
            assert answer.status < 500 or answer.status == 503


def test_the_look_is_often_enough_and_not_too_often() -> None:
    assert 5 <= https.LOOK_SECONDS <= 60

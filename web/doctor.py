"""What web looks at for `gachi doctor`: the built pages, the port, and how viewers reach us."""

from __future__ import annotations

import ipaddress

from runtime.listening import trouble
from runtime.settings import Settings
from web.certificates import CertificateError
from web.https import addresses, find, wall
from web.pages import STATIC
from web.settings import SELF_SIGNED, AuthSettings, HttpSettings

Finding = tuple[str, str, str]


def checks(settings: Settings) -> list[Finding]:
    """Each thing looked at, `ok` | `warn` | `fail`, and a sentence."""
    return [_pages(), _port(settings), _address(settings), _https(settings), _token(settings)]


def _pages() -> Finding:
    if not (STATIC / "index.html").is_file():
        return ("pages", "fail", "the pages are not built: run `make run` once, which builds them")
    return ("pages", "ok", f"the pages are built in {STATIC}")


def _port(settings: Settings) -> Finding:
    section = settings[HttpSettings]
    why = trouble(section.host, section.port)
    if why:
        return (
            "http port",
            "warn",
            f"port {section.port} {why}: that is well if it is this product, else set http.port",
        )
    return ("http port", "ok", f"port {section.port} on {section.host} is free for HTTP")


def _address(settings: Settings) -> Finding:
    section = settings[HttpSettings]
    if section.public_url:
        if section.public_url.startswith("http://"):
            return (
                "public URL",
                "warn",
                f"{section.public_url} is plain HTTP: put a proxy with TLS before it and set http.public_url",
            )
        if not section.trusted_proxies:
            return (
                "public URL",
                "warn",
                f"no proxy before {section.public_url} is trusted, so all share a rate limit: name it in http.trusted_proxies",
            )
        return ("public URL", "ok", f"viewers come by {section.public_url}")
    if _is_loopback(section.host):
        return ("public URL", "ok", f"only this machine reaches {section.host}; set http.host for others")
    return (
        "public URL",
        "warn",
        "http.public_url is not set, so links name the host that was asked: set it where a proxy stands before us",
    )


def _https(settings: Settings) -> Finding:
    """Whether phones can open their cameras: pages get them in a secure context alone."""
    section = settings[HttpSettings]
    if section.certificate:
        return ("HTTPS", *_certificate(section, settings))
    if section.public_url.startswith("https://"):
        return ("HTTPS", "ok", f"the proxy speaks it; phones go live by {_phones(section)}")
    return (
        "HTTPS",
        "ok" if _is_loopback(section.host) else "warn",
        'not served, so phones cannot go live by the browser: set http.certificate to "self-signed" or to a file',
    )


def _certificate(section: HttpSettings, settings: Settings) -> tuple[str, str]:
    if section.certificate == SELF_SIGNED:
        return "ok", f"by a certificate that signs itself: phones warn once; open {_phones(section)}"
    try:
        found = find(section, settings.data, wall())
    except CertificateError as error:
        return "fail", f"http.{error.setting}: {error}"
    if why := found.trouble(wall()):
        return "warn", f"http.certificate: {found.file} {why}"
    if why := trouble(section.host, section.https_port):
        return "warn", f"http.https_port: {section.https_port} {why}: that is well if it is this product"
    return "ok", f"for {', '.join(found.names[:4])}; phones go live by {_phones(section)}"


def _phones(section: HttpSettings) -> str:
    return " or ".join(f"{each}/publish/FEED" for each in addresses(section, section.https_port))


def _token(settings: Settings) -> Finding:
    section = settings[AuthSettings]
    if section.admin_token.get_secret_value():
        return ("administrator", "ok", "the first administrator has a token")
    return (
        "administrator",
        "warn",
        "no administrator's token is set: well where a user has that role (`gachi user list`), else make one with `gachi user add NAME --role admin` or set GACHI_ADMIN_TOKEN",
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

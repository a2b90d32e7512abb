"""RTSP feeds (cameras that are pulled): options, which hosts may be asked, and what the child's words mean. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import SplitResult, quote, urlsplit

from media.model.errors import SpecError
from media.model.feed import FeedSpec

PORT = 554
_OPTIONS = frozenset({"url", "transport", "audio", "username", "password"})
# RFC 3986 without the apostrophe, which quotes the address for the child; nothing that could end its line.
_URL = re.compile(r"^[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]{1,500}$")
_MAX_CREDENTIAL = 128

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Rtsp:
    """What RTSP feeds are made of. Their secret is the user information of RFC 3986 §3.2.1: `name:password`, quoted."""

    def prepare(
        self, spec: FeedSpec, former: FeedSpec | None, others: Iterable[FeedSpec], *, wanted: str = ""
    ) -> FeedSpec:
        """As `media.ingest.sources.Addressed`: user name and password out of the options."""
        del others
        options = dict(spec.options)
        for key in options:
            if key not in _OPTIONS:
                raise SpecError(
                    "an rtsp feed has the options url, transport, audio, username and password only",
                    field=f"options.{key}",
                )
        if wanted:
            raise SpecError("an rtsp feed has no stream key", field="stream_key")
        if options.get("transport", "tcp") not in {"tcp", "udp"}:
            raise SpecError("transport is tcp or udp", field="options.transport")
        if options.get("audio", "on") not in {"on", "off"}:
            raise SpecError("audio is on or off", field="options.audio")
        given = options.get("url") or (former.option("url") if former else "")
        url = _checked(given)
        secret = _credentials(url, options.pop("username", ""), options.pop("password", ""))
        options["url"] = bare = _without_credentials(url)
        if not secret and former is not None and place_of(former.option("url")) == place_of(bare):
            secret = (
                former.secret
            )  # never to another camera: whoever changes the address would get to read it
        return replace(spec, options=tuple(sorted(options.items())), secret=secret)

    def publish_url(self, spec: FeedSpec, *, secret: bool) -> str:
        """Nobody pushes here."""
        del spec, secret
        return ""

    def script(self, spec: FeedSpec, address: Address, *, patience: float) -> str:
        """What the receiving child opens, for `media.adapters.ffmpeg_child`: the address that was checked, not the name.

        `patience` is how many seconds an answer may take.
        """
        parts = urlsplit(spec.option("url"))
        host = f"[{address}]" if address.version == 6 else str(address)
        place = f"{f'{spec.secret}@' if spec.secret else ''}{host}:{parts.port or PORT}"
        url = parts._replace(netloc=place, fragment="").geturl()
        lines = [
            "ffconcat version 1.0",
            f"file '{url}'",
            f"option rtsp_transport {spec.option('transport', 'tcp')}",
            f"option timeout {round(patience * 1e6)}",
            "option analyzeduration 1500000",
            *(["option allowed_media_types video"] if spec.option("audio") == "off" else []),
        ]
        return "\n".join(lines) + "\n"


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a checked address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORT


def allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether a camera may be at this address.

    This machine itself, link-local addresses (cloud metadata among them) and groups are let in only by a network that is
    of their kind alone: `0.0.0.0/0` means everybody else.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    kinds = [kind for kind in ("is_loopback", "is_link_local", "is_multicast") if getattr(address, kind)]
    if address.is_unspecified or (address.version == 4 and address.is_reserved):
        return False
    return any(
        address.version == network.version
        and address in network
        and all(getattr(network, kind) for kind in kinds)
        for network in networks
    )


def _checked(url: str) -> SplitResult:
    wrong = SpecError("url is rtsp://host[:port]/path", field="options.url")
    if not _URL.match(url):
        raise wrong
    try:
        parts = urlsplit(url)
        if parts.scheme != "rtsp" or not parts.hostname or parts.port == 0:
            raise wrong
    except ValueError as error:
        raise wrong from error
    return parts


def _credentials(url: SplitResult, username: str, password: str) -> str:
    """User information out of the options, or out of the address."""
    if (username or password) and ("@" in url.netloc):
        raise SpecError("user name and password stand in the url already", field="options.username")
    if password and not username:
        raise SpecError("a password needs a user name", field="options.username")
    for key, value in (("username", username), ("password", password)):
        if len(value) > _MAX_CREDENTIAL or any(not each.isprintable() for each in value):
            raise SpecError(
                f"a {key} has {_MAX_CREDENTIAL} characters at most, all printable", field=f"options.{key}"
            )
    if username:
        return f"{quote(username, safe='')}:{quote(password, safe='')}"
    return url.netloc.rpartition("@")[0]


def _without_credentials(url: SplitResult) -> str:
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


# --- the child's words -----------------------------------------------------------------------------------------------

REDIRECTED = "the camera sends us to another address, which is not followed"
_REASONS = (
    # `rtsp` is on no list of what the child may open beside what it was told: so newer programs refuse by themselves.
    (re.compile(r"Protocol '\w+' not on whitelist|Redirecting to "), REDIRECTED),
    (re.compile(r"failed: 401 "), "the camera refuses user name and password"),
    (re.compile(r"failed: 403 "), "the camera forbids this user to watch"),
    (re.compile(r"failed: 404 "), "the camera knows no such path"),
    (re.compile(r"failed: 453 "), "the camera has no bandwidth left: too many watch it"),
    (re.compile(r"failed: 461 |Nonmatching transport"), "the camera does not offer this transport"),
    (re.compile(r"failed: ([3-6]\d\d) "), "the camera refused, with status {}"),
    (re.compile(r"Connection refused"), "nothing listens at the camera's address and port"),
    (re.compile(r"No route to host|Network is unreachable|Host is unreachable"), "there is no way to it"),
    (re.compile(r"timed out"), "the camera does not answer"),
    (re.compile(r"Output file does not contain any stream"), "the camera offers neither picture nor sound"),
    (
        re.compile(r"Error opening input: Invalid data"),
        "what answers there does not speak RTSP as we know it",
    ),
)
_MISSED = re.compile(r"RTP: missed (\d+) packets")


def reason_in(line: str) -> str | None:
    """Why it cannot work, where a line of the child's stderr tells; never with a word of the camera's or an address."""
    for pattern, reason in _REASONS:
        if found := pattern.search(line):
            return reason.format(*found.groups())
    return None


def missed_in(line: str) -> int:
    """RTP packets that never came, where a line tells."""
    found = _MISSED.search(line)
    return int(found[1]) if found else 0

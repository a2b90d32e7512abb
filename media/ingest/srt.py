"""SRT feeds: options, addresses, what the receiving child is told and what its words mean. Pure.

Each feed has a UDP port and a passphrase of its own: that is what opens it, for the listener does not enforce a stream id
(see docs/decisions). Packet layouts: draft-sharabayko-srt-01 §3.2.1 (handshake) and §3.2.7 (shutdown).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode

from media.ingest.keys import new_key
from media.model.errors import SpecError
from media.model.feed import FeedKind, FeedSpec, SecondPublisher

LISTEN = 8.0
"""Seconds from a sender's first packet to its connection: libsrt gives up after three by itself."""
_OPTIONS = frozenset({"port", "latency", "key_length", "passphrase"})
_PASSPHRASE = re.compile(r"^[A-Za-z0-9._~-]{10,79}$")
_LATENCY = (0.02, 8.0)
_KEY_LENGTHS = frozenset({"16", "24", "32"})

_HANDSHAKE_SIZE = 64
_CONTROL_HANDSHAKE = b"\x80\0\0\0"
_CONTROL_SHUTDOWN = b"\x80\x05\0\0"
_VERSION_4, _INDUCTION = 4, 1


@dataclass(frozen=True, slots=True)
class SrtDefaults:
    """What the settings say. Seconds, bytes."""

    host: str
    public_host: str
    ports: range
    latency: float
    key_length: int


class Srt:
    """What SRT feeds are made of."""

    def __init__(self, defaults: SrtDefaults) -> None:
        self.defaults = defaults

    def prepare(
        self, spec: FeedSpec, former: FeedSpec | None, others: Iterable[FeedSpec], *, wanted: str = ""
    ) -> FeedSpec:
        """As `media.ingest.sources.Addressed`: with a port, and a passphrase."""
        options = dict(spec.options)
        for key in options:
            if key not in _OPTIONS:
                raise SpecError(
                    "an srt feed has the options port, latency, key_length and passphrase only",
                    field=f"options.{key}",
                )
        if spec.second_publisher is not SecondPublisher.REFUSE:
            raise SpecError("SRT has one sender at a time: a second one is refused", field="second_publisher")
        passphrase = options.pop("passphrase", "") or wanted or (former.secret if former else "") or new_key()
        if not _PASSPHRASE.match(passphrase):
            raise SpecError(
                "a passphrase has 10 to 79 letters, digits and . _ ~ -", field="options.passphrase"
            )
        if "latency" in options:
            _checked_latency(options["latency"])
        if options.get("key_length", "16") not in _KEY_LENGTHS:
            raise SpecError("key_length is 16, 24 or 32", field="options.key_length")
        port = options.get("port") or (former.option("port") if former else "")
        options["port"] = str(self._port(port, {each.option("port") for each in others if _is_srt(each)}))
        return replace(spec, options=tuple(sorted(options.items())), secret=passphrase)

    def _port(self, wanted: str, taken: set[str]) -> int:
        ports = self.defaults.ports
        if wanted:
            if not wanted.isascii() or not wanted.isdigit() or int(wanted) not in ports:
                raise SpecError(
                    f"port is one of ingest.srt_port on: {ports.start} to {ports.stop - 1}",
                    field="options.port",
                )
            if str(int(wanted)) in taken:
                raise SpecError(f"another feed has port {int(wanted)}", field="options.port")
            return int(wanted)
        free = next((port for port in ports if str(port) not in taken), None)
        if free is None:
            raise SpecError(f"all {len(ports)} ports are taken; raise ingest.srt_ports", field="options.port")
        return free

    def publish_url(self, spec: FeedSpec, *, secret: bool) -> str:
        """Where to push, with the passphrase or without. The latency is ours to ask for: both sides take the longer."""
        host = self.defaults.public_host
        query = {"mode": "caller", "pbkeylen": spec.option("key_length", str(self.defaults.key_length))}
        if secret:
            query["passphrase"] = spec.secret
        return f"srt://{f'[{host}]' if ':' in host else host}:{spec.option('port')}?{urlencode(query)}"

    def script(self, spec: FeedSpec) -> str:
        """What the receiving child opens, for `media.adapters.ffmpeg_child`."""
        host = self.defaults.host
        latency = float(spec.option("latency", str(self.defaults.latency)))
        query = urlencode(
            {
                "mode": "listener",
                "passphrase": spec.secret,
                "pbkeylen": spec.option("key_length", str(self.defaults.key_length)),
                "latency": round(latency * 1e6),
                "listen_timeout": round(LISTEN * 1e6),
            }
        )
        place = f"{f'[{host}]' if ':' in host else host}:{spec.option('port')}"
        return f"ffconcat version 1.0\nfile 'srt://{place}?{query}'\noption analyzeduration 1500000\n"


def _is_srt(spec: FeedSpec) -> bool:
    return spec.kind is FeedKind.SRT


def _checked_latency(text: str) -> None:
    low, high = _LATENCY
    try:
        fits = low <= float(text) <= high
    except ValueError:
        fits = False
    if not fits:
        raise SpecError(f"latency is {low:g} to {high:g} seconds", field="options.latency")


# --- packets ---------------------------------------------------------------------------------------------------------


def caller_of(datagram: bytes) -> bytes | None:
    """The caller's socket id where a datagram opens a connection (an induction handshake), else None."""
    if len(datagram) < _HANDSHAKE_SIZE or datagram[:4] != _CONTROL_HANDSHAKE:
        return None
    version, kind = int.from_bytes(datagram[16:20], "big"), int.from_bytes(datagram[36:40], "big")
    return datagram[40:44] if (version, kind) == (_VERSION_4, _INDUCTION) else None


def shutdown_of(caller: bytes) -> bytes:
    """The datagram that tells a caller that its connection is over."""
    return _CONTROL_SHUTDOWN + bytes(8) + caller + bytes(4)


# --- the child's words -----------------------------------------------------------------------------------------------


class SrtWord(StrEnum):
    """What a line of the child means."""

    ACCEPTED = "accepted"
    """A sender is connected; the value is its stream id, which is informative."""
    REFUSED = "refused"
    """A sender was turned away; the value is why, in words."""
    DROPPED = "dropped"
    """So many packets came too late, or never; the value is their count."""
    NOBODY = "nobody"
    """No sender got through in time."""
    IN_USE = "in_use"
    """The port is another program's."""


_REJECTED = re.compile(r"connection rejected due to: .*?ERROR:([A-Z_]+)")
_ACCEPTED = re.compile(r"accept streamid \[(.*)\], length \d+")
_LOST = re.compile(r"RCV-DROPPED (\d+) packet")
_REASONS = {
    "BADSECRET": "a sender was refused: wrong passphrase",
    "UNSECURE": "a sender was refused: it has no passphrase set",
    "VERSION": "a sender was refused: its version of SRT is too old",
    "CRYPTO": "a sender was refused: its kind of encryption is another",
}


def heard(line: str) -> tuple[SrtWord, str] | None:
    """The meaning of a line of the child's stderr, None for what means nothing to staff."""
    if found := _REJECTED.search(line):
        return SrtWord.REFUSED, _REASONS.get(found[1], f"a sender was refused: {found[1].lower()}")
    if found := _ACCEPTED.search(line):
        return SrtWord.ACCEPTED, "".join(each for each in found[1][:100] if each.isprintable())
    if found := _LOST.search(line):
        return SrtWord.DROPPED, found[1]
    if "Error opening input: Connection timed out" in line:
        return SrtWord.NOBODY, ""
    if "Address already in use" in line:
        return SrtWord.IN_USE, ""
    return None

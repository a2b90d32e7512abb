"""Who stands at the other end: the client's address and scheme, through proxies that are trusted and no others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRACES = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Headers that a proxy adds: who sends one is speaking for somebody else."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as far as it can be known."""

    address: str
    """The nearest hop that is no proxy of ours: what rates are limited by. Empty where the peer has none."""
    secure: bool
    """Whether it came by HTTPS, to us or to our proxy."""
    local: bool
    """Whether a process of this machine asks for itself. A proxy on loopback asks for the whole world, so whatever
    carries a trace of one is not local, trusted or not.
    """


class Proxies:
    """Reads requests, given the networks of the proxies that are believed.

    ``Forwarded`` (RFC 7239) is not read: a proxy that writes ``X-Forwarded-For`` passes on a ``Forwarded`` as the
    client wrote it, and the other way round, so to believe both would be to believe the client.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._trusted = tuple(ipaddress.ip_network(each) for each in networks)

    def client(self, request: web.BaseRequest) -> Client:
        """Who asks."""
        peer = address_of(request.remote or "")
        if peer is None:
            return Client("", request.secure, local=False)
        local = peer.is_loopback and not any(name in request.headers for name in TRACES)
        if not self.trusts(peer):
            return Client(str(peer), request.secure, local)
        return Client(
            str(self._nearest(peer, _listed(request, "X-Forwarded-For"))),
            request.secure or _listed(request, "X-Forwarded-Proto")[-1:] == ["https"],
            local,
        )

    def trusts(self, address: Address) -> bool:
        """Whether what this peer says of others is believed."""
        return any(address in network for network in self._trusted)

    def _nearest(self, peer: Address, hops: list[str]) -> Address:
        # From the right: what stands further left was written by the client and may be anything.
        for hop in reversed(hops):
            address = address_of(hop)
            if (
                address is None
            ):  # "unknown", or no address at all: the proxy that said so is the last one known
                return peer
            peer = address
            if not self.trusts(address):
                break
        return peer


def address_of(text: str) -> Address | None:
    """An address as headers and sockets spell it, with a port, brackets or a zone; IPv4 within IPv6 as IPv4."""
    bare = text.strip().partition("%")[0]
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _listed(request: web.BaseRequest, name: str) -> list[str]:
    lines = request.headers.getall(name, [])
    return [each.strip() for line in lines for each in line.split(",") if each.strip()]

"""Which addresses are out in the world. Pure.

A product's picture is at whatever address a catalog says; whoever may write one must not be able to have us knock within our own
network (OWASP: server-side request forgery). Checked is the address that is connected to, never the name: a name may lead
elsewhere the next time it is asked for (DNS rebinding).
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 within IPv6 (RFC 6052), which the standard library does not look into."""


def is_public(text: str) -> bool:
    """Whether an IP address, as a socket spells it, is a public host's."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast and not each.is_reserved for each in _meant(address))


def _meant(address: Address) -> list[Address]:
    """The address that packets go to in the end, where that is written within this one; else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]

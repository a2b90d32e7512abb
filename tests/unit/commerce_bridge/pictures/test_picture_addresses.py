from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.pictures.addresses import is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "211.249.220.24", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.5.5", "192.168.0.1", "100.64.0.1", "169.254.169.254",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "", "shop.example", "1.2.3", "0x7f000001",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_alike(inner: ipaddress.IPv4Address) -> None:
    for outer in (f"::ffff:{inner}", str(ipaddress.IPv6Address((0x64FF9B << 96) | int(inner)))):
        assert is_public(outer) == is_public(str(inner))
    sixth = ipaddress.IPv6Address((0x2002 << 112) | (int(inner) << 80))
    assert not is_public(str(sixth)) or is_public(str(inner))

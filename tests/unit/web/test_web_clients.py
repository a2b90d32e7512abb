from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from pydantic import SecretStr

from runtime.settings import Settings, SettingsError
from tests.support.sites import ADMIN, site
from web.auth.clients import Client, Proxies, address_of
from web.settings import AuthSettings, HttpSettings


def asked(peer: str, headers: Iterable[tuple[str, str]] = (), *trusted: str) -> Client:
    transport = Mock()
    transport.get_extra_info = {"peername": (peer, 4711)}.get
    request = make_mocked_request("GET", "/", headers=CIMultiDict(headers), transport=transport)
    return Proxies(trusted).client(request)


def test_without_a_trusted_proxy_nothing_is_believed() -> None:
    said = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]
    assert asked("198.51.100.1", said) == Client("198.51.100.1", secure=False, local=False)
    assert asked("127.0.0.1", said) == Client("127.0.0.1", secure=False, local=False)
    assert asked("127.0.0.1") == Client("127.0.0.1", secure=False, local=True)
    assert asked("198.51.100.1", said, "198.51.100.2") == Client("198.51.100.1", secure=False, local=False)


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:5012"], "203.0.113.9"),
        (["[2001:db8::9]:5012"], "2001:db8::9"),
        (["2001:DB8::9"], "2001:db8::9"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),  # the client wrote the first itself
        (
            ["127.0.0.1", "203.0.113.9"],
            "203.0.113.9",
        ),  # in two lines it is the same list (RFC 9110 section 5.3)
        (["198.51.100.7, 203.0.113.9, 10.1.2.3, 10.0.0.1"], "203.0.113.9"),
        (["10.1.2.3, 10.0.0.1"], "10.1.2.3"),
        (["203.0.113.9, unknown, 10.0.0.1"], "10.0.0.1"),
        (["nonsense"], "127.0.0.1"),
        ([" , "], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_not_trusted(hops: list[str], address: str) -> None:
    headers = [("X-Forwarded-For", hop) for hop in hops]
    for peer in ("127.0.0.1", "::ffff:127.0.0.1"):
        assert asked(peer, headers, "127.0.0.1", "10.0.0.0/8").address == address


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")))
def test_a_client_cannot_choose_its_address(written: str) -> None:
    headers = [("X-Forwarded-For", f"{written}, 203.0.113.9")]
    assert asked("127.0.0.1", headers, "127.0.0.1").address == "203.0.113.9"


@given(st.text())
def test_what_is_no_address_is_none(text: str) -> None:
    found = address_of(text)
    assert found is None or address_of(str(found)) == found


@pytest.mark.parametrize(("said", "secure"), [("https", True), ("http", False), ("https, http", False)])
def test_the_scheme_is_what_the_nearest_proxy_says(said: str, secure: bool) -> None:
    assert asked("127.0.0.1", [("X-Forwarded-Proto", said)], "127.0.0.1").secure is secure


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_with_its_path(tmp_path: Path, wrong: str) -> None:
    chosen = tmp_path / "chosen.toml"
    chosen.write_text(f'[http]\ntrusted_proxies = ["10.0.0.0/8", "::1", "{wrong}"]\n')
    with pytest.raises(SettingsError) as caught:
        Settings.load(chosen, {}, sections=[HttpSettings], defaults=None)
    assert caught.value.path == "http.trusted_proxies"
    assert wrong in str(caught.value)
    assert "127.0.0.1 or 10.0.0.0/8" in str(caught.value), "the sentence shows what would be right"


async def test_rates_are_limited_by_the_clients_address(tmp_path: Path) -> None:
    http = HttpSettings(host="127.0.0.1", port=0, trusted_proxies=("127.0.0.0/8",))
    auth = AuthSettings(admin_token=SecretStr(ADMIN), failure_burst=1, failure_rate=0.01)
    wrong = {"Authorization": "Bearer wrong"}
    async with site(tmp_path, http=http, auth=auth) as live:

        async def status(hops: str) -> int:
            headers = {**wrong, "X-Forwarded-For": hops}
            async with live.client.get(f"{live.url}/api/v1/channels", headers=headers) as answer:
                return answer.status

        assert await status("203.0.113.9") == 401
        assert await status("198.51.100.7, 203.0.113.9") == 429, "another name for itself does not help"
        assert await status("203.0.113.10") == 401, "the neighbour does not pay for it"


async def test_the_cookie_is_secure_only_on_a_trusted_word(tmp_path: Path) -> None:
    for proxies, flagged in [((), False), (("127.0.0.1",), True)]:
        http = HttpSettings(host="127.0.0.1", port=0, trusted_proxies=proxies)
        async with (
            site(tmp_path / str(flagged), http=http) as live,
            live.client.post(
                f"{live.url}/api/v1/session", json={"token": ADMIN}, headers={"X-Forwarded-Proto": "https"}
            ) as answer,
        ):
            assert ("secure" in answer.headers["Set-Cookie"].lower()) is flagged
